"""Points of ROC curves for the report to draw."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from voxray.core.records import OutOfFoldPrediction
from voxray.core.specs import ClassifySpec
from voxray.evaluate.delong import placements
from voxray.evaluate.exams import ScoredExams, scored_per_class


@dataclass(frozen=True, slots=True)
class RocCurve:
    """One curve from (0, 0) to (1, 1).

    Attributes:
        repeat: None for all folds pooled.
        fold: None for all folds pooled.
        fpr: 1 - specificity, rising.
        tpr: Sensitivity, rising; as many as `fpr`.
        auc: Area under it.
    """

    repeat: int | None
    fold: int | None
    fpr: tuple[float, ...]
    tpr: tuple[float, ...]
    auc: float


def roc_points(
    predictions: Sequence[OutOfFoldPrediction], positive: str
) -> list[RocCurve]:
    """One curve per fold that holds out both classes, then one over all pooled.

    Returns:
        Empty when there is no such fold; repeats are pooled with the rest.
    """
    return _curves(ScoredExams.of_class(predictions, positive))


def _curves(exams: ScoredExams) -> list[RocCurve]:
    curves = []
    for part in exams.usable_folds():
        repeat, fold = exams.fold_names[int(exams.fold[part[0]])]
        curves.append(_curve(exams, part, repeat, fold))
    if curves:
        curves.append(_curve(exams, slice(None), None, None))
    return curves


def class_roc_points(
    predictions: Sequence[OutOfFoldPrediction], classify: ClassifySpec
) -> dict[str, list[RocCurve]]:
    """What `roc_points` gives, for what a person asks about.

    Returns:
        Of two classes the positive one; of more each against the rest; of labels each,
        on the exams that state it.
    """
    per_class = scored_per_class(predictions, classify)
    return {name: _curves(exams) for name, exams in per_class.items()}


def _curve(
    exams: ScoredExams,
    part: NDArray[np.intp] | slice,
    repeat: int | None,
    fold: int | None,
) -> RocCurve:
    positive, score = exams.positive[part], exams.score[part]
    fpr, tpr, _ = roc_curve(positive, score)
    auc = float(placements(score, positive)[0].mean())
    return RocCurve(repeat, fold, tuple(fpr.tolist()), tuple(tpr.tolist()), auc)
