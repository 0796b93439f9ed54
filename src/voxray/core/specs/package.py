"""What a model folder holds besides weights: `package.json`."""

from typing import Literal

from voxray.core.findings import Action, FindingCode
from voxray.core.specs.base import Spec
from voxray.core.specs.channels import ChannelRules, ExamRule
from voxray.core.specs.clean_up import CleanUp
from voxray.core.specs.decision import DecisionRule
from voxray.core.specs.plan import FoldValues, Plan


class IntakeRules(Spec):
    """How scans are found, checked and chosen; the same in training and scoring."""

    channels: dict[str, ChannelRules]
    exam: ExamRule = "study"
    policy: dict[FindingCode, Action] = {}


class ReferenceStatistics(Spec):
    """What the training scans looked like; scans far from it are refused.

    Attributes:
        modalities: DICOM codes; empty when all training scans were NIfTI.
        spacing_mm: (smallest, largest) over scans, per axis nearest R, A, S.
        extent_mm: (smallest, largest) field of view, same axes.
        n_scans: Training scans it was taken from.
    """

    modalities: tuple[str, ...]
    spacing_mm: tuple[tuple[float, float], ...]
    extent_mm: tuple[tuple[float, float], ...]
    n_scans: int


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
    units: dict[str, str]
    licence: str
    intended_use: str
    files: dict[str, str]
