"""Descriptions that are made by one stage, stored in a model and applied by another."""

from voxray.core.specs.base import Spec
from voxray.core.specs.experiment import (
    ChannelRules,
    ClassifySpec,
    DataSpec,
    EvaluateSpec,
    Experiment,
    FoldsSpec,
    LabelsSpec,
    SegmentSpec,
    TaskSpec,
    TrainSpec,
)
from voxray.core.specs.package import (
    DecisionRule,
    IntakeRules,
    ModelPackage,
    OperatingPoint,
    ReferenceStatistics,
)
from voxray.core.specs.plan import FoldValues, IntensityWindow, NetworkPlan, Plan

__all__ = [
    "ChannelRules",
    "ClassifySpec",
    "DataSpec",
    "DecisionRule",
    "EvaluateSpec",
    "Experiment",
    "FoldValues",
    "FoldsSpec",
    "IntakeRules",
    "IntensityWindow",
    "LabelsSpec",
    "ModelPackage",
    "NetworkPlan",
    "OperatingPoint",
    "Plan",
    "ReferenceStatistics",
    "SegmentSpec",
    "Spec",
    "TaskSpec",
    "TrainSpec",
]
