"""Pictures of the classes, for MLflow and for the report."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from voxray.core.records import PER_PATIENT, Metric, OutOfFoldPrediction
from voxray.core.specs import ClassifySpec, OperatingPoint
from voxray.evaluate import (
    class_curves,
    class_roc_points,
    confusion_tables,
    shown_predictions,
)
from voxray.report import (
    RocCurve,
    draw_class_rocs,
    draw_confusion,
    draw_decision_curves,
    draw_precision_recall,
    draw_reliability,
    draw_roc,
)
from voxray.stages.asked import Asked


def class_figures(
    predictions: Sequence[OutOfFoldPrediction],
    metrics: Sequence[Metric],
    asked: Asked,
    registered: Mapping[str, OperatingPoint] | None = None,
) -> dict[str, bytes]:
    """ROC, precision-recall, reliability, decision curve and confusion, by file name.

    They count exams, or patients where the task is about patients.

    Args:
        predictions: One per exam and repeat.
        metrics: Of the network; some stand in the titles.
        asked: Task, settings and note.
        registered: Operating points by class, of a model as it is registered.

    Returns:
        Nothing without classification.
    """
    classify, spec = asked.task.classify, asked.evaluate
    if classify is None:
        return {}
    note, by_patient = asked.note, classify.level == "patient"
    shown = shown_predictions(predictions, classify, spec)
    if not shown:
        return {}
    own = _of_level(metrics, by_patient=by_patient)
    curves = class_curves(shown, classify, spec)
    tables = confusion_tables(shown, classify, spec, registered)
    steps = {name: of.precision_recall for name, of in curves.items()}
    bins = {name: of.reliability for name, of in curves.items()}
    benefits = {name: of.benefit for name, of in curves.items()}
    figures = {
        "roc.png": _draw_rocs(shown, classify, own, note),
        "precision_recall.png": draw_precision_recall(
            steps, _named(own, "average_precision"), note
        ),
        "reliability.png": draw_reliability(bins, _named(own, "ece"), spec.level, note),
        "decision_curve.png": draw_decision_curves(benefits, spec.level, note),
    }
    if tables:
        counted = "patients" if by_patient else "exams"
        figures["confusion.png"] = draw_confusion(tables, counted, note)
    return figures


def _of_level(metrics: Sequence[Metric], *, by_patient: bool) -> list[Metric]:
    """Metrics by exam or by patient, named alike."""
    own = [m for m in metrics if m.metric.endswith(PER_PATIENT) == by_patient]
    return [replace(m, metric=m.metric.removesuffix(PER_PATIENT)) for m in own]


def _named(metrics: Sequence[Metric], name: str) -> dict[str, Metric]:
    return {m.class_: m for m in metrics if m.metric == name and m.subset == "all"}


def _draw_rocs(
    predictions: Sequence[OutOfFoldPrediction],
    classify: ClassifySpec,
    metrics: Sequence[Metric],
    note: str,
) -> bytes:
    """Every fold's curve of one class, or the mean curve of each of several."""
    curves = {
        name: [
            RocCurve(curve.fold, np.array(curve.fpr), np.array(curve.tpr))
            for curve in points
            if curve.fold is not None
        ]
        for name, points in class_roc_points(predictions, classify).items()
    }
    if len(curves) > 1:
        return draw_class_rocs(curves, metrics, note)
    auc = next((m for m in metrics if m.metric == "auc" and m.subset == "all"), None)
    return draw_roc(next(iter(curves.values())), auc, note=note)
