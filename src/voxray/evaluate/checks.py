"""Predictions that no metric may be computed from."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from voxray.core.errors import DatasetError, LeakageError
from voxray.core.records import FoldRole, FoldRow, OutOfFoldPrediction
from voxray.core.specs import ClassifySpec, TaskSpec


def require_out_of_fold(
    predictions: Sequence[OutOfFoldPrediction], rows: Sequence[FoldRow]
) -> None:
    """Refuse predictions by a network that may have seen the patient.

    Args:
        predictions: Any number.
        rows: The audited fold table.

    Raises:
        LeakageError: If a patient was not held out in the fold that predicts.
    """
    held_out = {
        (row.repeat, row.fold, row.patient_id)
        for row in rows
        if row.role is FoldRole.HELD_OUT
    }
    leaked = [
        p for p in predictions if (p.repeat, p.fold, p.patient_id) not in held_out
    ]
    if leaked:
        first = leaked[0]
        msg = (
            f"{len(leaked)} of {len(predictions)} predictions come from a network that "
            f"did not hold the patient out; first: exam {first.exam_id!r} of patient "
            f"{first.patient_id!r} by fold {first.fold} of repeat {first.repeat}"
        )
        raise LeakageError(msg)


def check_predictions(
    predictions: Sequence[OutOfFoldPrediction], task: TaskSpec
) -> None:
    """Refuse predictions that would give a misleading number.

    Raises:
        DatasetError: If there is none, an exam is predicted twice by one repeat, a
            label is unknown, or a number is missing or not finite.
    """
    if not predictions:
        msg = "there is no out-of-fold prediction to evaluate; run stage 4 first"
        raise DatasetError(msg)
    exams = Counter((row.repeat, row.exam_id) for row in predictions)
    (repeat, exam), times = exams.most_common(1)[0]
    if times > 1:
        msg = f"exam {exam!r} is predicted {times} times in repeat {repeat}"
        raise DatasetError(msg)
    if task.classify is not None:
        _check_labels(predictions, task.classify)
    problems = [(row, what) for row in predictions for what in _not_finite(row, task)]
    if problems:
        row, what = problems[0]
        msg = (
            f"{len(problems)} predicted numbers are missing or not finite; first: "
            f"{what} of exam {row.exam_id!r}, fold {row.fold} of repeat {row.repeat}. "
            "Training may have diverged: lower train.learning_rate and train again"
        )
        raise DatasetError(msg)


def _check_labels(
    predictions: Sequence[OutOfFoldPrediction], classify: ClassifySpec
) -> None:
    for row in predictions:
        if classify.columns:
            _check_several(row, classify)
        elif row.label not in classify.classes:
            msg = (
                f"exam {row.exam_id!r} has the label {row.label!r}, which is none of "
                f"{list(classify.classes)}"
            )
            raise DatasetError(msg)


def _check_several(row: OutOfFoldPrediction, classify: ClassifySpec) -> None:
    known = {name: row.labels.get(name) for name in classify.columns}
    stated = {name: value for name, value in known.items() if value is not None}
    wrong = {name: value for name, value in stated.items() if value not in {0, 1}}
    if wrong or not stated:
        said = f"the labels {wrong}, which are not 0 or 1" if wrong else "no label"
        msg = f"exam {row.exam_id!r} has {said}; labels: {list(classify.columns)}"
        raise DatasetError(msg)


def _not_finite(row: OutOfFoldPrediction, task: TaskSpec) -> Iterator[str]:
    if task.classify is not None:
        for name in task.classify.label_names:
            if not math.isfinite(row.probabilities.get(name, math.nan)):
                yield f"the probability of {name!r}"
    if task.segment is not None:
        for name in task.segment.classes:
            yield from _not_finite_mask(row, name)


def _not_finite_mask(row: OutOfFoldPrediction, name: str) -> Iterator[str]:
    dice = row.dice.get(name, math.nan)
    if dice is not None and not math.isfinite(dice):
        yield f"the Dice of {name!r}"
    for measure in ("iou", "nsd", "hd95_mm", "assd_mm"):
        value = getattr(row, measure).get(name)
        if value is not None and not math.isfinite(value):
            yield f"{measure} of {name!r}"
    volume = row.volume_ml.get(name, 0.0) + row.true_volume_ml.get(name, 0.0)
    if not math.isfinite(volume):
        yield f"a volume of {name!r}"
