"""What a network must beat: predictors that hardly look at the image."""

from voxray.train.baselines.blanked import (
    BlankedExam,
    blanked_steps,
    classes_only,
    extent_pattern,
    predict_blanked,
)
from voxray.train.baselines.features import column_table, scan_tables
from voxray.train.baselines.logistic import (
    predict_logistic,
    predict_targets,
    standardised_logits,
)
from voxray.train.baselines.mean_mask import MeanMask, fit_mean_mask
from voxray.train.baselines.threshold import Threshold, fit_threshold

__all__ = [
    "BlankedExam",
    "MeanMask",
    "Threshold",
    "blanked_steps",
    "classes_only",
    "column_table",
    "extent_pattern",
    "fit_mean_mask",
    "fit_threshold",
    "predict_blanked",
    "predict_logistic",
    "predict_targets",
    "scan_tables",
    "standardised_logits",
]
