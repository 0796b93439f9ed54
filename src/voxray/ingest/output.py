"""The files of stage 1, but for the manifest."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from voxray.core.files import atomic_path, private_folder, write_json, write_text
from voxray.core.findings import FindingCode
from voxray.ingest.intake import FileRow, Intake, LinkageRow

FILES_SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("kind", pa.string()),
        ("size_bytes", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("disposition", pa.string()),
        ("scan_id", pa.string()),
        ("slice_index", pa.int32()),
        ("code", pa.string()),
    ]
)
SLICES_SCHEMA = pa.schema(
    [
        ("scan_id", pa.string()),
        ("format", pa.string()),
        ("slice_index", pa.int32()),
        ("path", pa.string()),
        ("frame", pa.int32()),
        ("volume", pa.int32()),
        ("repairs", pa.string()),
    ]
)
"""One row per slice of every scan that may be used, or per file of one volume."""

QUARANTINE_COLUMNS = ("path", "series", "scan_id", "code", "detail")
LINKAGE_COLUMNS = (
    "scan_id",
    "patient_id",
    "path",
    "series_instance_uid",
    "study_instance_uid",
    "source_patient",
    "source_issuer",
)
NEAR_COPY_COLUMNS = (
    "scan_id",
    "other_scan_id",
    "patient_id",
    "other_patient_id",
    "distance",
    "correlation",
)
_SHOWN_PAIRS = 20


def write_intake(intake: Intake, folder: Path) -> None:
    """Write what was found, but for the manifest.

    `files.parquet`, `slices.parquet`, `quarantine.csv`, `linkage.csv`,
    `near_copies.csv`, `summary.json`.

    The folder is private (0700): the tables hold paths, UIDs and PatientIDs. The
    summary holds counts and pseudonyms. Equal intakes give equal bytes.

    Raises:
        MachineError: If the disk is full or the folder may not be written.
    """
    private_folder(folder)
    _write_files(intake.files, folder / "files.parquet")
    _write_slices(intake, folder / "slices.parquet")
    _write_csv(folder / "quarantine.csv", QUARANTINE_COLUMNS, intake.quarantine)
    write_linkage(intake.linkage, folder / "linkage.csv")
    _write_csv(folder / "near_copies.csv", NEAR_COPY_COLUMNS, intake.near_copies)
    write_json(folder / "summary.json", summary(intake))


def write_linkage(rows: Iterable[LinkageRow], target: Path) -> None:
    """Write which person a pseudonym stands for. `target` must be in a private folder.

    Raises:
        MachineError: If the disk is full or the folder may not be written.
    """
    _write_csv(target, LINKAGE_COLUMNS, rows)


def summary(intake: Intake) -> dict[str, Any]:
    """Count what was found, without identity."""
    return {
        "n_files": len(intake.files),
        "n_scans": len(intake.records),
        "n_patients": len({record.patient_id for record in intake.records}),
        "n_quarantined": len(intake.quarantine),
        "files": _counts(row.disposition for row in intake.files),
        "states": _counts(record.state for record in intake.records),
        "findings": _counts(
            f.code for record in intake.records for f in record.findings
        ),
        "codes": _counts(row.code for row in intake.quarantine),
        "labels": _label_counts(intake),
        "label_rows_without_scan": {
            "n": intake.label_rows_without_scan,
            "examples": list(intake.label_row_examples),
        },
        "linked_patients": [list(pair) for pair in intake.linked_patients],
        "near_copies": _near_copy_summary(intake),
        "permuted_labels": intake.permuted_labels,
        "notes": _notes(intake),
    }


def _near_copy_summary(intake: Intake) -> dict[str, Any]:
    nearest = intake.near_copies[:_SHOWN_PAIRS]
    return {
        "n_pairs": len(intake.near_copies),
        "n_pairs_of_two_patients": sum(
            pair.patient_id != pair.other_patient_id for pair in intake.near_copies
        ),
        "nearest": [asdict(pair) for pair in nearest],
    }


def _label_counts(intake: Intake) -> dict[str, dict[str, int]]:
    columns = sorted({column for record in intake.records for column in record.labels})
    return {
        column: _counts(
            str(record.labels[column])
            for record in intake.records
            if column in record.labels
        )
        for column in columns
    }


def _notes(intake: Intake) -> list[str]:
    notes = list(intake.notes)
    if n_copies := sum(row.code is FindingCode.COPY_OF for row in intake.quarantine):
        notes.append(f"exact copies of other scans, left out: {n_copies}")
    if n_links := len(intake.linked_patients):
        notes.append(
            "pairs of patients that are never split, since they share an image, or a "
            f"PatientID of which only one states the issuer: {n_links}"
        )
    if n_pairs := len(intake.near_copies):
        notes.append(
            f"pairs of scans that are nearly the same image: {n_pairs}; nothing is "
            "merged, see near_copies.csv"
        )
    if intake.label_rows_without_scan:
        n_rows = intake.label_rows_without_scan
        notes.append(f"{n_rows} rows of the label table name no scan that was found")
    if intake.unused_overrides:
        n_lines = intake.unused_overrides
        notes.append(
            f"{n_lines} lines of data.overrides changed nothing: no such scan, or not "
            "refused for that"
        )
    if intake.permuted_labels is not None:
        seed = intake.permuted_labels
        notes.append(f"control: labels were permuted between patients with seed {seed}")
    return notes


def _counts(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(str(value) for value in values).items()))


def _write_files(rows: Sequence[FileRow], target: Path) -> None:
    names = FILES_SCHEMA.names
    columns = {name: [_plain(getattr(row, name)) for row in rows] for name in names}
    _write_parquet(pa.table(columns, schema=FILES_SCHEMA), target)


def _write_slices(intake: Intake, target: Path) -> None:
    columns: dict[str, list[object]] = {name: [] for name in SLICES_SCHEMA.names}
    for source in (intake.sources[record.scan_id] for record in intake.records):
        n_files = len(source.files)
        columns["scan_id"] += [source.scan_id] * n_files
        columns["format"] += [source.format.value] * n_files
        columns["slice_index"] += range(n_files)
        columns["path"] += [f.relative_to(intake.root).as_posix() for f in source.files]
        columns["frame"] += source.frames or [None] * n_files
        columns["volume"] += [source.volume] * n_files
        columns["repairs"] += [" ".join(source.repairs)] * n_files
    _write_parquet(pa.table(columns, schema=SLICES_SCHEMA), target)


def _write_parquet(table: pa.Table, target: Path) -> None:
    with atomic_path(target) as temporary:
        parquet.write_table(table, temporary)


def _write_csv(target: Path, columns: Sequence[str], rows: Iterable[object]) -> None:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_plain(getattr(row, column)) for column in columns])
    write_text(target, stream.getvalue())


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, int | float) else str(value)
