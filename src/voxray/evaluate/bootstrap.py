"""Patients drawn with replacement: what an interval over exams would get wrong."""

import numpy as np
from numpy.typing import NDArray

from voxray.evaluate.exams import ScoredExams

_BLOCK = 250


def patient_strata(
    exams: ScoredExams, patient_class: NDArray[np.intp]
) -> NDArray[np.intp]:
    """Fold (of the first repeat) and class of each patient, as one number.

    Classes that only one patient of a fold has are drawn together.

    Args:
        exams: Every patient has a prediction in the first repeat.
        patient_class: (patients,) the class each patient counts as.
    """
    fold = np.zeros(exams.n_patients, dtype=np.intp)
    first = exams.repeat == exams.repeat.min()
    fold[exams.patient[first]] = exams.fold[first]
    strata = fold * (int(patient_class.max()) + 2) + patient_class + 1
    numbers, sizes = np.unique(strata, return_counts=True)
    alone = np.isin(strata, numbers[sizes == 1])
    leftover = fold * (int(patient_class.max()) + 2)
    return np.where(alone, leftover, strata)


def patient_weights(
    strata: NDArray[np.intp], resamples: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """How often each patient counts in each resample.

    Within a stratum of n patients n - 1 are drawn and scaled by n / (n - 1), so that
    the spread is not too small when strata are (Rao & Wu 1988, JASA 83:231). A patient
    alone in a stratum always counts once.

    Returns:
        (resamples, patients) float64; each stratum sums to its number of patients.
    """
    weights = np.ones((resamples, len(strata)))
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        n = len(members)
        if n > 1:
            drawn = generator.multinomial(n - 1, np.full(n, 1 / n), size=resamples)
            weights[:, members] = drawn * (n / (n - 1))
    return weights


def weighted_fold_auc(
    exams: ScoredExams, weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mean over folds of the within-fold AUC, for each row of patient weights.

    Args:
        exams: With at least one fold of both classes.
        weights: (resamples, patients).

    Returns:
        (resamples,); a fold without weight on both classes is left out of its row,
        NaN where that is every fold.
    """
    blocks = np.array_split(weights, max(1, len(weights) // _BLOCK))
    return np.concatenate([_fold_mean(exams, block) for block in blocks])


def _fold_mean(exams: ScoredExams, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    total = np.zeros(len(weights))
    n_folds = np.zeros(len(weights))
    for part in exams.usable_folds():
        auc = _weighted_auc(
            exams.score[part], exams.positive[part], weights[:, exams.patient[part]]
        )
        seen = np.isfinite(auc)
        total[seen] += auc[seen]
        n_folds += seen
    ratio = np.full(len(weights), np.nan)
    np.divide(total, n_folds, out=ratio, where=n_folds > 0)
    return ratio


def _weighted_auc(
    score: NDArray[np.float64],
    positive: NDArray[np.bool_],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    won, pairs = weighted_pairs(score, positive, ~positive, weights)
    ratio = np.full(len(pairs), np.nan)
    np.divide(won, pairs, out=ratio, where=pairs > 0)
    return ratio


def weighted_pairs(
    score: NDArray[np.float64],
    upper: NDArray[np.bool_],
    lower: NDArray[np.bool_],
    weights: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pairs of an upper and a lower exam: those in the right order, and all.

    Args:
        score: (exams,); ties count half.
        upper: (exams,) those that should score higher.
        lower: (exams,) those that should score lower; not all exams need be either.
        weights: (draws, exams).

    Returns:
        Two arrays (draws,), weighted by the product of both weights.
    """
    order = np.argsort(score, kind="stable")
    starts = np.unique(score[order], return_index=True)[1]
    weights, upper, lower = weights[:, order], upper[order], lower[order]
    of_upper = np.add.reduceat(weights * upper, starts, axis=1)
    of_lower = np.add.reduceat(weights * lower, starts, axis=1)
    below = np.cumsum(of_lower, axis=1) - of_lower / 2
    pairs = of_upper.sum(axis=1) * of_lower.sum(axis=1)
    return (of_upper * below).sum(axis=1), pairs
