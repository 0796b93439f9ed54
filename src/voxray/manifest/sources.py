"""Where the voxels of the manifest's scans are."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from voxray.core.errors import ManifestError
from voxray.core.findings import FindingCode
from voxray.core.records import FileFormat, ScanId, ScanRecord, ScanSource

_FILES, _SLICES = "files.parquet", "slices.parquet"


def read_sources(
    ingest_folder: Path, scans_root: Path, records: Sequence[ScanRecord]
) -> dict[ScanId, ScanSource]:
    """Give the files of every record, slices in order.

    Args:
        ingest_folder: What stage 1 wrote; `slices.parquet` and the sizes in
            `files.parquet` are read.
        scans_root: The scan folder that stage 1 read, or the one file.
        records: Of its manifest.

    Raises:
        ManifestError: If a table is missing or broken, a record has no file in it, or a
            file, or the archive it lies in, is gone or has another size than it had.
    """
    sizes = dict(
        zip(*_columns(ingest_folder / _FILES, "path", "size_bytes"), strict=True)
    )
    by_scan: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in _read(ingest_folder / _SLICES).to_pylist():
        by_scan[row["scan_id"]].append(row)
    root = scans_root.parent if scans_root.is_file() else scans_root
    sources = {}
    for record in records:
        source = _source(root, record, by_scan.get(record.scan_id, []))
        for name in dict.fromkeys(_on_disk(f, root, sizes) for f in source.files):
            _check_unchanged(root / name, sizes.get(name, -1), record.scan_id)
        sources[record.scan_id] = source
    return sources


def _columns(path: Path, *names: str) -> list[list[Any]]:
    table = _read(path, names)
    return [table.column(name).to_pylist() for name in names]


def _read(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    try:
        return parquet.read_table(path, columns=list(columns) if columns else None)
    except (OSError, pa.ArrowInvalid, KeyError) as error:
        msg = f"cannot read {path.name!r}; run stage 1 (ingest) again"
        raise ManifestError(msg) from error


def _source(root: Path, record: ScanRecord, rows: list[dict[str, Any]]) -> ScanSource:
    if not rows:
        msg = f"scan {record.scan_id!r} has no file in {_SLICES!r}; run ingest again"
        raise ManifestError(msg)
    rows = sorted(rows, key=lambda row: row["slice_index"])
    frames = tuple(row["frame"] for row in rows if row["frame"] is not None)
    return ScanSource(
        scan_id=record.scan_id,
        format=FileFormat(rows[0]["format"]),
        files=tuple(root / row["path"] for row in rows),
        frames=frames,
        volume=rows[0]["volume"],
        repairs=tuple(FindingCode(code) for code in rows[0]["repairs"].split()),
    )


def _on_disk(file: Path, root: Path, sizes: Mapping[str, int]) -> str:
    """Relative path of the file itself, or of the listed archive that it lies in."""
    path = PurePosixPath(file.relative_to(root).as_posix())
    inside = (parent.as_posix() for parent in path.parents)
    return next((name for name in inside if name in sizes), path.as_posix())


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
