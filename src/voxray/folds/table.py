"""`folds.csv`, and who is trained on in one fold."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from voxray.core.errors import DatasetError, ManifestError
from voxray.core.files import write_text
from voxray.core.records import FoldRole, FoldRow, PatientId, ScanRecord

_COLUMNS = ("repeat", "fold", "patient_id", "group", "role")


class FoldPatients(NamedTuple):
    """Who does what in one fold; the three never overlap.

    Holdout and calibration patients are in none.

    Attributes:
        train: Learned from.
        validation: Only watch training.
        held_out: Predicted, and seen by nothing before.
    """

    train: frozenset[PatientId]
    validation: frozenset[PatientId]
    held_out: frozenset[PatientId]


def write_folds(rows: Iterable[FoldRow], path: Path) -> None:
    """Write the fold table as CSV, whole or not at all."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(_COLUMNS)
    for row in rows:
        table.writerow((row.repeat, row.fold, row.patient_id, row.group, row.role))
    write_text(path, text.getvalue())


def read_folds(path: Path) -> tuple[FoldRow, ...]:
    """Read a fold table that `write_folds` wrote, also one edited by hand.

    Raises:
        ManifestError: If the file is missing, or a column, number or role is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"cannot read {path.name!r}: {error}; run stage 3 again"
        raise ManifestError(msg) from error
    table = csv.DictReader(io.StringIO(text))
    if missing := sorted(set(_COLUMNS) - set(table.fieldnames or ())):
        msg = f"{path.name!r} lacks the columns {', '.join(missing)}"
        raise ManifestError(msg)
    return tuple(_row(path.name, table.line_num, cells) for cells in table)


def _row(name: str, line: int, cells: dict[str, str]) -> FoldRow:
    try:
        return FoldRow(
            int(cells["repeat"]),
            int(cells["fold"]),
            PatientId(cells["patient_id"]),
            cells["group"],
            FoldRole(cells["role"]),
        )
    except (ValueError, TypeError) as error:
        msg = f"{name!r}, line {line}: {error}"
        raise ManifestError(msg) from error


def training_patients(
    rows: Sequence[FoldRow],
    records: Sequence[ScanRecord],
    repeat: int,
    fold: int,
) -> FoldPatients:
    """Say who is trained on, watched and predicted in one fold.

    Raises:
        DatasetError: If the table has no such fold.
    """
    roles: dict[FoldRole, set[PatientId]] = {role: set() for role in FoldRole}
    for row in rows:
        if (row.repeat, row.fold) == (repeat, fold):
            roles[row.role].add(row.patient_id)
    if not roles[FoldRole.HELD_OUT]:
        msg = f"the fold table holds out nobody in repeat {repeat}, fold {fold}"
        raise DatasetError(msg)
    everyone = {record.patient_id for record in records}
    return FoldPatients(
        train=frozenset(everyone.difference(*roles.values())),
        validation=frozenset(roles[FoldRole.VALIDATION]),
        held_out=frozenset(roles[FoldRole.HELD_OUT]),
    )
