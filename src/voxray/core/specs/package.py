"""What a model folder holds besides weights: `package.json`."""

from typing import Literal

from voxray.core.findings import Action, FindingCode
from voxray.core.specs.base import Spec
from voxray.core.specs.channels import ChannelRules, ExamRule
from voxray.core.specs.clean_up import CleanUp
from voxray.core.specs.data import LabelBy, LabelKey, PatientRule
from voxray.core.specs.decision import DecisionRule
from voxray.core.specs.experiment import EvaluateSpec
from voxray.core.specs.plan import FoldValues, Plan
from voxray.core.specs.task import TaskSpec


class IntakeRules(Spec):
    """How scans are found, checked and chosen; the same in training and scoring."""

    channels: dict[str, ChannelRules]
    exam: ExamRule = "study"
    policy: dict[FindingCode, Action] = {}


class ReferenceValues(Spec):
    """Where training scans' values lay, of a channel whose values have a unit.

    Attributes:
        darkest: (smallest, largest) 1st percentile over scans, source units.
        median: The same of the 50th.
        brightest: The same of the 99th.
        span: Median over scans of the 99th less the 1st.
    """

    darkest: tuple[float, float]
    median: tuple[float, float]
    brightest: tuple[float, float]
    span: float


class ReferenceStatistics(Spec):
    """What the training scans looked like; scans far from it are refused.

    Attributes:
        modalities: DICOM codes; empty when all training scans were NIfTI.
        spacing_mm: (smallest, largest) over scans, per axis nearest R, A, S.
        extent_mm: (smallest, largest) field of view, same axes.
        n_scans: Training scans it was taken from.
        values: None of a channel that each scan scales by itself.
    """

    modalities: tuple[str, ...]
    spacing_mm: tuple[tuple[float, float], ...]
    extent_mm: tuple[tuple[float, float], ...]
    n_scans: int
    values: ReferenceValues | None = None


class Truth(Spec):
    """What is known of labelled scans, and how a model is judged by it.

    Attributes:
        task: Columns, classes and structures, and how masks are measured.
        key: Which columns of a label table name a scan; None without classification.
        by: What the key names.
        patient: Who a scan belongs to.
        evaluate: How figures are computed.
        seed: Of the draws in their intervals.
    """

    task: TaskSpec
    key: LabelKey | None = None
    by: LabelBy = "scan"
    patient: PatientRule = "dicom"
    evaluate: EvaluateSpec = EvaluateSpec()
    seed: int = 0


class SeenScans(Spec):
    """`seen.json`: hashes by which a scan or patient of the training is recognised.

    Attributes:
        salt: Of this model, so that lists of two models cannot be joined.
        key: Token of the secret key the pseudonyms are made with: under another key no
            patient is recognised, only pixels are.
        pixels: Tokens of `sha256_pixels`, sorted.
        patients: Tokens of keyed pseudonyms, sorted.
    """

    schema_version: Literal[1] = 1
    salt: str
    key: str
    pixels: tuple[str, ...]
    patients: tuple[str, ...]


class ModelPackage(Spec):
    """`package.json` of a model folder.

    Attributes:
        name: Registered name.
        note: Stands wherever figures of this model appear.
        fold_values: One per fold network, in the order of `networks`.
        networks: Names of the safetensors files.
        clean_up: What is taken out of predicted masks.
        decision: None without classification.
        references: Of the scans of the first channel.
        channel_references: Of those of the other channels, by name.
        truth: How labelled scans are judged; None of a model made before this was kept.
        units: Unit of each column of `scores.csv` that has one.
        files: sha256 of every other file in the folder.
    """

    schema_version: Literal[1] = 1
    name: str
    note: str = ""
    voxray_version: str
    experiment_sha256: str
    rules: IntakeRules
    plan: Plan
    fold_values: tuple[FoldValues, ...]
    networks: tuple[str, ...]
    clean_up: CleanUp = CleanUp()
    decision: DecisionRule | None
    references: ReferenceStatistics
    channel_references: dict[str, ReferenceStatistics] = {}
    truth: Truth | None = None
    units: dict[str, str]
    licence: str
    intended_use: str
    files: dict[str, str]
