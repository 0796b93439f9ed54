"""A mean over patients of the mean within each, and what each patient adds to it."""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from voxray.core.records import OutOfFoldPrediction

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class PatientMeans:
    """Patients with a value, sorted by id.

    In a repeat of the split a patient has the mean of its exams that have a value. A
    patient with a value in some repeats only, such as one whose empty mask is falsely
    filled in one of five, counts by the share of those: the mean over patients then is
    one of the means of single repeats.

    Attributes:
        ids: Of the patients.
        values: (patients,) mean over the repeats in which there is one.
        weights: (patients,) share of the patient's repeats in which there is one.
        n_exams: Exams with a value in any repeat.
    """

    ids: tuple[str, ...]
    values: Array
    weights: Array
    n_exams: int

    @classmethod
    def of(
        cls,
        predictions: Sequence[OutOfFoldPrediction],
        value_of: Callable[[OutOfFoldPrediction], float | None],
    ) -> Self:
        """Collect what `value_of` gives; None leaves an exam of a repeat out."""
        found: dict[str, dict[int, list[float]]] = defaultdict(
            lambda: defaultdict(list)
        )
        repeats: dict[str, set[int]] = defaultdict(set)
        exams = set()
        for row in predictions:
            repeats[row.patient_id].add(row.repeat)
            if (value := value_of(row)) is not None:
                found[row.patient_id][row.repeat].append(value)
                exams.add(row.exam_id)
        ids = tuple(sorted(found))
        means = [[np.mean(values) for values in found[one].values()] for one in ids]
        shares = [len(found[one]) / len(repeats[one]) for one in ids]
        values = np.array([np.mean(own) for own in means], dtype=np.float64)
        return cls(ids, values, np.array(shares, dtype=np.float64), len(exams))

    @property
    def mean(self) -> float:
        """Over patients; there must be one."""
        return float(np.average(self.values, weights=self.weights))

    @property
    def influence(self) -> Array:
        """(patients,) how far each one moves the mean; they add up to 0."""
        share: Array = self.weights / self.weights.sum()
        return share * (self.values - self.mean)


def standard_error(influence: Array) -> float:
    """Of a mean, a ratio of means, or a difference of such, from each patient's part.

    The linearised variance of a ratio estimator, n / (n - 1) times the sum of squares
    (Cochran 1977, Sampling Techniques, 3rd ed., section 6.3); for a plain mean it is
    the variance over n.

    Args:
        influence: (patients,), at least two.
    """
    n = len(influence)
    return math.sqrt(n / (n - 1) * float((influence**2).sum()))
