"""Everything `evaluation.json` says, from out-of-fold predictions."""

from collections.abc import Mapping, Sequence

from voxray.core.records import Metric, OutOfFoldPrediction
from voxray.core.specs import EvaluateSpec, OperatingPoint, TaskSpec
from voxray.evaluate.checks import check_predictions
from voxray.evaluate.classes import class_metrics
from voxray.evaluate.design_parts import say_repeats
from voxray.evaluate.estimate import Settings
from voxray.evaluate.froc import LesionStudy, lesion_metrics
from voxray.evaluate.lesions import Lesion
from voxray.evaluate.segmentation import segmentation_metrics


def evaluate_oof(
    predictions: Sequence[OutOfFoldPrediction],
    task: TaskSpec,
    spec: EvaluateSpec,
    seed: int,
    lesions: Sequence[Lesion] | None = None,
    registered: Mapping[str, OperatingPoint] | None = None,
) -> tuple[Metric, ...]:
    """Compute every metric of the task with its interval.

    Two classes: the figures of `one_against_rest` for the positive class, "accuracy"
    and "balanced_accuracy" of the likeliest class and at the operating point. More: the
    same per class against the rest, the likeliest class deciding, or the median of
    ordered ones, and their means of "macro"; of ordered ones also weighted kappas,
    "class_error", "ordinal_c_index" and "ranked_probability_score". Labels: what two
    classes give, per label, and "macro". All of them by patient too, where that is
    another thing.
    Structures: what `segmentation_metrics` gives, and those of `spec.lesions` what
    `lesion_metrics` gives. What cannot be estimated has no value or no interval, and
    `method` says why.

    Args:
        predictions: One per exam and repeat; `require_out_of_fold` has passed them.
        task: Classes and structures.
        spec: Operating point, level, resamples.
        seed: Of the experiment; the same seed gives the same intervals.
        lesions: Of the structures that are counted lesion by lesion, at least those of
            the exams predicted; None leaves their metrics out.
        registered: Operating points by class, of a model as it is registered.

    Raises:
        DatasetError: If a prediction is missing, not finite, twice there, or of an
            unknown label.
    """
    check_predictions(predictions, task)
    settings = Settings(spec, seed, registered or {})
    rows: list[Metric] = []
    if task.classify is not None:
        rows += class_metrics(predictions, task.classify, settings)
    if task.segment is not None:
        for name in task.segment.classes:
            rows += segmentation_metrics(predictions, name, settings)
            if lesions is not None and name in spec.lesions:
                study = LesionStudy.of(predictions, lesions, name)
                rows += lesion_metrics(study, name, settings)
    return say_repeats(rows, len({row.repeat for row in predictions}))
