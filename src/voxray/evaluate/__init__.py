"""Metrics with patient-level intervals, and the decision rule, from OOF predictions."""

from voxray.evaluate.baselines import Rival, compare_baselines, network_rows
from voxray.evaluate.checks import check_predictions, require_out_of_fold
from voxray.evaluate.compare import compare_pair
from voxray.evaluate.curves import (
    ClassCurves,
    class_curves,
    confusion_tables,
    shown_predictions,
)
from voxray.evaluate.decided import DecisionEvidence, judge_decision
from voxray.evaluate.decision import FittedOn, fit_decision
from voxray.evaluate.design_parts import design_metrics, repeat_name
from voxray.evaluate.dice import dice_per_class
from voxray.evaluate.estimate import Settings
from voxray.evaluate.froc import FrocCurve, LesionStudy, froc_curve
from voxray.evaluate.lesion_table import read_lesions, write_lesions
from voxray.evaluate.lesions import Lesion, LesionSource, Slabs, find_lesions
from voxray.evaluate.local import LOCAL_THRESHOLD, NEEDED, needed_exams
from voxray.evaluate.masks import MaskMeasures, measure_masks
from voxray.evaluate.mislabelled import (
    Suspect,
    possibly_mislabelled,
    read_suspects,
    write_suspects,
)
from voxray.evaluate.oof import evaluate_oof
from voxray.evaluate.pairing import Pair, Side, make_pair, make_side
from voxray.evaluate.parts import in_parts
from voxray.evaluate.patients import judged_by_patient
from voxray.evaluate.registered import (
    evaluate_registered,
    holdout_metrics,
    registered_points,
)
from voxray.evaluate.roc import RocCurve, class_roc_points, roc_points
from voxray.evaluate.segmentation import volume_error_ml
from voxray.evaluate.subgroups import Grouping, subgroup_metrics
from voxray.evaluate.tables import (
    metrics_from_json,
    metrics_to_json,
    read_predictions,
    write_baselines,
    write_predictions,
)
from voxray.evaluate.worst import WorstExam, read_worst, worst_exams, write_worst

__all__ = [
    "LOCAL_THRESHOLD",
    "NEEDED",
    "ClassCurves",
    "DecisionEvidence",
    "FittedOn",
    "FrocCurve",
    "Grouping",
    "Lesion",
    "LesionSource",
    "LesionStudy",
    "MaskMeasures",
    "Pair",
    "Rival",
    "RocCurve",
    "Settings",
    "Side",
    "Slabs",
    "Suspect",
    "WorstExam",
    "check_predictions",
    "class_curves",
    "class_roc_points",
    "compare_baselines",
    "compare_pair",
    "confusion_tables",
    "design_metrics",
    "dice_per_class",
    "evaluate_oof",
    "evaluate_registered",
    "find_lesions",
    "fit_decision",
    "froc_curve",
    "holdout_metrics",
    "in_parts",
    "judge_decision",
    "judged_by_patient",
    "make_pair",
    "make_side",
    "measure_masks",
    "metrics_from_json",
    "metrics_to_json",
    "needed_exams",
    "network_rows",
    "possibly_mislabelled",
    "read_lesions",
    "read_predictions",
    "read_suspects",
    "read_worst",
    "registered_points",
    "repeat_name",
    "require_out_of_fold",
    "roc_points",
    "shown_predictions",
    "subgroup_metrics",
    "volume_error_ml",
    "worst_exams",
    "write_baselines",
    "write_lesions",
    "write_predictions",
    "write_suspects",
    "write_worst",
]
