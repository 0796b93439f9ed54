"""The exams whose masks are worst, to be looked at."""

import csv
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np

from voxray.core.errors import ManifestError
from voxray.core.files import write_text
from voxray.core.records import ExamId, OutOfFoldPrediction, PatientId

MOST = 20
"""Exams that are listed of each structure, at most."""

_MEASURES = ("dice", "nsd", "hd95_mm", "volume_ml", "true_volume_ml")


@dataclass(frozen=True, slots=True)
class WorstExam:
    """One row of `worst_exams.csv`; the measures are means over repeats.

    Attributes:
        rank: From 1, per structure: the lowest Dice first, of equal ones lowest NSD.
        fold: That held it out, in the first repeat.
        reason: In words.
    """

    rank: int
    structure: str
    exam_id: ExamId
    patient_id: PatientId
    fold: int
    dice: float
    nsd: float | None
    hd95_mm: float | None
    volume_ml: float | None
    true_volume_ml: float | None
    reason: str


COLUMNS = tuple(field.name for field in fields(WorstExam))


def worst_exams(
    predictions: Sequence[OutOfFoldPrediction], structures: Sequence[str]
) -> tuple[WorstExam, ...]:
    """The twenty worst exams of each structure; fewer than half of all exams.

    Exams without a Dice, both masks being empty, are none of them.
    """
    exams: dict[ExamId, list[OutOfFoldPrediction]] = defaultdict(list)
    for row in sorted(predictions, key=lambda p: (p.repeat, p.fold, p.exam_id)):
        exams[row.exam_id].append(row)
    found: list[WorstExam] = []
    for name in structures:
        own = [
            _judged(name, rows)
            for rows in exams.values()
            if any(row.dice.get(name) is not None for row in rows)
        ]
        own.sort(key=lambda row: (row.dice, row.nsd or 0.0, row.exam_id))
        most = min(MOST, -(-len(own) // 2))
        found += [replace(row, rank=n) for n, row in enumerate(own[:most], start=1)]
    return tuple(found)


def _judged(name: str, rows: Sequence[OutOfFoldPrediction]) -> WorstExam:
    first = rows[0]
    mean = {measure: _mean(measure, name, rows) for measure in _MEASURES}
    return WorstExam(
        rank=0,
        structure=name,
        exam_id=first.exam_id,
        patient_id=first.patient_id,
        fold=first.fold,
        dice=mean["dice"] or 0.0,
        nsd=mean["nsd"],
        hd95_mm=mean["hd95_mm"],
        volume_ml=mean["volume_ml"],
        true_volume_ml=mean["true_volume_ml"],
        reason=_reason(mean),
    )


def _mean(measure: str, name: str, rows: Sequence[OutOfFoldPrediction]) -> float | None:
    values = [getattr(row, measure).get(name) for row in rows]
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _reason(mean: Mapping[str, float | None]) -> str:
    said = {
        "nothing is drawn, something is predicted": mean["true_volume_ml"] == 0,
        "drawn, and nothing is predicted": mean["volume_ml"] == 0,
        "predicted somewhere else": mean["dice"] == 0,
        "more is predicted than drawn": (mean["volume_ml"] or 0)
        > (mean["true_volume_ml"] or 0),
    }
    first = (words for words, holds in said.items() if holds)
    return next(first, "less is predicted than drawn")


def write_worst(rows: Sequence[WorstExam], path: Path) -> None:
    """Write `worst_exams.csv`; without an exam only the head line."""
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in asdict(row).items()})
    write_text(path, stream.getvalue())


def _cell(value: object) -> object:
    return f"{value:.6f}" if isinstance(value, float) else value


def read_worst(path: Path) -> tuple[WorstExam, ...]:
    """Read what `write_worst` wrote.

    Raises:
        ManifestError: If the file is missing or broken.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return tuple(_worst(row) for row in csv.DictReader(stream))
    except (OSError, KeyError, ValueError) as error:
        msg = f"cannot read {path.name!r}; run stage 5 again"
        raise ManifestError(msg) from error


def _worst(row: Mapping[str, str]) -> WorstExam:
    return WorstExam(
        rank=int(row["rank"]),
        structure=row["structure"],
        exam_id=ExamId(row["exam_id"]),
        patient_id=PatientId(row["patient_id"]),
        fold=int(row["fold"]),
        dice=float(row["dice"]),
        nsd=_number(row["nsd"]),
        hd95_mm=_number(row["hd95_mm"]),
        volume_ml=_number(row["volume_ml"]),
        true_volume_ml=_number(row["true_volume_ml"]),
        reason=row["reason"],
    )


def _number(text: str) -> float | None:
    return float(text) if text else None
