"""One experiment: the YAML file a person writes."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from voxray.core.specs.base import Fraction, Name, Spec
from voxray.core.specs.data import DataSpec, PatientColumn
from voxray.core.specs.decision import OperatingPointSpec, ReferSpec
from voxray.core.specs.task import TaskSpec
from voxray.core.specs.training import TrainSpec


class HoldoutColumn(Spec):
    """Patients whose meta column has this value are kept out of all folds."""

    column: str
    value: str


class HoldoutFraction(Spec):
    """This share of the patients, drawn once from the seed, is kept out."""

    fraction: Fraction


class CalibrationFraction(Spec):
    """This share of the patients, drawn once from the seed, fits the decision.

    Of those that are not in the holdout.
    """

    fraction: Fraction


_STRATIFIED, _LEAVE_ONE_OUT = "stratified", "leave_one_out_of:"


class FoldsSpec(Spec):
    """How patients are split.

    Attributes:
        scheme: "stratified" draws folds that look alike. "leave_one_out_of:COLUMN"
            makes a fold of each value of a column, such as a site.
        n: Number of folds; with "leave_one_out_of" the values decide.
        repeats: How often the whole split is drawn anew.
        stratify: Balanced over folds: "label" or meta columns.
        holdout: Patients no fold ever uses.
        calibration: Patients no network ever sees, on whom calibration and operating
            point of the registered ensemble are fitted.
        validation: Share of a fold's training patients that only watches training.
    """

    scheme: str = _STRATIFIED
    n: Annotated[int, Field(ge=2, le=50)] = 5
    repeats: Annotated[int, Field(ge=1, le=50)] = 1
    stratify: tuple[str, ...] = ("label",)
    holdout: HoldoutColumn | HoldoutFraction | None = None
    calibration: CalibrationFraction | None = None
    validation: Fraction = 0.1

    @property
    def left_out_column(self) -> str | None:
        """The column of which each value is a fold; None where folds are drawn."""
        column = self.scheme.removeprefix(_LEAVE_ONE_OUT).strip()
        return None if self.scheme == _STRATIFIED else column

    @field_validator("scheme")
    @classmethod
    def _known_scheme(cls, value: str) -> str:
        named = value.removeprefix(_LEAVE_ONE_OUT).strip()
        if value != _STRATIFIED and named in {"", value}:
            msg = (
                f"{value!r} is no scheme; write {_STRATIFIED!r} or "
                f"'{_LEAVE_ONE_OUT}COLUMN'"
            )
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _drawn_once(self) -> Self:
        if self.left_out_column is not None and self.repeats > 1:
            msg = (
                f"repeats: {self.repeats} repeats of {self.scheme!r} would be the same "
                "folds; set folds.repeats to 1"
            )
            raise ValueError(msg)
        return self


class SubgroupColumn(Spec):
    """A column of numbers, parted at edges: below the first, between, from the last.

    Attributes:
        column: As in `EvaluateSpec.subgroups`.
        edges: Ascending; a value on an edge belongs to the part above.
    """

    column: str
    edges: Annotated[tuple[float, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if list(self.edges) != sorted(set(self.edges)):
            msg = f"edges must ascend, got {list(self.edges)}"
            raise ValueError(msg)
        return self


class EvaluateSpec(Spec):
    """How the out-of-fold predictions are judged.

    Attributes:
        baseline_columns: Columns of the label table, "sex", "age_years", "site" or
            "scanner", that a logistic regression predicts the class from, to compare
            the network with.
        fixed_specificity: Values at which sensitivity is given besides.
        fixed_sensitivity: Values at which specificity is given besides.
        prevalence: Share of positive exams where the model is to be used, for
            predictive values there; by name for several classes or labels.
        patient_score: How the probabilities of a patient's exams become the patient's;
            by default "mean" where `task.classify.level` is "patient", else "maximum".
        subgroups: Columns of the label table, "sex", "age_years", "site", "scanner",
            "modality" or "drawn_ml" (of all structures), whose parts get figures of
            their own.
            Many different numbers are parted at edges, by default at thirds.
        blanked_share: Steps of the network that learns blanked images, as a share of
            the fold's; 0 leaves it out.
        lesions: Structures that are counted lesion by lesion: connected pieces, found,
            missed or false.
        lesion_iou: Overlap from which on a predicted lesion finds a drawn one.
        calibration: How the registered model's probabilities are brought to the
            frequencies seen out of fold: "auto" is "platt" for two classes and labels,
            "temperature" for more classes. "isotonic" needs 500 patients of either
            class.
        refer: Which exams a person should decide; without it none is referred.
    """

    operating_point: OperatingPointSpec = OperatingPointSpec()
    resamples: Annotated[int, Field(ge=200)] = 2000
    level: Fraction = 0.95
    fixed_specificity: tuple[Fraction, ...] = (0.9,)
    fixed_sensitivity: tuple[Fraction, ...] = (0.9,)
    prevalence: Fraction | dict[Name, Fraction] | None = None
    patient_score: Literal["maximum", "mean"] | None = None
    baseline_columns: tuple[str, ...] = ()
    subgroups: tuple[str | SubgroupColumn, ...] = ()
    blanked_share: Annotated[float, Field(ge=0, le=1)] = 0.15
    lesions: tuple[str, ...] = ()
    lesion_iou: Fraction = 0.1
    calibration: Literal["none", "auto", "platt", "temperature", "isotonic"] = "none"
    refer: ReferSpec | None = None

    @field_validator("fixed_specificity", "fixed_sensitivity")
    @classmethod
    def _each_once(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if len(set(values)) < len(values):
            msg = f"a value stands twice: {list(values)}"
            raise ValueError(msg)
        return values

    def prevalence_of(self, class_: str) -> float | None:
        """Prevalence stated for a class; None without one."""
        if isinstance(self.prevalence, dict):
            return self.prevalence.get(class_)
        return self.prevalence

    @property
    def subgroup_columns(self) -> dict[str, tuple[float, ...]]:
        """Edges by column, empty where none were given."""
        return {
            **{name: () for name in self.subgroups if isinstance(name, str)},
            **{s.column: s.edges for s in self.subgroups if not isinstance(s, str)},
        }

    @model_validator(mode="after")
    def _benefit_of_what(self) -> Self:
        if self.operating_point.metric == "net_benefit" and self.calibration == "none":
            msg = (
                "operating_point: net_benefit takes probabilities at their word; set "
                "evaluate.calibration, e.g. to auto"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _each_column_once(self) -> Self:
        if len(self.subgroup_columns) < len(self.subgroups):
            named = [s if isinstance(s, str) else s.column for s in self.subgroups]
            msg = f"subgroups: a column stands twice: {named}"
            raise ValueError(msg)
        return self


class RegisterSpec(Spec):
    """Name in the model registry; the experiment's name by default.

    Attributes:
        limits: What the model must not be used for, or is known to fail on; stands in
            the card, under what voxray itself knows.
    """

    name: Name | None = None
    licence: str = "unstated"
    intended_use: str = "Research only. Not a medical device."
    limits: str = ""


class TrackSpec(Spec):
    """Where runs are recorded."""

    uri: str | None = None


class ScoreSpec(Spec):
    """New scans that stage 7 scores with the registered candidate."""

    scans: Path | None = None


class Experiment(Spec):
    """One experiment, all eight stages.

    Attributes:
        name: Folder in the workspace, experiment in MLflow.
        seed: The only seed; everything random is derived from it.
        note: Stands wherever figures of this experiment appear.
    """

    name: Name
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 20260101
    note: str = ""
    data: DataSpec
    task: TaskSpec
    folds: FoldsSpec = FoldsSpec()
    train: TrainSpec = TrainSpec()
    evaluate: EvaluateSpec = EvaluateSpec()
    register_: RegisterSpec = Field(default=RegisterSpec(), alias="register")
    track: TrackSpec = TrackSpec()
    score: ScoreSpec = ScoreSpec()

    @property
    def model_name(self) -> str:
        """Name in the model registry."""
        return self.register_.name or self.name

    @model_validator(mode="after")
    def _labels_and_masks(self) -> Self:
        if self.task.classify and self.data.labels is None:
            msg = "task.classify needs data.labels: a table with the labels"
            raise ValueError(msg)
        if self.task.segment and self.data.masks is None:
            msg = "task.segment needs data.masks: a folder with the masks"
            raise ValueError(msg)
        if isinstance(self.data.patient, PatientColumn) and self.data.labels is None:
            msg = "data.patient: {column: …} needs data.labels"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _something_to_decide(self) -> Self:
        for name, given in (
            ("folds.calibration", self.folds.calibration),
            ("evaluate.refer", self.evaluate.refer),
        ):
            if given is not None and self.task.classify is None:
                msg = f"{name} is about decisions, and masks have none; leave it out"
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _known_structures(self) -> Self:
        known = list(self.task.segment.classes) if self.task.segment else []
        for name in self.evaluate.lesions:
            if name not in known:
                msg = f"evaluate.lesions: {name!r} is none of the structures {known}"
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _prevalence_of_what(self) -> Self:
        stated, classify = self.evaluate.prevalence, self.task.classify
        if stated is None:
            return self
        known = classify.judged_names if classify else ()
        if isinstance(stated, dict):
            if unknown := sorted(set(stated) - set(known)):
                msg = f"evaluate.prevalence: {unknown} are none of {list(known)}"
                raise ValueError(msg)
        elif len(known) != 1:
            msg = (
                f"evaluate.prevalence: {stated:g} needs two classes; of {list(known)} "
                f"give each its own, such as {{name: {stated:g}}}"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _known_channels(self) -> Self:
        for name in self.train.normalisation:
            if name not in self.data.channels:
                known = ", ".join(self.data.channels)
                msg = f"train.normalisation: {name!r} is no channel, only {known}"
                raise ValueError(msg)
        return self
