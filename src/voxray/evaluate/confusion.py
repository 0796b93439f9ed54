"""How decided classes agree with true ones: accuracy, kappa, distance in classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voxray.core.records import Metric
from voxray.evaluate.agreement import (
    Statistic,
    balanced_accuracy,
    linear_kappa,
    matthews,
    mean_distance,
    quadratic_kappa,
)
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
from voxray.evaluate.intervals import bounded_interval
from voxray.evaluate.proportions import estimate_share

Array = NDArray[np.float64]

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
        cell = (self.exams.patient * n + self.truth) * n + self.said
        counted = np.bincount(
            cell[used],
            weights=self.exams.exam_weight[used],
            minlength=self.exams.n_patients * n * n,
        )
        return counted.reshape(-1, n, n).astype(np.float64)


@dataclass(frozen=True, slots=True)
class TableMetric:
    """A figure of the table of true and decided classes.

    Attributes:
        name: In `evaluation.json`.
        statistic: What it is.
        bounds: Values it cannot leave.
    """

    name: str
    statistic: Statistic
    bounds: tuple[float, float]


_BALANCED = TableMetric("balanced_accuracy", balanced_accuracy, (0, 1))
_MATTHEWS = TableMetric("mcc", matthews, (-1, 1))


def agreement_metrics(
    class_: str, decided: DecidedExams, settings: Settings
) -> list[Metric]:
    """Accuracy, and balanced accuracy: the mean over classes of the share found."""
    right = decided.truth == decided.said
    accuracy = estimate_share(decided.exams, right, decided.used, settings, decided.how)
    return [
        settings.metric("accuracy", class_, accuracy, decided.counts),
        *_table_metrics([_BALANCED], class_, decided, settings),
    ]


def correlation_metrics(decided: DecidedExams, settings: Settings) -> list[Metric]:
    """Matthews correlation of all classes together."""
    return _table_metrics([_MATTHEWS], "", decided, settings)


def error_metrics(decided: DecidedExams, settings: Settings) -> list[Metric]:
    """Weighted kappas, and mean distance in classes, of ordered classes."""
    metrics = [
        TableMetric("quadratic_kappa", quadratic_kappa, (-1, 1)),
        TableMetric("linear_kappa", linear_kappa, (-1, 1)),
        TableMetric("class_error", mean_distance, (0, decided.n_classes - 1)),
    ]
    return _table_metrics(metrics, "", decided, settings)


def _table_metrics(
    metrics: Sequence[TableMetric],
    class_: str,
    decided: DecidedExams,
    settings: Settings,
) -> list[Metric]:
    estimates = [_estimate(decided, m.statistic, m.bounds, settings) for m in metrics]
    return [
        settings.metric(metric.name, class_, estimate, decided.counts)
        for metric, estimate in zip(metrics, estimates, strict=True)
    ]


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
    ends = bounded_interval(
        value, float(np.nanstd(draws, ddof=1)), bounds, settings.level
    )
    if ends is None:
        return not_estimable(value, "no spread is seen", decided.how)
    method = f"{decided.how}; {_BOOTSTRAP}; {CONDITIONAL}"
    return Estimate(value, *ends, method, settings.spec.resamples)


def _no_interval(value: float, per_patient: Array) -> str:
    """Why there is none; "" when there is one."""
    n_patients = (per_patient.sum(axis=2) > 0).sum(axis=0)
    if np.isnan(value):
        alike = "every exam is decided alike"
        return alike if n_patients.all() else "a class has no exam"
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
