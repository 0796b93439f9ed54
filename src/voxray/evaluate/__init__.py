"""Metrics with patient-level intervals, and the decision rule, from OOF predictions."""

from voxray.evaluate.checks import check_predictions, require_out_of_fold
from voxray.evaluate.dice import dice_per_class
from voxray.evaluate.oof import evaluate_oof
from voxray.evaluate.roc import RocCurve, class_roc_points, roc_points
from voxray.evaluate.tables import (
    metrics_from_json,
    metrics_to_json,
    read_predictions,
    write_predictions,
)
from voxray.evaluate.threshold import fit_decision

__all__ = [
    "RocCurve",
    "check_predictions",
    "class_roc_points",
    "dice_per_class",
    "evaluate_oof",
    "fit_decision",
    "metrics_from_json",
    "metrics_to_json",
    "read_predictions",
    "require_out_of_fold",
    "roc_points",
    "write_predictions",
]
