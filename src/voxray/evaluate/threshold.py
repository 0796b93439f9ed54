"""Where to cut a probability, chosen on exams that are not reported."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from voxray.core.calibration import calibrated
from voxray.core.errors import DatasetError
from voxray.core.records import OutOfFoldPrediction
from voxray.core.specs import (
    Calibration,
    DecisionRule,
    EvaluateSpec,
    OperatingPoint,
    Target,
    TaskSpec,
)
from voxray.core.specs.experiment import OperatingPointSpec
from voxray.evaluate.calibrators import fit_classes, fit_two_sided
from voxray.evaluate.checks import check_predictions
from voxray.evaluate.exams import ScoredExams, predictions_of

Array = NDArray[np.float64]

_ROUNDING = 1e-9


def fit_decision(
    predictions: Sequence[OutOfFoldPrediction], task: TaskSpec, spec: EvaluateSpec
) -> DecisionRule | None:
    """Make the rule that is registered: probabilities in, a class out.

    Calibration and then the threshold are fitted on all these predictions, an exam's
    repeats averaged. The figures in `evaluation.json` use calibrations and thresholds
    that were fitted without the fold they judge.

    Returns:
        None without classification; without an operating point for more than two
        classes, where the likeliest class decides, or the median of ordered ones; with
        one per label for labels that do not exclude each other.

    Raises:
        ConfigError: If the calibration asked for is not for such classes.
        DatasetError: If a prediction is not finite, all exams are of one class, or
            there are too few for the calibration asked for.
    """
    if task.classify is None:
        return None
    check_predictions(predictions, task)
    classes, target = task.classify.label_names, task.classify.target
    if target is Target.LABELS:
        rules = {
            name: _two_sided(predictions_of(predictions, name), name, spec)
            for name in classes
        }
        return DecisionRule(
            classes=classes,
            positive="",
            target=target,
            calibrations={n: how for n, (how, _) in rules.items() if how is not None},
            operating_points={name: point for name, (_, point) in rules.items()},
        )
    positive = task.classify.positive_class
    if len(classes) == 2:  # noqa: PLR2004
        calibration, point = _two_sided(predictions, positive, spec)
        return DecisionRule(
            classes=classes,
            positive=positive,
            calibration=calibration,
            operating_point=point,
        )
    return DecisionRule(
        classes=classes,
        positive=positive,
        target=target,
        calibration=fit_classes(predictions, classes, spec.calibration),
    )


def _two_sided(
    predictions: Sequence[OutOfFoldPrediction], positive: str, spec: EvaluateSpec
) -> tuple[Calibration | None, OperatingPoint]:
    exams = ScoredExams.of_class(predictions, positive)
    if exams.n_positive == 0 or exams.n_negative == 0:
        which = "positive" if exams.n_positive else "negative"
        msg = (
            f"no threshold for {positive!r}: all {exams.n_patients} predicted patients "
            f"are {which}; a decision rule needs both classes"
        )
        raise DatasetError(msg)
    score, label = _mean_over_repeats(exams)
    calibration = fit_two_sided(score, label, exams, spec.calibration)
    cut = choose_threshold(calibrated(score, calibration), label, spec.operating_point)
    point = OperatingPoint(
        metric=spec.operating_point.metric,
        at_least=spec.operating_point.at_least,
        threshold=cut,
        n_positive=exams.n_positive,
        n_negative=exams.n_negative,
    )
    return calibration, point


def choose_threshold(
    score: Array, positive: NDArray[np.bool_], point: OperatingPointSpec
) -> float:
    """Best threshold that keeps the metric: `score >= threshold` means positive.

    For sensitivity the highest threshold that keeps it, for specificity the lowest.
    It lies midway between two neighbouring scores, and equal scores stay together, so
    that the metric is kept, never just missed.

    Args:
        score: float64, 0 to 1, finite.
        positive: bool; at least one of the class that the metric counts.
        point: Which metric, and the value to keep.
    """
    levels = np.unique(score)
    own = np.sort(score[positive if point.metric == "sensitivity" else ~positive])
    kept = max(1, math.ceil(point.at_least * len(own) - _ROUNDING))
    if point.metric == "sensitivity":
        lowest_flagged = own[len(own) - kept]
        below = levels[levels < lowest_flagged]
        return _midway(float(below[-1]) if len(below) else 0.0, float(lowest_flagged))
    highest_clear = own[kept - 1]
    above = levels[levels > highest_clear]
    ceiling = float(above[0]) if len(above) else float(np.nextafter(1.0, 2.0))
    return _midway(float(highest_clear), ceiling)


def crossfit_decisions(
    exams: ScoredExams, point: OperatingPointSpec
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Decide each exam with a threshold that its own fold had no part in.

    The threshold for a fold is chosen on the out-of-fold predictions of the other folds
    of the same repeat. Those come from other networks, whose scores need not share a
    scale: the loss this brings is part of what is reported.

    Returns:
        Whether each prediction is decided positive, and whether it could be decided:
        not when the other folds lack a class.
    """
    flagged = np.zeros(len(exams.score), dtype=np.bool_)
    decided = np.zeros(len(exams.score), dtype=np.bool_)
    for fold in np.unique(exams.fold):
        own = exams.fold == fold
        others = (exams.repeat == exams.repeat[own][0]) & ~own
        if len(np.unique(exams.positive[others])) < 2:  # noqa: PLR2004
            continue
        cut = choose_threshold(exams.score[others], exams.positive[others], point)
        flagged[own] = exams.score[own] >= cut
        decided[own] = True
    return flagged, decided


def _mean_over_repeats(exams: ScoredExams) -> tuple[Array, NDArray[np.bool_]]:
    n_repeats = np.bincount(exams.exam)
    score = np.bincount(exams.exam, weights=exams.score) / n_repeats
    return score, np.bincount(exams.exam, weights=exams.positive) > 0


def _midway(low: float, high: float) -> float:
    middle = (low + high) / 2
    return middle if low < middle else high
