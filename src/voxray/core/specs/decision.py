"""From what the networks say to what a person is told: calibration, then a cut."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from voxray.core.specs.base import Fraction, Spec
from voxray.core.specs.target import Target

CalibrationKind = Literal["platt", "temperature", "isotonic"]


class Calibration(Spec):
    """Brings probabilities to the frequencies seen; never changes their order.

    Attributes:
        kind: "platt": log odds times `slope` plus `intercept` (Platt 1999).
            "temperature": log probabilities of all classes times `slope`, which is one
            over the temperature (Guo 2017, ICML). "isotonic": linear between `scores`
            and `shares` (Zadrozny & Elkan 2002, KDD).
        slope: Above 0.
        intercept: Of "platt".
        scores: Of "isotonic": probabilities before, rising.
        shares: Of "isotonic": the same after, not falling.
    """

    kind: CalibrationKind
    slope: Annotated[float, Field(gt=0)] = 1.0
    intercept: float = 0.0
    scores: tuple[float, ...] = ()
    shares: tuple[float, ...] = ()

    @model_validator(mode="after")
    def _has_steps(self) -> Self:
        n, wanted = len(self.scores), self.kind == "isotonic"
        if len(self.shares) != n or (n > 0) != wanted:
            msg = f"{self.kind!r} with {n} scores and {len(self.shares)} shares"
            raise ValueError(msg)
        return self


PointMetric = Literal["sensitivity", "specificity", "cost", "net_benefit"]


Positive = Annotated[float, Field(gt=0)]


class OperatingPointSpec(Spec):
    """Which threshold is chosen.

    Attributes:
        metric: "sensitivity" or "specificity": the best threshold that is expected to
            keep it on new patients. "cost": the threshold of the least cost.
            "net_benefit": a calibrated probability.
        at_least: Sensitivity or specificity that is kept.
        false_negative: Cost of a missed exam; only the ratio of both costs counts.
        false_positive: Cost of a false alarm.
        prevalence: Share of positive exams that "cost" counts with; by default that of
            the exams it is chosen on.
        probability: From which on a person would act: with "net_benefit" the threshold.
    """

    metric: PointMetric = "sensitivity"
    at_least: Fraction = 0.95
    false_negative: Positive | None = None
    false_positive: Positive | None = None
    prevalence: Fraction | None = None
    probability: Fraction | None = None

    @property
    def in_words(self) -> str:
        """What is asked for, e.g. "sensitivity of at least 0.95"."""
        if self.metric == "cost":
            share = (
                f" at a prevalence of {self.prevalence:g}" if self.prevalence else ""
            )
            costs = f"{self.false_negative:g} : {self.false_positive:g}"
            return f"least cost, false negative : false positive = {costs}{share}"
        if self.metric == "net_benefit":
            return f"net benefit of acting from probability {self.probability:g} on"
        return f"{self.metric} of at least {self.at_least:g}"

    @model_validator(mode="after")
    def _keys_of_the_metric(self) -> Self:
        needed = _POINT_KEYS[self.metric]
        known = {*needed, "metric", *(["prevalence"] if self.metric == "cost" else [])}
        given = {
            name for name in self.model_fields_set if getattr(self, name) is not None
        }
        if foreign := sorted(given - known):
            msg = f"{foreign} have no effect with metric {self.metric!r}"
            raise ValueError(msg)
        if lacking := [name for name in needed if getattr(self, name) is None]:
            msg = f"metric {self.metric!r} needs {' and '.join(lacking)}"
            raise ValueError(msg)
        return self


_POINT_KEYS: dict[PointMetric, tuple[str, ...]] = {
    "sensitivity": ("at_least",),
    "specificity": ("at_least",),
    "cost": ("false_negative", "false_positive"),
    "net_benefit": ("probability",),
}


class ReferSpec(Spec):
    """The most uncertain exams are left to a person.

    Attributes:
        at_most: Share of the patients that are expected to be referred.
    """

    at_most: Fraction


class OperatingPoint(Spec):
    """A threshold and what it was chosen for.

    Attributes:
        metric: What it keeps or makes best.
        at_least: The sensitivity or specificity it was asked to keep; else None.
        asked: What was asked for, in words, e.g. "sensitivity of at least 0.95".
        threshold: A probability of at least this, calibrated where the rule
            calibrates, decides positive.
        expected: The sensitivity or specificity to be expected of new patients, below
            `at_least` where there were too few patients to choose on; else None.
        n_positive: Patients it was chosen on.
        n_negative: Patients it was chosen on.
    """

    metric: PointMetric
    at_least: float | None = None
    asked: str = ""
    threshold: float
    expected: float | None = None
    n_positive: int
    n_negative: int

    @property
    def in_words(self) -> str:
        """What it was chosen for."""
        return self.asked or f"{self.metric} of at least {self.at_least:g}"


class Referral(Spec):
    """Which exams a person should decide.

    Attributes:
        at_most: Share of the patients that it was asked to keep below.
        uncertainty: An exam of at least this is referred.
        n_patients: Patients it was chosen on.
    """

    at_most: float
    uncertainty: float
    n_patients: int


class DecisionRule(Spec):
    """From probabilities to a decision; fitted in `evaluate`, applied by `core`.

    Attributes:
        classes: In the order of the probabilities.
        positive: Of two classes the one that the operating point is about; "" for
            labels.
        target: How the classes hang together.
        calibration: Of exclusive or ordered classes; None where there is none.
        calibrations: Per label, where labels do not exclude each other.
        operating_point: Of two classes. None with more, where the likeliest class
            decides, or the median of ordered ones.
        operating_points: Per label, where labels do not exclude each other.
        refer: None where no rule was stated.
        fitted_on: What all of this was fitted on: "out_of_fold": predictions of the
            single networks. "calibration": those of their ensemble, which is what is
            registered, on patients that no network ever saw.
    """

    classes: tuple[str, ...]
    positive: str
    target: Target = Target.EXCLUSIVE
    calibration: Calibration | None = None
    calibrations: dict[str, Calibration] = {}
    operating_point: OperatingPoint | None = None
    operating_points: dict[str, OperatingPoint] = {}
    refer: Referral | None = None
    fitted_on: Literal["out_of_fold", "calibration"] = "out_of_fold"

    @model_validator(mode="after")
    def _a_point_per_label(self) -> Self:
        wanted = set(self.classes) if self.target is Target.LABELS else set()
        if set(self.operating_points) != wanted:
            msg = (
                f"operating points of {sorted(self.operating_points)}, needed of "
                f"{sorted(wanted)}"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _calibrations_fit(self) -> Self:
        if self.calibrations and not set(self.calibrations) <= set(
            self.operating_points
        ):
            msg = f"calibrations of {sorted(self.calibrations)}, which are not labels"
            raise ValueError(msg)
        two = len(self.classes) == 2  # noqa: PLR2004
        if self.calibration and (self.calibration.kind == "temperature") == two:
            msg = f"{self.calibration.kind!r} of {len(self.classes)} classes"
            raise ValueError(msg)
        return self
