"""`scores.csv`: appended while running, rewritten sorted at the end."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from voxray.core.files import fsync_append, write_text
from voxray.core.findings import FindingCode
from voxray.core.records import ExamId, PatientId, ScanId, ScoreRow, ScoreStatus
from voxray.core.specs import Plan, Target

_FIRST = ("exam_id", "scan_id", "patient_id", "status", "reason_code", "reason")
_DIGITS = 9
"""Significant ones, so that a probability near 0 stays on its side of a threshold."""


@dataclass(frozen=True, slots=True)
class ScoreColumns:
    """The columns of one model's table: its classes and structures are part of them.

    Attributes:
        labels: Classes that have a threshold of their own.
    """

    classes: tuple[str, ...]
    structures: tuple[str, ...]
    labels: tuple[str, ...] = ()

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """Columns of the scores of a model with this plan."""
        labels = plan.classes if plan.target is Target.LABELS else ()
        return cls(plan.classes, plan.structures, labels)

    @property
    def names(self) -> tuple[str, ...]:
        """All columns, in order."""
        return (
            *_FIRST,
            *("decision", "refer"),
            *(f"p_{name}" for name in self.classes),
            "threshold",
            *(f"threshold_{name}" for name in self.labels),
            *("uncertainty", "disagreement", "ood", "mask"),
            *(f"volume_ml_{name}" for name in self.structures),
            *("model", "model_sha256"),
        )


def _text(value: object) -> str:
    """Numbers rounded, so that a table compares; None as an empty cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(float(f"{value:.{_DIGITS}g}"))
    return str(value)


def _cells(row: ScoreRow) -> dict[str, str]:
    cells = {
        name: _text(getattr(row, name))
        for name in ScoreRow.__slots__
        if name not in {"probabilities", "thresholds", "volume_ml"}
    }
    cells |= {f"p_{name}": _text(p) for name, p in row.probabilities.items()}
    cells |= {f"threshold_{name}": _text(t) for name, t in row.thresholds.items()}
    cells |= {f"volume_ml_{name}": _text(v) for name, v in row.volume_ml.items()}
    return cells


def _lines(rows: Iterable[ScoreRow], columns: ScoreColumns, *, header: bool) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns.names, restval="", lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(_cells(row) for row in rows)
    return stream.getvalue()


def write_scores(path: Path, rows: Sequence[ScoreRow], columns: ScoreColumns) -> None:
    """Write the whole table, sorted by scan."""
    ordered = sorted(rows, key=lambda row: (row.scan_id, row.exam_id))
    write_text(path, _lines(ordered, columns, header=True))


def append_scores(path: Path, rows: Iterable[ScoreRow], columns: ScoreColumns) -> None:
    """Add rows and force them to disk."""
    fsync_append(path, _lines(rows, columns, header=not path.exists()))


def read_scores(path: Path, columns: ScoreColumns) -> tuple[ScoreRow, ...]:
    """Read what was written; a row that a killed run left unfinished is dropped.

    Returns:
        Nothing when the file is absent, or was written with other columns.
    """
    if not path.is_file():
        return ()
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    reader = csv.DictReader(io.StringIO(whole))
    if tuple(reader.fieldnames or ()) != columns.names:
        return ()
    return tuple(_row(cells, columns) for cells in reader)


def _row(cells: Mapping[str, str], columns: ScoreColumns) -> ScoreRow:
    code, patient = cells["reason_code"], cells["patient_id"]
    return ScoreRow(
        exam_id=ExamId(cells["exam_id"]),
        scan_id=ScanId(cells["scan_id"]),
        patient_id=PatientId(patient) if patient else None,
        status=ScoreStatus(cells["status"]),
        reason_code=FindingCode(code) if code else None,
        reason=cells["reason"],
        decision=cells["decision"] or None,
        refer={"true": True, "false": False}.get(cells["refer"]),
        probabilities=_numbers(cells, "p_", columns.classes),
        threshold=_number(cells["threshold"]),
        thresholds=_numbers(cells, "threshold_", columns.labels),
        uncertainty=_number(cells["uncertainty"]),
        disagreement=_number(cells["disagreement"]),
        ood=_number(cells["ood"]),
        mask=cells["mask"] or None,
        volume_ml=_numbers(cells, "volume_ml_", columns.structures),
        model=cells["model"],
        model_sha256=cells["model_sha256"],
    )


def _number(cell: str) -> float | None:
    return float(cell) if cell else None


def _numbers(
    cells: Mapping[str, str], prefix: str, names: Iterable[str]
) -> dict[str, float]:
    found = {name: _number(cells[prefix + name]) for name in names}
    return {name: value for name, value in found.items() if value is not None}
