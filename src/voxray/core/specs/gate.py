"""What a model must reach before it becomes champion: a team's policy."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from voxray.core.specs.base import Fraction, Name, Spec
from voxray.core.specs.data import LabelBy
from voxray.core.specs.experiment import SubgroupColumn

CARD_SECTIONS = (
    "Intended use",
    "Training data",
    "Figures on held-out patients",
    "Decision",
    "Limits",
)


class LockedSet(Spec):
    """Labelled scans that no model learns from, and that few looks are allowed at.

    Attributes:
        name: Looks are counted by it: a set that changes needs another name.
        scans: Folder; paths may be given on the command line instead.
        key: Column of the table that names the scan; as in training by default.
        by: What the key names; as in training by default.
        column: Column of the label; as in training by default.
        patient: `dicom`, `each_file`, `column:NAME` or `pattern:REGEX`; as in training
            by default.
    """

    name: Name
    scans: Path | None = None
    labels: Path | None = None
    masks: Path | None = None
    key: str | None = None
    by: LabelBy | None = None
    column: str | None = None
    patient: str | None = None


class CompareRule(Spec):
    """How a candidate must stand against the champion, on the locked set.

    Attributes:
        goal: "superior": the lower end of the paired difference is above `margin`.
            "non-inferior": it is above -`margin`.
        margin: In units of the AUC or Dice. Has no default: what is close enough is
            the team's to say.
        looks: Comparisons that are planned on the locked set; `alpha` is divided by
            it, and after so many the set is used up. More of them later give no part
            of `alpha` back.
        alpha: Of all planned looks together, two-sided.
        may_refuse: Share of the champion's exams that the candidate may leave without
            an answer.
    """

    goal: Literal["superior", "non-inferior"]
    margin: Annotated[float, Field(ge=0, lt=1)]
    looks: Annotated[int, Field(ge=1, le=1000)]
    alpha: Fraction = 0.05
    may_refuse: Annotated[float, Field(ge=0, lt=1)] = 0.0

    @property
    def level(self) -> float:
        """Confidence level of each look: Bonferroni (Dunn 1961, JASA 56:52)."""
        return 1 - self.alpha / self.looks

    @model_validator(mode="after")
    def _margin_means_something(self) -> Self:
        if self.goal == "non-inferior" and self.margin == 0:
            msg = "margin: non-inferior needs one above 0; or ask for superior"
            raise ValueError(msg)
        return self


class CalibrationRule(Spec):
    """Bounds that the whole interval of a calibration figure must lie in.

    Attributes:
        slope: Lowest and highest.
        intercept: Lowest and highest.
        ece: Highest.
        brier: Highest.
    """

    slope: tuple[float, float] | None = None
    intercept: tuple[float, float] | None = None
    ece: Annotated[float, Field(gt=0)] | None = None
    brier: Annotated[float, Field(gt=0)] | None = None

    @field_validator("slope", "intercept")
    @classmethod
    def _ascending(cls, ends: tuple[float, float] | None) -> tuple[float, float] | None:
        if ends is not None and ends[0] >= ends[1]:
            msg = f"the lower bound {ends[0]:g} is not below the upper {ends[1]:g}"
            raise ValueError(msg)
        return ends


class SubgroupFloor(Spec):
    """Least lower interval end of a figure in every subgroup of a column.

    Attributes:
        column: Of the label table, or "sex", "age_years", "site", "modality"; with
            edges for numbers.
        metric: "auc", "sensitivity", "specificity" or "dice".
        minimum_low: Least lower end.
        least_patients: A subgroup of fewer patients is not judged, and said.
    """

    column: str | SubgroupColumn
    metric: Literal["auc", "sensitivity", "specificity", "dice"]
    minimum_low: float
    least_patients: Annotated[int, Field(ge=1)]


class ModelGate(Spec):
    """What one model must reach. Figures have the names of its run, as `dice_lesion`.

    They are those of the locked set; without one, those of the run, out of fold.

    Attributes:
        compare: Against the champion.
        locked: What both are judged on; needed as soon as there is a champion.
        minimum_low: Least lower interval end.
        maximum_high: Greatest upper interval end, for errors and distances.
        calibration: Of the probabilities.
        subgroups: Floors within subgroups.
        card: Sections that the model card must have.
    """

    compare: CompareRule
    locked: LockedSet | None = None
    minimum_low: dict[str, float | None] = Field(default={})
    maximum_high: dict[str, float | None] = Field(default={})
    calibration: CalibrationRule = CalibrationRule()
    subgroups: tuple[SubgroupFloor, ...] = ()
    card: tuple[str, ...] = CARD_SECTIONS


class GatePolicy(Spec):
    """The gate of all models. No figure has a default: the team states them.

    Attributes:
        models: By registered name.
    """

    schema_version: Literal[1] = 1
    models: dict[str, ModelGate] = Field(default={})
