"""The manifest: scans that may be used, as a table."""

from voxray.manifest.sources import read_sources
from voxray.manifest.table import COLUMNS, read_manifest, write_manifest

__all__ = ["COLUMNS", "read_manifest", "read_sources", "write_manifest"]
