"""Average precision: how pure the exams with the highest scores are."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from voxray.evaluate.estimate import Estimate, Settings
from voxray.evaluate.exams import ScoredExams
from voxray.evaluate.resampling import JudgedExams

Array = NDArray[np.float64]


def fold_average_precision(judged: JudgedExams, weights: Array) -> Array:
    """Mean over folds of the average precision within each.

    The sum over distinct scores of precision times the recall gained there, as in
    scikit-learn; no line is drawn between points, which would flatter (Davis & Goadrich
    2006, ICML). Folds without weight on both classes are left out.

    Args:
        judged: One class against the rest.
        weights: (draws, patients).

    Returns:
        (draws,); NaN where no fold has both classes.
    """
    exams = judged.exams
    total, n_folds = np.zeros(len(weights)), np.zeros(len(weights))
    for part in exams.usable_folds():
        own = weights[:, exams.patient[part]]
        found = average_precision(exams.score[part], exams.positive[part], own)
        seen = np.isfinite(found)
        total[seen] += found[seen]
        n_folds += seen
    mean = np.full(len(weights), np.nan)
    np.divide(total, n_folds, out=mean, where=n_folds > 0)
    return mean


def average_precision(
    score: Array, positive: NDArray[np.bool_], weights: Array
) -> Array:
    """Average precision of each row of (draws, exams) weights; NaN without both."""
    order = np.argsort(-score, kind="stable")
    starts = np.unique(-score[order], return_index=True)[1]
    weights, positive = weights[:, order], positive[order]
    hits = np.add.reduceat(weights * positive, starts, axis=1)
    flagged = np.cumsum(np.add.reduceat(weights, starts, axis=1), axis=1)
    found = np.cumsum(hits, axis=1)
    gained = hits * found / np.maximum(flagged, 1e-12)
    n_positive = found[:, -1]
    ratio = np.full(len(weights), np.nan)
    both = (n_positive > 0) & (n_positive < flagged[:, -1])
    np.divide(gained.sum(axis=1), n_positive, out=ratio, where=both)
    return ratio


def chance_precision(n_positive: int, n_exams: int) -> float:
    """Average precision that a random order has on average.

    More than the prevalence, the more so the fewer exams there are: exact, without ties
    (Bestgen 2015, arXiv:1505.04957, equation 1).

    Args:
        n_positive: At least 1.
        n_exams: At least `n_positive`.
    """
    if n_exams == 1:
        return 1.0
    harmonic = float((1 / np.arange(1, n_exams + 1)).sum())
    others = (n_positive - 1) / (n_exams - 1)
    return (others * (n_exams - harmonic) + harmonic) / n_exams


def say_chance(
    judged: Sequence[JudgedExams], settings: Settings, found: Estimate
) -> Estimate:
    """Add what guessing would give in the same folds."""
    del settings
    chance = float(np.mean([_chance(own.exams) for own in judged]))
    return replace(
        found, method=f"{found.method}; a random order gives {chance:.3f} on average"
    )


def _chance(exams: ScoredExams) -> float:
    parts = exams.usable_folds()
    return float(
        np.mean([chance_precision(int(exams.positive[p].sum()), len(p)) for p in parts])
    )
