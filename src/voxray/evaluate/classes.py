"""Metrics of classes and labels: what each way of hanging together asks for."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from voxray.core.decision import median_class
from voxray.core.records import Metric, OutOfFoldPrediction
from voxray.core.specs import ClassifySpec, Target
from voxray.core.specs.task import MEAN_CLASS
from voxray.evaluate.auc import estimate_auc, estimate_macro_auc
from voxray.evaluate.confusion import DecidedExams, agreement_metrics, error_metrics
from voxray.evaluate.estimate import Settings
from voxray.evaluate.exams import ScoredExams, predictions_of
from voxray.evaluate.proportions import (
    Decisions,
    decide_by_threshold,
    operating_metrics,
)

_Predictions = Sequence[OutOfFoldPrediction]

AT_POINT = "_at_operating_point"
_DECIDER = {
    Target.EXCLUSIVE: "likeliest class decides",
    Target.ORDINAL: "median class decides",
    Target.LABELS: "decided to be there when likelier than not",
}


def class_metrics(
    predictions: _Predictions, classify: ClassifySpec, settings: Settings
) -> list[Metric]:
    """Every metric of the class head; predictions have passed the checks."""
    if classify.target is Target.LABELS:
        return _labels(predictions, classify.columns, settings)
    names = list(classify.classes)
    if len(names) == 2:  # noqa: PLR2004
        name = classify.positive_class
        exams = ScoredExams.of_class(predictions, name)
        other = next(n for n in names if n != name)
        against = ScoredExams.of_class(predictions, other).score
        first = names[0] == name  # which is decided of equals, as `decide` does
        likeliest = exams.score >= against if first else exams.score > against
        return _two_sided(name, "", exams, likeliest, settings)
    return _several(predictions, classify, settings)


def _two_sided(
    name: str,
    whose: str,
    exams: ScoredExams,
    likeliest: NDArray[np.bool_],
    settings: Settings,
) -> list[Metric]:
    """One class against the other, or a label that is there or not.

    Args:
        name: The class or label.
        whose: Class that accuracies are of; "" for all classes together.
        exams: Of the class or label.
        likeliest: Whether it is likelier than not.
        settings: Operating point, level, resamples, seed.
    """
    everyone = np.ones(len(likeliest), dtype=np.bool_)
    how = _DECIDER[Target.LABELS if whose else Target.EXCLUSIVE]
    by_half = Decisions(likeliest, everyone, how)
    at_point = decide_by_threshold(exams, settings)
    return [
        *_against_rest(name, exams, at_point, settings),
        *agreement_metrics(whose, _decided(exams, by_half), settings),
        *(
            replace(metric, metric=metric.metric + AT_POINT)
            for metric in agreement_metrics(whose, _decided(exams, at_point), settings)
        ),
    ]


def _decided(exams: ScoredExams, decisions: Decisions) -> DecidedExams:
    return DecidedExams(
        exams,
        truth=exams.positive.astype(np.intp),
        said=decisions.flagged.astype(np.intp),
        used=decisions.decided,
        n_classes=2,
        how=decisions.how,
        n_positive=exams.n_positive,
    )


def _several(
    predictions: _Predictions, classify: ClassifySpec, settings: Settings
) -> list[Metric]:
    """Three or more classes, ordered or not."""
    names = list(classify.classes)
    per_class = {name: ScoredExams.of_class(predictions, name) for name in names}
    scores = np.stack([exams.score for exams in per_class.values()], axis=1)
    ordinal = classify.target is Target.ORDINAL
    said = median_class(scores) if ordinal else np.argmax(scores, axis=1)
    how = _DECIDER[classify.target]
    any_class = next(iter(per_class.values()))
    macro = estimate_macro_auc(list(per_class.values()), settings)
    counts = replace(any_class.counts, n_positive=0)
    rows = [settings.metric("auc", MEAN_CLASS, macro, counts)]
    everyone = np.ones(len(said), dtype=np.bool_)
    for number, (name, exams) in enumerate(per_class.items()):
        decisions = Decisions(said == number, everyone, how)
        rows += _against_rest(name, exams, decisions, settings)
    positive = np.stack([exams.positive for exams in per_class.values()], axis=1)
    truth = np.argmax(positive, axis=1)
    decided = DecidedExams(any_class, truth, said, everyone, len(names), how)
    rows += agreement_metrics("", decided, settings)
    return rows + (error_metrics(decided, settings) if ordinal else [])


def _labels(
    predictions: _Predictions, labels: Sequence[str], settings: Settings
) -> list[Metric]:
    """Labels that do not exclude each other, on the exams that state them."""
    stated = {name: predictions_of(predictions, name) for name in labels}
    per_label = {n: ScoredExams.of_class(rows, n) for n, rows in stated.items()}
    whole = ScoredExams.of_class(predictions, labels[0])
    alike = [
        _numbered_alike(per_label[name], stated[name], predictions) for name in labels
    ]
    macro = estimate_macro_auc(alike, settings, whole)
    counts = replace(whole.counts, n_positive=0)
    rows = [settings.metric("auc", MEAN_CLASS, macro, counts)]
    for name, exams in per_label.items():
        likeliest = exams.score >= 0.5  # noqa: PLR2004 - likelier than not
        rows += _two_sided(name, name, exams, likeliest, settings)
    return rows


def _numbered_alike(
    exams: ScoredExams, own: _Predictions, everyone: _Predictions
) -> ScoredExams:
    """Give patients the numbers they have among all predictions."""
    ids = sorted({row.patient_id for row in everyone})
    place = {patient: number for number, patient in enumerate(ids)}
    numbers = [place[patient] for patient in sorted({row.patient_id for row in own})]
    return replace(exams, patient=np.array(numbers, dtype=np.intp)[exams.patient])


def _against_rest(
    name: str, exams: ScoredExams, decisions: Decisions, settings: Settings
) -> list[Metric]:
    within = estimate_auc(exams, settings)
    pooled = estimate_auc(exams, settings, pooled=True)
    return [
        settings.metric("auc", name, within, exams.counts),
        settings.metric("auc_pooled", name, pooled, exams.counts),
        *operating_metrics(name, exams, decisions, settings),
    ]
