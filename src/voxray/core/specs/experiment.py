"""One experiment: the YAML file a person writes."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from voxray.core.specs.base import Fraction, Name, Spec
from voxray.core.specs.data import DataSpec, PatientColumn
from voxray.core.specs.task import TaskSpec
from voxray.core.specs.training import TrainSpec


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
        calibration: How the registered model's probabilities are brought to the
            frequencies seen: "auto" is "platt" for two classes and labels,
            "temperature" for more classes. "isotonic" needs 500 patients of either
            class.
    """

    operating_point: OperatingPointSpec = OperatingPointSpec()
    resamples: Annotated[int, Field(ge=200)] = 2000
    level: Fraction = 0.95
    baseline_columns: tuple[str, ...] = ()
    blanked_share: Annotated[float, Field(ge=0, le=1)] = 0.15
    calibration: Literal["auto", "platt", "temperature", "isotonic", "none"] = "auto"


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
