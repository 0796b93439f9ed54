"""Figures of a model as it is registered, on patients that it has never seen."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from voxray.core.records import HOLDOUT, Metric, OutOfFoldPrediction
from voxray.core.specs import DecisionRule, EvaluateSpec, OperatingPoint, TaskSpec
from voxray.evaluate.estimate import Settings
from voxray.evaluate.lesions import Lesion
from voxray.evaluate.local import local_metrics
from voxray.evaluate.oof import evaluate_oof

_OF_FOLDS = {"auc_pooled", "auc_pooled_per_patient"}
"""The same as `auc` where one predictor judges all exams."""


def registered_points(rule: DecisionRule | None) -> Mapping[str, OperatingPoint]:
    """Operating points of a model by class; none where the likeliest class decides."""
    if rule is None:
        return {}
    if rule.operating_point is not None:
        return {rule.positive: rule.operating_point}
    return rule.operating_points


def evaluate_registered(
    predictions: Sequence[OutOfFoldPrediction],
    lesions: Sequence[Lesion],
    task: TaskSpec,
    settings: Settings,
    precision: float,
) -> tuple[Metric, ...]:
    """As `evaluate_oof`, at the registered threshold, then what the site would need.

    Figures at fixed sensitivity or specificity are left out: they need thresholds
    that are chosen on other exams of the same predictor.

    Args:
        predictions: One per exam, in one fold: all are of one predictor.
        lesions: Of the structures that are counted lesion by lesion.
        task: Classes and structures.
        settings: With `registered_points`.
        precision: See `local_metrics`.

    Raises:
        DatasetError: If a prediction is missing, not finite, twice there, or of an
            unknown label.
    """
    spec = without_fixed_points(settings.spec)
    points = settings.registered
    rows = evaluate_oof(predictions, task, spec, settings.seed, lesions, points)
    local = (
        local_metrics(predictions, task.classify, settings, precision)
        if task.classify
        else []
    )
    return (*(row for row in rows if row.metric not in _OF_FOLDS), *local)


def holdout_metrics(
    predictions: Sequence[OutOfFoldPrediction],
    lesions: Sequence[Lesion],
    task: TaskSpec,
    settings: Settings,
    how: str,
) -> tuple[Metric, ...]:
    """Figures of the locked holdout: nothing is chosen on it, no threshold either.

    Args:
        predictions: One per exam, in one fold, calibrated as registered.
        lesions: Of the structures that are counted lesion by lesion.
        task: Classes and structures.
        settings: With `registered_points`.
        how: Begins the method of each figure.

    Raises:
        DatasetError: As `evaluate_registered`.
    """
    spec = without_fixed_points(settings.spec)
    points = settings.registered
    rows = evaluate_oof(predictions, task, spec, settings.seed, lesions, points)
    return tuple(
        replace(row, subset=HOLDOUT, method=f"{how}; {row.method}")
        for row in rows
        if row.metric not in _OF_FOLDS
    )


def without_fixed_points(spec: EvaluateSpec) -> EvaluateSpec:
    """The same settings without figures at fixed sensitivity or specificity."""
    nothing = {"fixed_specificity": (), "fixed_sensitivity": ()}
    return spec.model_copy(update=nothing)
