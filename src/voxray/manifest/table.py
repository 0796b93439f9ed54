"""`manifest.csv`: one row per scan, written and read back without loss.

Numbers are written so that they read back exactly; lists are JSON in the cell; an empty
cell is an absent value.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from voxray.core.errors import ManifestError, ScanError
from voxray.core.files import write_text
from voxray.core.records import ScanRecord
from voxray.manifest.row import cells_of, record_of

COLUMNS = (
    "exam_id",
    "scan_id",
    "channel",
    "patient_id",
    "study_id",
    "modality",
    "path",
    "mask_path",
    "shape",
    "spacing_mm",
    "affine",
    "sha256_pixels",
    "state",
    "findings",
    "site",
    "sex",
    "age_years",
    "scanner",
)
_ADDED = {"scanner"}  # a manifest of an earlier voxray lacks it


def write_manifest(records: Sequence[ScanRecord], path: Path) -> None:
    """Write one row per record, in their order; whole or not at all.

    Columns `label_<name>` and `meta_<name>` follow the fixed ones, by name.

    Raises:
        MachineError: If the disk is full or the folder may not be written.
    """
    rows = [cells_of(record) for record in records]
    extra = sorted({column for row in rows for column in row} - set(COLUMNS))
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, [*COLUMNS, *extra], restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, stream.getvalue())


def read_manifest(path: Path) -> tuple[ScanRecord, ...]:
    """Read what `write_manifest` wrote.

    Raises:
        ManifestError: If the file is missing, a column or a row is, a cell is broken,
            or a scan stands in it twice.
    """
    rows = _read_rows(path)
    records = tuple(
        _record(path, number, cells) for number, cells in enumerate(rows, start=1)
    )
    _check_unique(path, records)
    return records


def _read_rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream, restkey="", strict=True)
            columns = list(reader.fieldnames or ())
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f"cannot read {path.name!r}: {error}; run stage 1 (ingest) again"
        raise ManifestError(msg) from error
    missing = [c for c in COLUMNS if c not in columns and c not in _ADDED]
    if missing:
        msg = f"{path.name!r} lacks the columns {', '.join(missing)}"
        raise ManifestError(msg)
    if not rows:
        msg = f"{path.name!r} has no row: no scan was accepted; see quarantine.csv"
        raise ManifestError(msg)
    return rows


def _record(path: Path, number: int, cells: Mapping[str, str]) -> ScanRecord:
    if "" in cells or None in cells.values():
        msg = f"{path.name!r} row {number} has not as many cells as there are columns"
        raise ManifestError(msg)
    try:
        return record_of(cells)
    except (ScanError, ValueError, KeyError, TypeError) as error:
        msg = f"{path.name!r} row {number} is broken: {error}"
        raise ManifestError(msg) from error


def _check_unique(path: Path, records: Sequence[ScanRecord]) -> None:
    n_ids = len({record.scan_id for record in records})
    if n_ids < len(records):
        msg = f"{path.name!r} names {n_ids} scans in {len(records)} rows: one is double"
        raise ManifestError(msg)
