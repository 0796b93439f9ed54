"""From what the networks say to what a person is told: calibration, then a cut."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from voxray.core.specs.base import Spec
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


class OperatingPoint(Spec):
    """A threshold and what it was chosen for.

    Attributes:
        metric: "sensitivity" or "specificity".
        at_least: The value it was asked to keep.
        threshold: A probability of at least this, calibrated where the rule
            calibrates, decides positive.
        n_positive: Patients it was chosen on.
        n_negative: Patients it was chosen on.
    """

    metric: Literal["sensitivity", "specificity"]
    at_least: float
    threshold: float
    n_positive: int
    n_negative: int


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
    """

    classes: tuple[str, ...]
    positive: str
    target: Target = Target.EXCLUSIVE
    calibration: Calibration | None = None
    calibrations: dict[str, Calibration] = {}
    operating_point: OperatingPoint | None = None
    operating_points: dict[str, OperatingPoint] = {}

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
