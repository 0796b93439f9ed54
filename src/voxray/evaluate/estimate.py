"""A number with its interval, before it is given a name and a place in a table."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from voxray.core.records import Metric
from voxray.core.specs import EvaluateSpec, OperatingPoint

MIN_PATIENTS = 10
"""Fewer positive or negative patients than this: the interval is not estimable."""

CONDITIONAL = "conditional on the trained models"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value, its interval, and how both were computed.

    Attributes:
        value: None when there is none; `method` says why.
        low: Lower end; None when not estimable, and `method` says why.
        resamples: Bootstrap draws, 0 without.
    """

    value: float | None
    low: float | None
    high: float | None
    method: str
    resamples: int = 0


@dataclass(frozen=True, slots=True)
class Counts:
    """What stands behind a number.

    Attributes:
        n_exams: Exams it is computed from.
        n_patients: Patients it is computed from.
        n_positive: Patients with a positive exam, or with the structure drawn.
    """

    n_exams: int
    n_patients: int
    n_positive: int


@dataclass(frozen=True, slots=True)
class Settings:
    """What all metrics of one evaluation share.

    Attributes:
        registered: Operating points by class, of a model as it is registered; without
            one the threshold of each fold is chosen on the other folds.
    """

    spec: EvaluateSpec
    seed: int
    registered: Mapping[str, OperatingPoint] = field(default_factory=dict)

    @property
    def level(self) -> float:
        """Confidence level of every interval."""
        return self.spec.level

    def metric(
        self, name: str, class_: str, estimate: Estimate, counts: Counts
    ) -> Metric:
        """Row of `evaluation.json`."""
        return Metric(
            metric=name,
            class_=class_,
            unit="patient",
            value=estimate.value,
            low=estimate.low,
            high=estimate.high,
            level=self.spec.level,
            method=estimate.method,
            resamples=estimate.resamples,
            seed=self.seed,
            n_exams=counts.n_exams,
            n_patients=counts.n_patients,
            n_positive=counts.n_positive,
        )


def not_estimable(value: float | None, why: str, how: str = "") -> Estimate:
    """An estimate without an interval that says why.

    Args:
        value: The number itself, when there is one.
        why: What is lacking, with numbers.
        how: How the value was computed.
    """
    prefix = f"{how}; " if how else ""
    return Estimate(value, None, None, f"{prefix}not estimable: {why}")


def too_few(n_positive: int, n_negative: int) -> str | None:
    """Say that there are too few patients for an interval, or None when not."""
    for n_patients, which in ((n_positive, "positive"), (n_negative, "negative")):
        if n_patients < MIN_PATIENTS:
            return f"{n_patients} {which} patients, at least {MIN_PATIENTS} needed"
    return None
