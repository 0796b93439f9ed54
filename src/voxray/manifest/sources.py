"""Where the voxels of the manifest's scans are."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from voxray.core.errors import ManifestError
from voxray.core.records import FileFormat, ScanId, ScanRecord, ScanSource

_COLUMNS = ("path", "kind", "size_bytes", "disposition", "scan_id", "slice_index")
_USED = "used"


def read_sources(
    ingest_folder: Path, scans_root: Path, records: Sequence[ScanRecord]
) -> dict[ScanId, ScanSource]:
    """Give the files of every record, slices in order.

    Args:
        ingest_folder: What stage 1 wrote; its `files.parquet` is read.
        scans_root: The scan folder that stage 1 read, or the one file.
        records: Of its manifest.

    Raises:
        ManifestError: If the table is missing or broken, a record has no file in it, or
            a file is gone or has another size than it had.
    """
    by_scan: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in _read_files(ingest_folder / "files.parquet"):
        if row["disposition"] == _USED:
            by_scan[row["scan_id"]].append(row)
    root = scans_root.parent if scans_root.is_file() else scans_root
    return {
        record.scan_id: _source(root, record, by_scan.get(record.scan_id, []))
        for record in records
    }


def _read_files(path: Path) -> list[dict[str, Any]]:
    try:
        table = parquet.read_table(path, columns=list(_COLUMNS))
        rows: list[dict[str, Any]] = table.to_pylist()
    except (OSError, pa.ArrowInvalid, KeyError) as error:
        msg = f"cannot read {path.name!r}; run stage 1 (ingest) again"
        raise ManifestError(msg) from error
    return rows


def _source(root: Path, record: ScanRecord, rows: list[dict[str, Any]]) -> ScanSource:
    if not rows:
        msg = (
            f"scan {record.scan_id!r} has no file in 'files.parquet'; run ingest again"
        )
        raise ManifestError(msg)
    rows = sorted(rows, key=lambda row: row["slice_index"] or 0)
    for row in rows:
        _check_unchanged(root / row["path"], row["size_bytes"], record.scan_id)
    files = tuple(root / row["path"] for row in rows)
    return ScanSource(record.scan_id, FileFormat(rows[0]["kind"]), files)


def _check_unchanged(path: Path, size_bytes: int, scan_id: ScanId) -> None:
    try:
        found = path.stat().st_size
    except OSError as error:
        msg = f"scan {scan_id!r}: a file is gone since ingest; run ingest again"
        raise ManifestError(msg) from error
    if found != size_bytes:
        msg = (
            f"scan {scan_id!r}: a file has {found} bytes, at ingest it had "
            f"{size_bytes}; run ingest again"
        )
        raise ManifestError(msg)
