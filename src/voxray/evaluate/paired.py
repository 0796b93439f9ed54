"""Two predictors on the same exams: how much one is ahead, and how sure that is."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from voxray.core.records import OutOfFoldPrediction
from voxray.evaluate.auc import (
    DRAWN,
    draw_patients,
    fold_mean_auc,
    lacking,
    mean_variance,
)
from voxray.evaluate.bootstrap import weighted_fold_auc
from voxray.evaluate.delong import delong_spread
from voxray.evaluate.estimate import (
    CONDITIONAL,
    MIN_PATIENTS,
    Counts,
    Estimate,
    Settings,
    not_estimable,
)
from voxray.evaluate.exams import ScoredExams
from voxray.evaluate.intervals import normal_quantile, t_interval
from voxray.evaluate.patient_means import PatientMeans, standard_error

Array = NDArray[np.float64]
PerClass = Sequence[ScoredExams]


def auc_difference(
    first: PerClass,
    second: PerClass,
    settings: Settings,
    whole: ScoredExams | None = None,
) -> Estimate:
    """AUC of the first less that of the second, each the mean over folds.

    With one class the interval is the paired DeLong one by patients, with the spread of
    the folds pooled; of a mean over classes patients are drawn with replacement within
    folds, the same draws for both.

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
    if why := lacking(first):
        return not_estimable(value, why, "paired difference")
    half, method, resamples = _half_width(first, second, settings, whole)
    if not half > 0:
        return not_estimable(value, "no spread is seen", "paired difference")
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


def _half_width(
    first: PerClass, second: PerClass, settings: Settings, whole: ScoredExams | None
) -> tuple[float, str, int]:
    """Half the interval; NaN or 0 where no spread is seen."""
    delong = [delong_spread(*pair) for pair in zip(first, second, strict=True)]
    if len(first) == 1:
        return delong[0].half_width(settings.level), "paired DeLong by patients", 0
    weights = draw_patients(first, settings, whole or first[0])
    gaps = [
        weighted_fold_auc(one, weights) - weighted_fold_auc(other, weights)
        for one, other in zip(first, second, strict=True)
    ]
    variance = mean_variance(gaps, [spread.variance for spread in delong])
    half = normal_quantile(settings.level) * math.sqrt(variance)
    return half, f"{DRAWN}, the same patients for both", settings.spec.resamples


def dice_difference(
    first: Sequence[OutOfFoldPrediction],
    second: Sequence[OutOfFoldPrediction],
    class_: str,
    settings: Settings,
) -> tuple[Estimate, Counts]:
    """Dice of the first less that of the second, each the mean over patients.

    Both are the figures that are reported: an exam without the drawn structure counts
    with Dice 0 for the side that predicts one, and not for the side that does not.
    """
    sides = [
        PatientMeans.of(rows, lambda row: row.dice.get(class_))
        for rows in (first, second)
    ]
    patients = sorted({*sides[0].ids, *sides[1].ids})
    counts = Counts(max(side.n_exams for side in sides), len(patients), len(patients))
    how = "difference of the means over patients"
    if not all(side.ids for side in sides):
        return not_estimable(None, "no exam of one side has a value", how), counts
    value = sides[0].mean - sides[1].mean
    if len(patients) < MIN_PATIENTS:
        why = f"{len(patients)} patients, at least {MIN_PATIENTS} needed"
        return not_estimable(value, why, how), counts
    parts = [dict(zip(side.ids, side.influence, strict=True)) for side in sides]
    gaps = np.array(
        [parts[0].get(one, 0.0) - parts[1].get(one, 0.0) for one in patients]
    )
    error = standard_error(np.array(gaps))
    ends = t_interval(value, error, len(patients), settings.level, share=False)
    if ends is None:
        return not_estimable(value, "no spread is seen", how), counts
    said = f"{how}; Student t, each patient's part in both paired; {CONDITIONAL}"
    return Estimate(value, *ends, said), counts
