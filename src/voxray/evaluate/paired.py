"""Two predictors on the same exams: how much one is ahead, and how sure that is."""

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from voxray.core.records import OutOfFoldPrediction
from voxray.evaluate.auc import fold_mean_auc, placements, side_variance
from voxray.evaluate.bootstrap import (
    patient_strata,
    patient_weights,
    weighted_fold_auc,
)
from voxray.evaluate.estimate import (
    CONDITIONAL,
    Counts,
    Estimate,
    Settings,
    not_estimable,
    too_few,
)
from voxray.evaluate.exams import ScoredExams
from voxray.evaluate.intervals import normal_quantile, t_interval

Array = NDArray[np.float64]
PerClass = Sequence[ScoredExams]


def auc_difference(
    first: PerClass,
    second: PerClass,
    settings: Settings,
    whole: ScoredExams | None = None,
) -> Estimate:
    """AUC of the first less that of the second, each the mean over folds.

    With one class and one exam a patient the interval is the paired DeLong one (DeLong
    1988), with the spread of the folds pooled; otherwise patients are drawn with
    replacement within folds, the same draws for both.

    Args:
        first: One entry per class, of which the mean is taken.
        second: The same classes of the same exams.
        settings: Level, number of resamples, seed.
        whole: Of labels all predictions, where patients have the same numbers.

    Raises:
        ValueError: If the two are not about the same exams.
    """
    _check_same_exams(first, second)
    if any(not exams.usable_folds() for exams in first):
        return not_estimable(None, "no fold holds out both classes")
    value = _mean_auc(first) - _mean_auc(second)
    for exams in first:
        if why := too_few(exams.n_positive, exams.n_negative):
            return not_estimable(value, why, "paired difference")
    variance, method, resamples = _variance(first, second, settings, whole)
    if not variance > 0:
        return not_estimable(value, "no spread is seen", "paired difference")
    half = normal_quantile(settings.level) * math.sqrt(variance)
    low, high = max(-1.0, value - half), min(1.0, value + half)
    said = f"paired difference of the mean over folds; {method}; {CONDITIONAL}"
    return Estimate(value, low, high, said, resamples)


def _check_same_exams(first: PerClass, second: PerClass) -> None:
    for one, other in zip(first, second, strict=True):
        same = (
            one.fold_names == other.fold_names
            and np.array_equal(one.fold, other.fold)
            and np.array_equal(one.exam, other.exam)
            and np.array_equal(one.positive, other.positive)
        )
        if not same:
            msg = f"not the same exams: {len(one.exam)} and {len(other.exam)} to pair"
            raise ValueError(msg)


def _mean_auc(per_class: PerClass) -> float:
    return float(np.mean([fold_mean_auc(exams) for exams in per_class]))


def _variance(
    first: PerClass, second: PerClass, settings: Settings, whole: ScoredExams | None
) -> tuple[float, str, int]:
    if len(first) == 1 and first[0].one_exam_a_patient:
        return _delong(first[0], second[0]), "paired DeLong, one exam a patient", 0
    return (
        _bootstrap(first, second, settings, whole or first[0]),
        "patients drawn with replacement within fold and class, the same for both",
        settings.spec.resamples,
    )


def _delong(first: ScoredExams, second: ScoredExams) -> float:
    """As `delong_variance`, of the differences between placements."""
    by_repeat: dict[int, list[tuple[Array, Array]]] = defaultdict(list)
    for part in first.usable_folds():
        won, lost = (
            placements(exams.score[part], exams.positive[part])
            for exams in (first, second)
        )
        gaps = won[0] - lost[0], won[1] - lost[1]
        by_repeat[int(first.repeat[part[0]])].append(gaps)
    variances = [
        sum(side_variance([gap[side] for gap in folds]) for side in (0, 1))
        for folds in by_repeat.values()
    ]
    return float(np.mean(variances))


def _bootstrap(
    first: PerClass, second: PerClass, settings: Settings, exams: ScoredExams
) -> float:
    generator = np.random.default_rng([settings.seed, len(first)])
    patient_class = np.zeros(exams.n_patients, dtype=np.intp)
    for number, own in enumerate(first):
        patient_class[own.patient[own.positive]] = number + 1
    strata = patient_strata(exams, patient_class)
    weights = patient_weights(strata, settings.spec.resamples, generator)
    gaps = [
        weighted_fold_auc(one, weights) - weighted_fold_auc(other, weights)
        for one, other in zip(first, second, strict=True)
    ]
    return float(np.nanvar(np.mean(gaps, axis=0), ddof=1))


def dice_difference(
    first: Sequence[OutOfFoldPrediction],
    second: Sequence[OutOfFoldPrediction],
    class_: str,
    settings: Settings,
) -> tuple[Estimate, Counts]:
    """Dice of the first less that of the second, mean over patients.

    Exams without the drawn structure are left out: their Dice is 0 or undefined.
    """
    other = {(row.repeat, row.exam_id): row.dice.get(class_) for row in second}
    gaps: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in first:
        own, its = row.dice.get(class_), other.get((row.repeat, row.exam_id))
        if own is not None and its is not None and row.true_volume_ml.get(class_):
            gaps[row.patient_id][row.exam_id].append(own - its)
    of_patient = np.array(
        [np.mean([np.mean(g) for g in exams.values()]) for exams in gaps.values()]
    )
    n_exams = sum(len(exams) for exams in gaps.values())
    counts = Counts(n_exams, len(gaps), len(gaps))
    return _mean_gap(of_patient, settings.level), counts


def _mean_gap(of_patient: Array, level: float) -> Estimate:
    how = "mean over patients of the mean difference within each"
    if not len(of_patient):
        return not_estimable(None, "no exam has the structure", how)
    ends = t_interval(of_patient, level, share=False)
    mean = float(of_patient.mean())
    if ends is None:
        return not_estimable(mean, f"{len(of_patient)} patients, all of one value", how)
    return Estimate(mean, *ends, f"{how}; paired Student t; {CONDITIONAL}")
