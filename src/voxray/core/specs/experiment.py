"""One experiment: the YAML file a person writes."""

import re
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from voxray.core.findings import POLICY, Action, FindingCode
from voxray.core.specs.base import Spec
from voxray.core.specs.channels import (
    ChannelRules,
    ExamColumn,
    ExamRule,
    Pattern,
    one_scan_an_exam,
)
from voxray.core.specs.target import Target

NO_LABEL = "none"
LABEL_SEPARATOR = ";"
MEAN_CLASS = "macro"
"""Stands where the class of a figure stands when it is the mean over all."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Millimetres = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
OddCount = Literal[1, 3, 5, 7]
Axis = Annotated[int, Field(ge=0, le=2)]
ClassValue = bool | int | float | str
Preset = Literal["fast", "standard", "best"]

PRESET_MINUTES: dict[Preset, float] = {"fast": 2.0, "standard": 5.0, "best": 15.0}
"""Wall time of a fold, where `train.budget_minutes` is not given."""


class LabelKey(Spec):
    """How a row of the label table is matched to a scan.

    Attributes:
        column: One column that holds the key.
        columns: Or several columns, put together by `format`.
        format: Python format string over `columns`, e.g. "{patient_id}_R_{nodule_id}".
    """

    column: str | None = None
    columns: tuple[str, ...] = ()
    format: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.column is None) == (not self.columns):
            msg = "give either 'column' or 'columns' with 'format'"
            raise ValueError(msg)
        if self.columns and not self.format:
            msg = "'columns' needs 'format', e.g. '{patient_id}_R_{nodule_id}'"
            raise ValueError(msg)
        return self


class LabelsSpec(Spec):
    """The label table.

    Attributes:
        table: CSV, TSV, Excel (.xlsx) or Parquet.
        sheet: Of an Excel file; the first one by default.
        key: Which columns name the scan, exam, study or patient.
        by: What the key names. A scan is named by its relative path without suffix, its
            file or folder name, or its SeriesInstanceUID; an exam by what `data.exam`
            gives, or the name of its folder; a study by its StudyInstanceUID; a patient
            by the PatientID or what `data.patient` gives.
    """

    table: Path
    sheet: str | None = None
    key: LabelKey = LabelKey(column="scan")
    by: Literal["scan", "exam", "study", "patient"] = "scan"


class PatientColumn(Spec):
    """The patient stands in a column of the label table."""

    column: str


class PatientPattern(Spec):
    """The patient is the first group of a regular expression on the relative path."""

    pattern: Pattern

    @field_validator("pattern")
    @classmethod
    def _one_group(cls, pattern: str) -> str:
        if re.compile(pattern).groups < 1:
            msg = f"the pattern {pattern!r} has no group; put (…) around the patient"
            raise ValueError(msg)
        return pattern


class DataSpec(Spec):
    """Where the scans, masks and labels are, and who the patients are.

    Attributes:
        channels: Which scans fill which channel; the other channels of an exam are read
            on the grid of the first one.
        exam: Which scans are one exam, with several channels or `choose`.
        overrides: CSV with scan, code, who, why: refusals that a person lifts.
    """

    scans: Path
    masks: Path | None = None
    labels: LabelsSpec | None = None
    patient: Literal["dicom", "each_file"] | PatientColumn | PatientPattern = "dicom"
    ids: Literal["keyed", "path"] = "keyed"
    duplicates: Literal["link", "quarantine", "fail"] = "link"
    channels: dict[Name, ChannelRules] = Field(default={"image": ChannelRules()})
    exam: ExamRule = "study"
    policy: dict[FindingCode, Action] = {}
    overrides: Path | None = None
    permute_labels: int | None = None

    @field_validator("channels")
    @classmethod
    def _usable(cls, channels: dict[str, ChannelRules]) -> dict[str, ChannelRules]:
        if not channels:
            msg = "give at least one channel, e.g. {image: {}}"
            raise ValueError(msg)
        first = next(iter(channels))
        if not channels[first].required:
            msg = f"the first channel {first!r} gives the grid and cannot be left out"
            raise ValueError(msg)
        if "mask" in channels:
            msg = "no channel may be called 'mask'"
            raise ValueError(msg)
        return channels

    @model_validator(mode="after")
    def _exam_has_a_use(self) -> Self:
        if self.exam != "study" and one_scan_an_exam(self.channels):
            msg = (
                "'exam' is for several channels, or one with 'choose'; with the one "
                f"channel {self.channel!r} every scan is an exam"
            )
            raise ValueError(msg)
        if isinstance(self.exam, ExamColumn) and self.labels is None:
            msg = "exam: {column: …} needs 'labels'"
            raise ValueError(msg)
        return self

    @field_validator("policy")
    @classmethod
    def _allowed(cls, policy: dict[FindingCode, Action]) -> dict[FindingCode, Action]:
        for code, action in policy.items():
            allowed = (POLICY[code].action, *POLICY[code].choices)
            if action not in allowed:
                msg = f"{code}: {action} is not possible, only {', '.join(allowed)}"
                raise ValueError(msg)
        return policy

    @property
    def channel(self) -> str:
        """Name of the first channel, on whose grid masks lie."""
        return next(iter(self.channels))


def _plain_value(value: object) -> float | str:
    text = str(value).strip()
    if text.casefold() in {"true", "false"}:
        return float(text.casefold() == "true")
    try:
        return float(text)
    except ValueError:
        return text


class ClassifySpec(Spec):
    """Predict a class per exam, or several labels that do not exclude each other.

    Attributes:
        column: Column of the label table.
        columns: Or several columns, each a label of its own that is 0 or 1.
        classes: Class name to the value it has in the table; none with `columns`.
        positive: Of two classes the one that the operating point is about; no effect
            with more. The last one by default.
        ordinal: The order of the classes means something; of two it means nothing.
        level: What a label is about.
    """

    column: str = ""
    columns: tuple[str, ...] = ()
    classes: dict[Name, ClassValue] = {}
    positive: str = ""
    ordinal: bool = False
    level: Literal["scan", "exam", "patient"] = "scan"

    @model_validator(mode="after")
    def _one_or_several_columns(self) -> Self:
        if bool(self.column) == bool(self.columns):
            msg = "give 'column' with 'classes', or 'columns' for labels of 0 and 1"
            raise ValueError(msg)
        if self.columns:
            self._check_columns()
        else:
            self._check_classes()
        return self

    def _check_columns(self) -> None:
        if len(set(self.columns)) < max(2, len(self.columns)):
            msg = f"columns: at least two different ones, got {list(self.columns)}"
            raise ValueError(msg)
        if self.classes or self.positive or self.ordinal:
            msg = "'columns' are 0 or 1 each: without classes, positive and ordinal"
            raise ValueError(msg)
        self._check_mean_name(self.columns)
        for name in self.columns:
            if LABEL_SEPARATOR in name or name.casefold() == NO_LABEL:
                msg = (
                    f"columns: {name!r} cannot name a label, since decisions are "
                    f"labels joined by {LABEL_SEPARATOR!r}, or {NO_LABEL!r}; rename it"
                )
                raise ValueError(msg)

    def _check_classes(self) -> None:
        if len(self.classes) < 2 or len(set(self.classes.values())) < len(self.classes):  # noqa: PLR2004
            msg = f"at least two classes of different value, got {self.classes}"
            raise ValueError(msg)
        if self.positive and self.positive not in self.classes:
            msg = f"positive: {self.positive!r} is none of {list(self.classes)}"
            raise ValueError(msg)
        for name in self.classes:
            other = self.class_of(name)
            if other not in {None, name}:
                msg = f"{name!r} names a class, but is the value of {other!r}"
                raise ValueError(msg)
        if len(self.classes) > 2:  # noqa: PLR2004
            self._check_mean_name(self.classes)

    @staticmethod
    def _check_mean_name(names: Collection[str]) -> None:
        if MEAN_CLASS in names:
            msg = f"{MEAN_CLASS!r} names the mean over all in figures; rename it"
            raise ValueError(msg)

    @property
    def target(self) -> Target:
        """How the classes hang together."""
        if self.columns:
            return Target.LABELS
        several = len(self.classes) > 2  # noqa: PLR2004 - two are ordered either way
        return Target.ORDINAL if self.ordinal and several else Target.EXCLUSIVE

    @property
    def label_columns(self) -> tuple[str, ...]:
        """Columns of the label table that hold labels."""
        return self.columns or (self.column,)

    @property
    def label_names(self) -> tuple[str, ...]:
        """What an exam may be: the classes, or of several labels those that are 1."""
        return self.columns or tuple(self.classes)

    @property
    def positive_class(self) -> str:
        """The class that sensitivity is about."""
        return self.positive or list(self.classes)[-1]

    def class_of(self, value: object) -> str | None:
        """Class a cell of the label table means, None when it is none of them.

        Numbers count by value (1, 1.0 and "1" are one), true and false by meaning, and
        the class's own name is understood too.

        Example:
            >>> spec = ClassifySpec(column="x", classes={"benign": 0, "malignant": 1})
            >>> spec.class_of("1.0"), spec.class_of("benign"), spec.class_of("2")
            ('malignant', 'benign', None)
        """
        wanted = _plain_value(value)
        for name, of_class in self.classes.items():
            if _plain_value(of_class) == wanted:
                return name
        return next((name for name in self.classes if name == str(value)), None)


class SegmentClass(Spec):
    """One structure in the masks.

    Attributes:
        value: Voxel value in the mask files; 0 is background.
        tolerance_mm: Boundary error that counts as none.
    """

    value: Annotated[int, Field(ge=1, le=65535)]
    tolerance_mm: Annotated[float, Field(gt=0)] = 1.0


class SegmentSpec(Spec):
    """Predict a mask per exam."""

    classes: Annotated[dict[Name, SegmentClass], Field(min_length=1)]

    @field_validator("classes")
    @classmethod
    def _distinct(cls, classes: dict[str, SegmentClass]) -> dict[str, SegmentClass]:
        values = [c.value for c in classes.values()]
        if len(set(values)) < len(values):
            msg = f"two classes share a value: {values}"
            raise ValueError(msg)
        return classes


class TaskSpec(Spec):
    """What is learned: a class, a mask, or both by one network."""

    classify: ClassifySpec | None = None
    segment: SegmentSpec | None = None
    lateral: bool = False

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.classify is None and self.segment is None:
            msg = "give 'classify', 'segment' or both"
            raise ValueError(msg)
        return self


class HoldoutColumn(Spec):
    """Patients whose meta column has this value are kept out of all folds."""

    column: str
    value: str


class HoldoutFraction(Spec):
    """This share of the patients, drawn once from the seed, is kept out."""

    fraction: Fraction


class FoldsSpec(Spec):
    """How patients are split.

    Attributes:
        n: Number of folds.
        repeats: How often the whole split is drawn anew.
        stratify: Balanced over folds: "label" or meta columns.
        holdout: Patients no fold ever uses.
        validation: Share of a fold's training patients that only watches training.
    """

    n: Annotated[int, Field(ge=2, le=50)] = 5
    repeats: Annotated[int, Field(ge=1, le=50)] = 1
    stratify: tuple[str, ...] = ("label",)
    holdout: HoldoutColumn | HoldoutFraction | None = None
    validation: Fraction = 0.1


class TrainSpec(Spec):
    """How long and how a fold is trained. `steps` or `epochs` override the budget.

    Attributes:
        preset: What the settings below are by default; one that is given wins.
        budget_minutes: Wall time of one fold; by preset 2, 5 or 15.
        spacing_mm: Overrides the plan's target spacing.
        input_shape: Overrides the voxels the network sees at once.
        batch_size: Overrides the plan's exams a step.
        input_mm: Sides of the box around the scan's centre that the network sees, along
            the axes nearest R, A, S; one number for a cube. In place of `input_shape`.
        padding: What stands where the input reaches beyond the scan: its `edge` voxels
            repeated, or each channel's `minimum`. By default the edge with `input_mm`,
            else the minimum.
        normalisation: Overrides the plan's choice per channel.
        features: Channels of the network per level, finest first.
        strides: Per level and axis, the first (1, 1, 1).
        kernels: Per level and axis.
        mirror_axes: Axes (0 left-right, 1 front-back, 2 foot-head) that augmentation
            mirrors.
        test_time_augmentation: Whether predictions average the mirror images along
            `mirror_axes` too; by default they do.
        clean_up: Whether a fold may choose to take small or scattered pieces out of its
            masks.
        weight_decay: Of AdamW; by default 0.05 where only a class is learned, else
            0.0001.
        mixup: Whether training mixes exams and their classes, where only a class is
            learned.
        class_from: With both tasks, where the class looks: in the predicted `mask`
            (default), or over the whole `volume`.
        memory_gb: What training may take; by default a share of the machine's.
    """

    preset: Preset = "standard"
    budget_minutes: Annotated[float, Field(gt=0)] | None = None
    steps: Annotated[int, Field(ge=1)] | None = None
    epochs: Annotated[int, Field(ge=1)] | None = None
    learning_rate: Annotated[float, Field(gt=0)] = 4e-3
    weight_decay: Annotated[float, Field(ge=0)] | None = None
    batch_size: Annotated[int, Field(ge=1)] | None = None
    spacing_mm: tuple[float, float, float] | None = None
    input_shape: tuple[int, int, int] | None = None
    input_mm: Millimetres | tuple[Millimetres, Millimetres, Millimetres] | None = None
    padding: Literal["edge", "minimum"] | None = None
    normalisation: dict[Name, Literal["zscore", "window"]] = {}
    features: tuple[Count, ...] | None = None
    strides: tuple[tuple[Count, Count, Count], ...] | None = None
    kernels: tuple[tuple[OddCount, OddCount, OddCount], ...] | None = None
    mirror_axes: tuple[Axis, ...] | None = None
    test_time_augmentation: bool | None = None
    clean_up: bool = True
    mixup: bool = False
    class_from: Literal["mask", "volume"] = "mask"
    memory_gb: Annotated[float, Field(gt=0)] | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"

    @property
    def minutes(self) -> float:
        """The budget: as given, else the preset's."""
        return self.budget_minutes or PRESET_MINUTES[self.preset]

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if self.steps is not None and self.epochs is not None:
            msg = "give 'steps' or 'epochs', not both"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if self.input_mm is not None and self.input_shape is not None:
            msg = "give 'input_mm' or 'input_shape', not both"
            raise ValueError(msg)
        return self

    @field_validator("features", "strides", "kernels")
    @classmethod
    def _levels(cls, levels: tuple[object, ...] | None) -> tuple[object, ...] | None:
        if levels is not None and not levels:
            msg = "give at least one level"
            raise ValueError(msg)
        return levels

    @field_validator("strides")
    @classmethod
    def _finest(
        cls, strides: tuple[tuple[int, int, int], ...] | None
    ) -> tuple[tuple[int, int, int], ...] | None:
        if strides and strides[0] != (1, 1, 1):
            msg = f"the first level is the input: [1, 1, 1], got {list(strides[0])}"
            raise ValueError(msg)
        return strides

    @property
    def box_mm(self) -> tuple[float, float, float] | None:
        """Sides of the box the network sees; None without `input_mm`."""
        if isinstance(self.input_mm, float):
            return (self.input_mm, self.input_mm, self.input_mm)
        return self.input_mm


class OperatingPointSpec(Spec):
    """Which threshold is chosen: the best one that keeps `metric` at `at_least`."""

    metric: Literal["sensitivity", "specificity"] = "sensitivity"
    at_least: Fraction = 0.95


class EvaluateSpec(Spec):
    """How the out-of-fold predictions are judged.

    Attributes:
        baseline_columns: Columns of the label table, "sex", "age_years" or "site", that
            a logistic regression predicts the class from, to compare the network with.
        blanked_share: Steps of the network that learns blanked images, as a share of
            the fold's; 0 leaves it out.
    """

    operating_point: OperatingPointSpec = OperatingPointSpec()
    resamples: Annotated[int, Field(ge=200)] = 2000
    level: Fraction = 0.95
    baseline_columns: tuple[str, ...] = ()
    blanked_share: Annotated[float, Field(ge=0, le=1)] = 0.15


class RegisterSpec(Spec):
    """Name in the model registry; the experiment's name by default."""

    name: Name | None = None
    licence: str = "unstated"
    intended_use: str = "Research only. Not a medical device."


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
    def _known_channels(self) -> Self:
        for name in self.train.normalisation:
            if name not in self.data.channels:
                known = ", ".join(self.data.channels)
                msg = f"train.normalisation: {name!r} is no channel, only {known}"
                raise ValueError(msg)
        return self
