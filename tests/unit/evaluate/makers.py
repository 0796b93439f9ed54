"""Out-of-fold predictions with known answers."""

import numpy as np

from voxray.core.records import ExamId, OutOfFoldPrediction, PatientId
from voxray.core.specs import EvaluateSpec, TaskSpec
from voxray.evaluate.estimate import Settings

BINARY = TaskSpec.model_validate(
    {"classify": {"column": "y", "classes": {"no": 0, "yes": 1}}}
)
THREE = TaskSpec.model_validate(
    {"classify": {"column": "y", "classes": {"a": 0, "b": 1, "c": 2}}}
)
LESION = TaskSpec.model_validate({"segment": {"classes": {"lesion": {"value": 1}}}})
BESIDES = (
    "ppv",
    "npv",
    "likelihood_ratio_positive",
    "likelihood_ratio_negative",
    "sensitivity_at_specificity_0.9",
    "specificity_at_sensitivity_0.9",
    "calibration_slope",
    "calibration_intercept",
    "average_precision",
    "f1",
    "mcc",
    "brier",
    "log_loss",
    "ece",
)
"""Figures of one class against the rest that follow its AUC and operating point."""

SPEC = EvaluateSpec(resamples=400)
SETTINGS = Settings(SPEC, seed=1)
BALANCED_SPEC = EvaluateSpec.model_validate(
    {"resamples": 400, "operating_point": {"at_least": 0.8}}
)
"""Of a point that small studies reach without calling nearly all exams positive."""

BALANCED = Settings(BALANCED_SPEC, seed=1)


def a_prediction(exam, patient, fold, label, p_yes, repeat=0):
    return OutOfFoldPrediction(
        repeat=repeat,
        fold=fold,
        exam_id=ExamId(exam),
        patient_id=PatientId(patient),
        label=label,
        probabilities={"no": 1 - p_yes, "yes": p_yes},
    )


def a_study(generator, n_patients=60, n_positive=25, exams=1, signal=1.5, n_folds=5):
    """Positive patients come first and score higher by `signal` standard deviations."""
    rows = []
    for patient in range(n_patients):
        positive = patient < n_positive
        shared = generator.normal()
        for exam in range(exams):
            value = signal * positive + 0.7 * shared + 0.7 * generator.normal()
            rows.append(
                a_prediction(
                    f"e{patient:03}-{exam}",
                    f"p{patient:03}",
                    patient % n_folds,
                    "yes" if positive else "no",
                    float(1 / (1 + np.exp(-value))),
                )
            )
    return rows


def a_mask(exam, patient, dice, drawn=1.0, predicted=1.0, repeat=0):
    """What the network said about one exam with the structure "lesion"."""
    return OutOfFoldPrediction(
        repeat=repeat,
        fold=0,
        exam_id=ExamId(exam),
        patient_id=PatientId(patient),
        dice={"lesion": dice},
        volume_ml={"lesion": predicted},
        true_volume_ml={"lesion": drawn},
    )


def by_name(metrics, class_=None):
    """Metrics by name, of one class."""
    return {m.metric: m for m in metrics if class_ in {None, m.class_}}


def numbers(found):
    """Low, value and high of a metric or estimate that has all three."""
    ends = found.low, found.value, found.high
    assert None not in ends
    return tuple(map(float, ends))
