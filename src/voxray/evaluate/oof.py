"""Everything `evaluation.json` says, from out-of-fold predictions."""

from collections.abc import Sequence

import numpy as np

from voxray.core.records import Metric, OutOfFoldPrediction
from voxray.core.specs import ClassifySpec, EvaluateSpec, TaskSpec
from voxray.evaluate.auc import estimate_auc, estimate_macro_auc
from voxray.evaluate.checks import check_predictions
from voxray.evaluate.estimate import Settings
from voxray.evaluate.exams import ScoredExams
from voxray.evaluate.proportions import (
    Decisions,
    decide_by_threshold,
    operating_metrics,
)
from voxray.evaluate.segmentation import segmentation_metrics


def evaluate_oof(
    predictions: Sequence[OutOfFoldPrediction],
    task: TaskSpec,
    spec: EvaluateSpec,
    seed: int,
) -> tuple[Metric, ...]:
    """Compute every metric of the task with its interval.

    Two classes: "auc", "auc_pooled", "sensitivity" and "specificity" of the positive
    class. More: the same per class against the rest, the likeliest class deciding, and
    "auc" of "macro". Structures: "dice", "true_negative_exams", "false_positive_exams",
    "volume_error_ml" (predicted less drawn) and "volume_abs_error_ml". What cannot be
    estimated has no value or no interval, and `method` says why.

    Args:
        predictions: One per exam and repeat; `require_out_of_fold` has passed them.
        task: Classes and structures.
        spec: Operating point, level, resamples.
        seed: Of the experiment; the same seed gives the same intervals.

    Raises:
        DatasetError: If a prediction is missing, not finite, twice there, or of an
            unknown label.
    """
    check_predictions(predictions, task)
    settings = Settings(spec, seed)
    rows: list[Metric] = []
    if task.classify is not None:
        rows += _classification(predictions, task.classify, settings)
    if task.segment is not None:
        for name in task.segment.classes:
            rows += segmentation_metrics(predictions, name, settings)
    return tuple(rows)


def _classification(
    predictions: Sequence[OutOfFoldPrediction],
    classify: ClassifySpec,
    settings: Settings,
) -> list[Metric]:
    names = list(classify.classes)
    if len(names) == 2:  # noqa: PLR2004
        name = classify.positive_class
        exams = ScoredExams.of_class(predictions, name)
        decisions = decide_by_threshold(exams, settings)
        return _one_class(name, exams, decisions, settings)
    per_class = {name: ScoredExams.of_class(predictions, name) for name in names}
    scores = np.stack([exams.score for exams in per_class.values()])
    likeliest = np.argmax(scores, axis=0)
    macro = estimate_macro_auc(list(per_class.values()), settings)
    counts = next(iter(per_class.values())).counts
    rows = [settings.metric("auc", "macro", macro, counts)]
    for number, (name, exams) in enumerate(per_class.items()):
        everyone = np.ones(len(exams.score), dtype=np.bool_)
        decisions = Decisions(likeliest == number, everyone, "likeliest class decides")
        rows += _one_class(name, exams, decisions, settings)
    return rows


def _one_class(
    name: str, exams: ScoredExams, decisions: Decisions, settings: Settings
) -> list[Metric]:
    within = estimate_auc(exams, settings)
    pooled = estimate_auc(exams, settings, pooled=True)
    return [
        settings.metric("auc", name, within, exams.counts),
        settings.metric("auc_pooled", name, pooled, exams.counts),
        *operating_metrics(name, exams, decisions, settings),
    ]
