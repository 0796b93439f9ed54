"""Scans whose label or mask the network, which never saw them, contradicts most.

Labels by confident learning (Northcutt, Jiang & Chuang 2021, JAIR 70:1373): an exam is
suspected when its own class is less likely than it is on average for exams of that
class, and another class at least as likely as it is on average for exams of that other
one. Masks by robust outliers of the loss. Nothing is removed or changed.
"""

import csv
import io
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Literal

import numpy as np

from voxray.core.errors import ManifestError
from voxray.core.files import write_text
from voxray.core.records import ExamId, OutOfFoldPrediction, PatientId

MOST = 50
"""Exams that are listed for each of classes and masks, at most."""

_MOST_SHARE = 0.1
_SMALLEST_SHARE = 1e-7
_MAD_SD = 1.4826  # of a normal distribution
_OUTLIER = 3.0
_SMALLEST_SPREAD = 0.02  # of Dice: less is no outlier


@dataclass(frozen=True, slots=True)
class Suspect:
    """One row of `possibly_mislabelled.csv`.

    Attributes:
        rank: From 1, per kind: the highest loss first.
        kind: What may be wrong.
        said_by_person: The class, or the structures that are drawn.
        said_by_network: The likeliest class, or the structures it drew.
        loss: -log of the probability of the person's class, or 1 - Dice; mean over
            repeats and structures.
        reason: In words.
    """

    rank: int
    kind: Literal["class", "mask"]
    exam_id: ExamId
    patient_id: PatientId
    fold: int
    said_by_person: str
    said_by_network: str
    loss: float
    reason: str


COLUMNS = tuple(field.name for field in fields(Suspect))


def possibly_mislabelled(
    predictions: Sequence[OutOfFoldPrediction],
) -> tuple[Suspect, ...]:
    """Exams to look at again, classes first, each kind by falling loss.

    At most a tenth of the exams and at most 50 of each kind. An exam of several repeats
    counts by its mean; the fold is that of the first repeat.
    """
    exams: dict[ExamId, list[OutOfFoldPrediction]] = defaultdict(list)
    for row in sorted(predictions, key=lambda p: (p.repeat, p.fold, p.exam_id)):
        exams[row.exam_id].append(row)
    most = min(MOST, math.ceil(_MOST_SHARE * len(exams)))
    found: list[Suspect] = []
    by_class = [s for asked in _class_questions(exams) for s in _by_class(asked)]
    for suspects in (by_class, _by_mask(exams)):
        ranked = sorted(suspects, key=lambda s: (-s.loss, s.exam_id))[:most]
        found += [replace(s, rank=n) for n, s in enumerate(ranked, start=1)]
    return tuple(found)


_Exams = Mapping[ExamId, Sequence[OutOfFoldPrediction]]


def _class_questions(exams: _Exams) -> Iterator[_Exams]:
    """The exams, or with several labels once per label: there, or not."""
    names = dict.fromkeys(n for rows in exams.values() for n in rows[0].labels)
    if not names:
        yield exams
    for name in names:
        yield {
            exam: [_one_label(row, name) for row in rows]
            for exam, rows in exams.items()
            if name in rows[0].labels
        }


def _one_label(row: OutOfFoldPrediction, name: str) -> OutOfFoldPrediction:
    share = row.probabilities[name]
    shares = {name: share, f"no {name}": 1 - share}
    label = name if row.labels[name] else f"no {name}"
    return replace(row, label=label, probabilities=shares)


def _by_class(exams: _Exams) -> Iterator[Suspect]:
    shares = {exam: _mean_shares(rows) for exam, rows in exams.items() if rows[0].label}
    usual = _usual_confidence(exams, shares)
    for exam, own in shares.items():
        first = exams[exam][0]
        label = str(first.label)
        others = [
            name
            for name, share in own.items()
            if name != label and name in usual and share >= usual[name]
        ]
        if others and own[label] < usual[label]:
            other = max(others, key=lambda name: own[name])
            yield Suspect(
                0,
                "class",
                exam,
                first.patient_id,
                first.fold,
                label,
                other,
                -math.log(max(own[label], _SMALLEST_SHARE)),
                f"probability of {other} {own[other]:.2f}, on exams of that class "
                f"{usual[other]:.2f} on average; of {label} {own[label]:.2f}, "
                f"{usual[label]:.2f} on average",
            )


def _mean_shares(rows: Sequence[OutOfFoldPrediction]) -> dict[str, float]:
    names = rows[0].probabilities
    return {n: float(np.mean([r.probabilities[n] for r in rows])) for n in names}


def _usual_confidence(
    exams: _Exams, shares: Mapping[ExamId, Mapping[str, float]]
) -> dict[str, float]:
    """Per class the mean probability of it over the exams that have it."""
    own: dict[str, list[float]] = defaultdict(list)
    for exam, said in shares.items():
        label = str(exams[exam][0].label)
        own[label].append(said[label])
    return {label: float(np.mean(values)) for label, values in own.items()}


def _by_mask(exams: _Exams) -> Iterator[Suspect]:
    dice = {exam: _mean_dice(rows) for exam, rows in exams.items()}
    loss = {e: 1 - float(np.mean(list(d.values()))) for e, d in dice.items() if d}
    if not loss:
        return
    median = float(np.median(list(loss.values())))
    spread = float(np.median([abs(value - median) for value in loss.values()]))
    limit = median + _OUTLIER * max(_MAD_SD * spread, _SMALLEST_SPREAD)
    for exam, value in loss.items():
        if value > limit:
            first = exams[exam][0]
            worst = min(dice[exam], key=lambda name: dice[exam][name])
            yield Suspect(
                0,
                "mask",
                exam,
                first.patient_id,
                first.fold,
                _volumes(first.true_volume_ml),
                _volumes(first.volume_ml),
                value,
                f"mean Dice {1 - value:.2f}, the median exam has {1 - median:.2f}; "
                f"lowest for {worst}, {dice[exam][worst]:.2f}",
            )


def _mean_dice(rows: Sequence[OutOfFoldPrediction]) -> dict[str, float]:
    """Per structure that someone drew; None where both masks are empty."""
    values: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        for name, dice in row.dice.items():
            if dice is not None:
                values[name].append(dice)
    return {name: float(np.mean(own)) for name, own in values.items()}


def _volumes(volume_ml: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {ml:.2f} ml" for name, ml in volume_ml.items())


def write_suspects(suspects: Sequence[Suspect], path: Path) -> None:
    """Write `possibly_mislabelled.csv`; without a suspect only the head line."""
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({**asdict(s), "loss": f"{s.loss:.6f}"} for s in suspects)
    write_text(path, stream.getvalue())


def read_suspects(path: Path) -> tuple[Suspect, ...]:
    """Read what `write_suspects` wrote.

    Raises:
        ManifestError: If the file is missing or broken.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return tuple(_suspect(row) for row in csv.DictReader(stream))
    except (OSError, KeyError, ValueError) as error:
        msg = f"cannot read {path.name!r}; run stage 5 again"
        raise ManifestError(msg) from error


def _suspect(row: Mapping[str, str]) -> Suspect:
    return Suspect(
        rank=int(row["rank"]),
        kind="mask" if row["kind"] == "mask" else "class",
        exam_id=ExamId(row["exam_id"]),
        patient_id=PatientId(row["patient_id"]),
        fold=int(row["fold"]),
        said_by_person=row["said_by_person"],
        said_by_network=row["said_by_network"],
        loss=float(row["loss"]),
        reason=row["reason"],
    )
