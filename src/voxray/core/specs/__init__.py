"""Descriptions that are made by one stage, stored in a model and applied by another."""

from voxray.core.specs.base import Spec
from voxray.core.specs.channels import (
    ChannelRules,
    ExamColumn,
    ExamPattern,
    ExamRule,
    one_scan_an_exam,
)
from voxray.core.specs.clean_up import CleanUp, StructureCleanUp
from voxray.core.specs.data import DataSpec, LabelsSpec
from voxray.core.specs.decision import (
    Calibration,
    DecisionRule,
    OperatingPoint,
    OperatingPointSpec,
    Referral,
)
from voxray.core.specs.experiment import EvaluateSpec, Experiment, FoldsSpec
from voxray.core.specs.package import (
    IntakeRules,
    ModelPackage,
    ReferenceStatistics,
    ReferenceValues,
    SeenScans,
    Truth,
)
from voxray.core.specs.plan import FoldValues, IntensityWindow, NetworkPlan, Plan
from voxray.core.specs.target import Target
from voxray.core.specs.task import ClassifySpec, SegmentSpec, TaskSpec
from voxray.core.specs.training import TrainSpec

__all__ = [
    "Calibration",
    "ChannelRules",
    "ClassifySpec",
    "CleanUp",
    "DataSpec",
    "DecisionRule",
    "EvaluateSpec",
    "ExamColumn",
    "ExamPattern",
    "ExamRule",
    "Experiment",
    "FoldValues",
    "FoldsSpec",
    "IntakeRules",
    "IntensityWindow",
    "LabelsSpec",
    "ModelPackage",
    "NetworkPlan",
    "OperatingPoint",
    "OperatingPointSpec",
    "Plan",
    "ReferenceStatistics",
    "ReferenceValues",
    "Referral",
    "SeenScans",
    "SegmentSpec",
    "Spec",
    "StructureCleanUp",
    "Target",
    "TaskSpec",
    "TrainSpec",
    "Truth",
    "one_scan_an_exam",
]
