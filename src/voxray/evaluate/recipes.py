"""Two ways of training, compared over repeats of the split.

Training sets of a repeated cross-validation overlap, so differences between folds are
not independent and their plain t test finds differences that are not there. Nadeau &
Bengio (2003, Machine Learning 52:239) widen the variance of the mean by the ratio of
tested to trained patients; Bouckaert & Frank (2004, PAKDD, LNAI 3056:3) apply it to the
k x r folds of a repeated cross-validation, with k r - 1 degrees of freedom.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from voxray.core.records import OutOfFoldPrediction
from voxray.evaluate.auc import lacking
from voxray.evaluate.delong import placements
from voxray.evaluate.estimate import Estimate, not_estimable
from voxray.evaluate.exams import ScoredExams
from voxray.evaluate.patient_means import PatientMeans

Array = NDArray[np.float64]
Fold = tuple[int, int]

_LEAST_REPEATS = 2


def corrected_t(gaps: Mapping[Fold, float], ratio: float, level: float) -> Estimate:
    """Mean difference over folds, with the corrected resampled t interval.

    Args:
        gaps: Difference in each (repeat, fold) that has one.
        ratio: Tested over trained patients, 1 / (k - 1) for k equal folds.
        level: E.g. 0.95.
    """
    n_repeats = len({repeat for repeat, _ in gaps})
    how = f"mean over {len(gaps)} folds of {n_repeats} repeats"
    if not gaps:
        return not_estimable(None, "no fold has the figure", how)
    values = np.array([gaps[fold] for fold in sorted(gaps)])
    value = float(values.mean())
    why = _no_interval(n_repeats, values, ratio)
    if why:
        return not_estimable(value, why, how)
    variance = (1 / len(values) + ratio) * float(values.var(ddof=1))
    freedom = len(values) - 1
    half = float(t.ppf(0.5 + level / 2, freedom)) * math.sqrt(variance)
    method = (
        f"{how}; corrected resampled t, {freedom} degrees of freedom, tested to "
        f"trained patients {ratio:.3g} (Nadeau & Bengio 2003, Bouckaert & Frank 2004)"
    )
    return Estimate(value, max(-1.0, value - half), min(1.0, value + half), method)


def _no_interval(n_repeats: int, values: Array, ratio: float) -> str:
    """Why there is none; "" when there is one."""
    if n_repeats < _LEAST_REPEATS:
        return f"{n_repeats} repeat, at least {_LEAST_REPEATS} needed"
    if math.isnan(ratio):
        return "a repeat has predictions of one fold only"
    return "" if np.ptp(values) > 0 else "no spread is seen"


def ratio_of_tested(predictions: Sequence[OutOfFoldPrediction]) -> float:
    """Held-out over other patients, mean over folds.

    Returns:
        NaN where a repeat has predictions of one fold only: nobody was trained on.
    """
    everyone: dict[int, set[str]] = defaultdict(set)
    held_out: dict[Fold, set[str]] = defaultdict(set)
    for row in predictions:
        everyone[row.repeat].add(row.patient_id)
        held_out[row.repeat, row.fold].add(row.patient_id)
    others = {fold: len(everyone[fold[0]] - held) for fold, held in held_out.items()}
    if not all(others.values()):
        return math.nan
    return float(np.mean([len(held_out[fold]) / n for fold, n in others.items()]))


def recipe_auc_difference(
    first: Sequence[ScoredExams],
    second: Sequence[ScoredExams],
    ratio: float,
    level: float,
) -> Estimate:
    """AUC of the first recipe less that of the second, each the mean over folds.

    Args:
        first: One entry per class, of which the mean is taken.
        second: The same classes of the same exams.
        ratio: See `ratio_of_tested`.
        level: E.g. 0.95.
    """
    own, other = _mean_over_classes(first), _mean_over_classes(second)
    found = corrected_t({f: own[f] - other[f] for f in own}, ratio, level)
    why = lacking(first)
    return not_estimable(found.value, why, "mean over folds") if why else found


def _mean_over_classes(per_class: Sequence[ScoredExams]) -> dict[Fold, float]:
    """Mean AUC of each fold that holds out all classes and others."""
    each = [_fold_aucs(exams) for exams in per_class]
    shared = set.intersection(*(set(aucs) for aucs in each))
    return {fold: float(np.mean([aucs[fold] for aucs in each])) for fold in shared}


def _fold_aucs(exams: ScoredExams) -> dict[Fold, float]:
    return {
        exams.fold_names[int(exams.fold[part[0]])]: float(
            placements(exams.score[part], exams.positive[part])[0].mean()
        )
        for part in exams.usable_folds()
    }


def recipe_dice_difference(
    first: Sequence[OutOfFoldPrediction],
    second: Sequence[OutOfFoldPrediction],
    class_: str,
    ratio: float,
    level: float,
) -> Estimate:
    """Dice of the first recipe less that of the second, mean over patients of a fold.

    Of the figures that are reported; see `dice_difference`.

    Args:
        first: Aligned with `second`.
        second: The same exams in the same order.
        class_: The structure.
        ratio: See `ratio_of_tested`.
        level: E.g. 0.95.
    """
    own, other = _fold_dice(first, class_), _fold_dice(second, class_)
    gaps = {fold: own[fold] - other[fold] for fold in own.keys() & other.keys()}
    return corrected_t(gaps, ratio, level)


def _fold_dice(
    predictions: Sequence[OutOfFoldPrediction], class_: str
) -> dict[Fold, float]:
    by_fold: dict[Fold, list[OutOfFoldPrediction]] = defaultdict(list)
    for row in predictions:
        if row.dice.get(class_) is not None:
            by_fold[row.repeat, row.fold].append(row)
    return {
        fold: PatientMeans.of(rows, lambda row: row.dice[class_]).mean
        for fold, rows in by_fold.items()
    }
