"""Metrics with patient-level intervals, and the decision rule, from OOF predictions."""

from voxray.evaluate.baselines import Rival, compare_baselines, network_rows
from voxray.evaluate.checks import check_predictions, require_out_of_fold
from voxray.evaluate.compare import compare_pair
from voxray.evaluate.dice import dice_per_class
from voxray.evaluate.estimate import Settings
from voxray.evaluate.mislabelled import (
    Suspect,
    possibly_mislabelled,
    read_suspects,
    write_suspects,
)
from voxray.evaluate.oof import evaluate_oof
from voxray.evaluate.pairing import Pair, Side, make_pair, make_side
from voxray.evaluate.roc import RocCurve, class_roc_points, roc_points
from voxray.evaluate.subgroups import Grouping, subgroup_metrics
from voxray.evaluate.tables import (
    metrics_from_json,
    metrics_to_json,
    read_predictions,
    write_baselines,
    write_predictions,
)
from voxray.evaluate.threshold import fit_decision

__all__ = [
    "Grouping",
    "Pair",
    "Rival",
    "RocCurve",
    "Settings",
    "Side",
    "Suspect",
    "check_predictions",
    "class_roc_points",
    "compare_baselines",
    "compare_pair",
    "dice_per_class",
    "evaluate_oof",
    "fit_decision",
    "make_pair",
    "make_side",
    "metrics_from_json",
    "metrics_to_json",
    "network_rows",
    "possibly_mislabelled",
    "read_predictions",
    "read_suspects",
    "require_out_of_fold",
    "roc_points",
    "subgroup_metrics",
    "write_baselines",
    "write_predictions",
    "write_suspects",
]
