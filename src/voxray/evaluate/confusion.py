"""How decided classes agree with true ones: accuracy, kappa, distance in classes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voxray.core.records import Metric
from voxray.evaluate.bootstrap import patient_strata, patient_weights
from voxray.evaluate.estimate import (
    CONDITIONAL,
    MIN_PATIENTS,
    Counts,
    Estimate,
    Settings,
    not_estimable,
)
from voxray.evaluate.exams import ScoredExams
from voxray.evaluate.intervals import logit_interval, normal_quantile
from voxray.evaluate.proportions import estimate_share

Array = NDArray[np.float64]
Statistic = Callable[[Array], Array]
"""From tables (…, true class, decided class) of counts to one number each."""

_BOOTSTRAP = (
    "patients drawn with replacement within fold and class, standard error on the "
    "logit scale of the possible range"
)


@dataclass(frozen=True, slots=True, eq=False)
class DecidedExams:
    """Predictions with the class that was decided.

    Attributes:
        exams: Fold, exam and patient of each prediction.
        truth: int, number of the true class.
        said: int, number of the decided class.
        used: bool; others could not be decided and are left out.
        n_classes: Classes there are.
        how: Who decides, in words.
        n_positive: Patients with a positive exam; 0 with more than two classes.
    """

    exams: ScoredExams
    truth: NDArray[np.intp]
    said: NDArray[np.intp]
    used: NDArray[np.bool_]
    n_classes: int
    how: str
    n_positive: int = 0

    @property
    def counts(self) -> Counts:
        """Exams and patients that were decided."""
        exam, patient = self.exams.exam[self.used], self.exams.patient[self.used]
        n_exams, n_patients = len(np.unique(exam)), len(np.unique(patient))
        return Counts(n_exams, n_patients, self.n_positive)

    def per_patient(self) -> Array:
        """(patient, true class, decided class) exams, repeats sharing one exam."""
        n, used = self.n_classes, self.used
        n_repeats = np.bincount(self.exams.exam[used], minlength=1)
        cell = (self.exams.patient * n + self.truth) * n + self.said
        counted = np.bincount(
            cell[used],
            weights=1 / n_repeats[self.exams.exam[used]],
            minlength=self.exams.n_patients * n * n,
        )
        return counted.reshape(-1, n, n).astype(np.float64)


def agreement_metrics(
    class_: str, decided: DecidedExams, settings: Settings
) -> list[Metric]:
    """Accuracy, and balanced accuracy: the mean over classes of the share found."""
    right = decided.truth == decided.said
    accuracy = estimate_share(decided.exams, right, decided.used, settings, decided.how)
    balanced = _estimate(decided, balanced_accuracy, (0, 1), settings)
    return [
        settings.metric("accuracy", class_, accuracy, decided.counts),
        settings.metric("balanced_accuracy", class_, balanced, decided.counts),
    ]


def error_metrics(decided: DecidedExams, settings: Settings) -> list[Metric]:
    """Quadratic weighted kappa, and mean distance in classes, of ordered classes."""
    farthest = decided.n_classes - 1
    kappa = _estimate(decided, quadratic_kappa, (-1, 1), settings)
    error = _estimate(decided, mean_distance, (0, farthest), settings)
    return [
        settings.metric("quadratic_kappa", "", kappa, decided.counts),
        settings.metric("class_error", "", error, decided.counts),
    ]


def balanced_accuracy(tables: Array) -> Array:
    """Mean over classes of the share that is decided rightly.

    Args:
        tables: (…, true class, decided class) counts.

    Returns:
        NaN where a class has no exam.
    """
    n_true = tables.sum(axis=-1)
    right = np.diagonal(tables, axis1=-2, axis2=-1)
    share = np.full(n_true.shape, np.nan)
    np.divide(right, n_true, out=share, where=n_true > 0)
    return np.asarray(share.mean(axis=-1))


def quadratic_kappa(tables: Array) -> Array:
    """Weighted kappa with squared distances (Cohen 1968, Psychol. Bull. 70:213).

    1 less the mean squared distance over the one that chance would give with the same
    frequencies of true and decided classes: 1 is agreement, 0 is chance.

    Args:
        tables: (…, true class, decided class) counts.

    Returns:
        NaN where all exams are of one class and all are decided to be that one.
    """
    squared = _distance(tables) ** 2
    total = tables.sum(axis=(-2, -1), keepdims=True)
    chance = tables.sum(axis=-1, keepdims=True) * tables.sum(axis=-2, keepdims=True)
    seen = (squared * tables).sum(axis=(-2, -1))
    expected = (squared * chance / np.maximum(total, 1e-12)).sum(axis=(-2, -1))
    ratio = np.full(expected.shape, np.nan)
    np.divide(seen, expected, out=ratio, where=expected > 0)
    return np.asarray(1 - ratio)


def mean_distance(tables: Array) -> Array:
    """Mean number of classes between the true and the decided one.

    Args:
        tables: (…, true class, decided class) counts.
    """
    total = tables.sum(axis=(-2, -1))
    apart = (_distance(tables) * tables).sum(axis=(-2, -1))
    return np.asarray(apart / np.maximum(total, 1e-12))


def _distance(tables: Array) -> Array:
    number = np.arange(tables.shape[-1], dtype=np.float64)
    return np.abs(number[:, None] - number)


def _estimate(
    decided: DecidedExams,
    statistic: Statistic,
    bounds: tuple[float, float],
    settings: Settings,
) -> Estimate:
    """Value and bootstrap interval of a statistic that cannot leave `bounds`."""
    if not decided.used.any():
        why = "no exam could be decided without its own fold"
        return not_estimable(None, why, decided.how)
    per_patient = decided.per_patient()
    value = float(statistic(per_patient.sum(axis=0)))
    why = _no_interval(value, per_patient)
    if why:
        return not_estimable(None if np.isnan(value) else value, why, decided.how)
    draws = _resampled(decided, per_patient, statistic, settings)
    error, (lowest, highest) = float(np.nanstd(draws, ddof=1)), bounds
    width = highest - lowest
    place = (value - lowest) / width
    if not 0 < place < 1 or not error > 0:
        return not_estimable(value, "no spread is seen", decided.how)
    quantile = normal_quantile(settings.level)
    low, high = logit_interval(place, error / width, quantile)
    method = f"{decided.how}; {_BOOTSTRAP}; {CONDITIONAL}"
    ends = lowest + width * low, lowest + width * high
    return Estimate(value, *ends, method, settings.spec.resamples)


def _no_interval(value: float, per_patient: Array) -> str:
    """Why there is none; "" when there is one."""
    if np.isnan(value):
        return "a class has no exam"
    n_patients = (per_patient.sum(axis=2) > 0).sum(axis=0)
    for number, n in enumerate(n_patients):
        if n < MIN_PATIENTS:
            return (
                f"{n} patients of class {number + 1} of {len(n_patients)}, at least "
                f"{MIN_PATIENTS} needed"
            )
    return ""


def _resampled(
    decided: DecidedExams,
    per_patient: Array,
    statistic: Statistic,
    settings: Settings,
) -> Array:
    patient_class = np.zeros(len(per_patient), dtype=np.intp)
    np.maximum.at(patient_class, decided.exams.patient, decided.truth)
    strata = patient_strata(decided.exams, patient_class)
    generator = np.random.default_rng([settings.seed, decided.n_classes, 1])
    weights = patient_weights(strata, settings.spec.resamples, generator)
    flat = per_patient.reshape(len(per_patient), -1)
    return statistic((weights @ flat).reshape(-1, *per_patient.shape[1:]))
