"""Variance of an AUC over folds, and of the difference of two, by patients.

DeLong 1988 (Biometrics 44:837) with exams of one patient summed, as Obuchowski 1997
(Biometrics 53:567); with one exam a patient it is DeLong's.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata, t

from voxray.evaluate.exams import ScoredExams

Array = NDArray[np.float64]
_BOTH = (0, 1)


def placements(score: Array, positive: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Share of the other class that each exam is ranked on the right side of.

    Their means are the AUC; their variances are DeLong's (DeLong 1988; by midranks in
    O(n log n), Sun & Xu 2014, IEEE Signal Processing Letters 21:1389). Ties count half.

    Args:
        score: float64, higher means positive.
        positive: bool, both values present.

    Returns:
        One value per positive and one per negative exam, 0 to 1.
    """
    ranks = rankdata(score)
    of_positive, of_negative = score[positive], score[~positive]
    won = (ranks[positive] - rankdata(of_positive)) / len(of_negative)
    lost = (ranks[~positive] - rankdata(of_negative)) / len(of_positive)
    return won, 1 - lost


class Spread(NamedTuple):
    """Of an estimate.

    Attributes:
        variance: NaN when no fold holds out two patients of a class.
        freedom: Degrees of freedom of the variance (Satterthwaite 1946, Biometrics
            Bulletin 2:110), of its two classes.
    """

    variance: float
    freedom: float

    def half_width(self, level: float) -> float:
        """Student's quantile times the standard error."""
        return float(t.ppf(0.5 + level / 2, self.freedom)) * math.sqrt(self.variance)


def delong_spread(exams: ScoredExams, rival: ScoredExams | None = None) -> Spread:
    """Of the mean over folds of the AUC, or of AUC less the rival's.

    Repeats see the same patients: the variance is that of one repeat.

    Args:
        exams: With at least one fold of both classes.
        rival: Scores of the same exams by another predictor.
    """
    by_repeat: dict[int, list[_Fold]] = defaultdict(list)
    for part in exams.usable_folds():
        values = placements(exams.score[part], exams.positive[part])
        if rival is not None:
            its = placements(rival.score[part], rival.positive[part])
            values = values[0] - its[0], values[1] - its[1]
        patient, positive = exams.patient[part], exams.positive[part]
        sides = [
            _Side.of(own, patient[side])
            for own, side in zip(values, (positive, ~positive), strict=True)
        ]
        by_repeat[int(exams.repeat[part[0]])].append((sides[0], sides[1]))
    each = [_of_one_repeat(folds) for folds in by_repeat.values()]
    return Spread(*np.mean(each, axis=0).tolist())


@dataclass(frozen=True, slots=True, eq=False)
class _Side:
    """One class's exams in one fold.

    Attributes:
        patient: (patients,) their numbers, rising.
        part: (patients,) sum over a patient's exams of placement less the fold's mean,
            over the exams of that class: what the patient adds to the AUC.
    """

    patient: NDArray[np.intp]
    part: Array

    @classmethod
    def of(cls, values: Array, patient: NDArray[np.intp]) -> "_Side":
        numbers, place = np.unique(patient, return_inverse=True)
        summed = np.bincount(place, weights=values - values.mean())
        return cls(numbers, summed / len(values))


_Fold = tuple[_Side, _Side]


def _of_one_repeat(folds: Sequence[_Fold]) -> Spread:
    sides = [_of_side([fold[side] for fold in folds]) for side in _BOTH]
    shared = sum(_shared(*fold) for fold in folds)
    own = sum(side.variance for side in sides)
    variance = (own + 2 * shared) / len(folds) ** 2
    if not own > 0:
        return Spread(variance, math.nan)
    parts = (side.variance**2 / side.freedom for side in sides if side.freedom)
    return Spread(variance, own**2 / sum(parts))


def _of_side(folds: Sequence[_Side]) -> Spread:
    """Sum over folds of one class's variance.

    The spread between patients is taken around each fold's own mean and shared by all
    folds, since a fold may hold out too few patients for one of its own; a patient
    alone in a fold shows none, and must not count as if there were none.
    """
    freedom = sum(len(fold.part) - 1 for fold in folds)
    if freedom == 0:
        return Spread(math.nan, 0)
    scaled = (float(((fold.part * len(fold.part)) ** 2).sum()) for fold in folds)
    between = sum(scaled) / freedom
    return Spread(sum(between / len(fold.part) for fold in folds), freedom)


def _shared(of_positive: _Side, of_negative: _Side) -> float:
    """Covariance of both classes' parts: patients with exams of both."""
    _, one, other = np.intersect1d(
        of_positive.patient, of_negative.patient, return_indices=True
    )
    n = len(np.union1d(of_positive.patient, of_negative.patient))
    if not len(one) or n < 2:  # noqa: PLR2004
        return 0.0
    return n / (n - 1) * float(of_positive.part[one] @ of_negative.part[other])
