"""Metrics of classes and labels: what each way of hanging together asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from voxray.core.decision import median_class
from voxray.core.records import Metric, OutOfFoldPrediction
from voxray.core.specs import ClassifySpec, Target
from voxray.core.specs.task import MEAN_CLASS
from voxray.evaluate.auc import estimate_macro_auc
from voxray.evaluate.confusion import (
    DecidedExams,
    agreement_metrics,
    correlation_metrics,
    error_metrics,
)
from voxray.evaluate.estimate import Settings
from voxray.evaluate.exams import ScoredExams, scored_per_class
from voxray.evaluate.one_against_rest import one_against_rest
from voxray.evaluate.ordinal import ordinal_metrics
from voxray.evaluate.patients import (
    in_words,
    named_by_patient,
    patient_predictions,
    patient_rule,
    wants_patients,
)
from voxray.evaluate.proportions import Decisions, decisions_on
from voxray.evaluate.resampling import JudgedExams

_Predictions = Sequence[OutOfFoldPrediction]

AT_POINT = "_at_operating_point"
DECIDER = {
    Target.EXCLUSIVE: "likeliest class decides",
    Target.ORDINAL: "median class decides",
    Target.LABELS: "decided to be there when likelier than not",
}


def class_metrics(
    predictions: _Predictions, classify: ClassifySpec, settings: Settings
) -> list[Metric]:
    """Every metric of the class head; predictions have passed the checks.

    Figures count exams; where a patient has several, or the task is about patients,
    those whose names end in "_per_patient" count each patient once.
    """
    rows = _metrics(predictions, classify, settings)
    if not wants_patients(predictions, classify):
        return rows
    rule = patient_rule(classify, settings.spec)
    own = patient_predictions(predictions, classify, rule)
    said = in_words(predictions, classify, rule)
    by_patient = _metrics(own, classify, settings) if own else []
    return rows + named_by_patient(by_patient, said)


def _metrics(
    predictions: _Predictions, classify: ClassifySpec, settings: Settings
) -> list[Metric]:
    """Of exams, or of patients that stand for them: each counts once."""
    judged = judge(predictions, classify, settings)
    if len(judged) == 1:
        ((name, own),) = judged.items()
        rows = one_against_rest(judged, judged, own.exams, settings)[name]
        likeliest = _likeliest(own.exams, predictions, classify)
        return rows + _accuracies("", own, likeliest, settings)
    whole = ScoredExams.of_class(predictions, classify.label_names[0])
    alike = _numbered_alike(judged, predictions, classify)
    per_class = one_against_rest(judged, alike, whole, settings)
    rows = [_macro_auc(alike, whole, classify, settings), *per_class[MEAN_CLASS]]
    for name, own in judged.items():
        rows += per_class[name]
        if classify.target is Target.LABELS:
            likeliest = _likelier_than_not(own.exams)
            rows += _accuracies(name, own, likeliest, settings)
    if classify.target is Target.LABELS:
        return rows
    return rows + _together(predictions, classify, settings)


def judge(
    predictions: _Predictions, classify: ClassifySpec, settings: Settings
) -> dict[str, JudgedExams]:
    """Scores and decisions of what a person asks about, each against the rest.

    One of two classes, and each of several labels, is decided by its threshold; one of
    three or more classes by who of them is decided.
    """
    scored = scored_per_class(predictions, classify)
    if len(scored) == 1 or classify.target is Target.LABELS:
        return {
            name: JudgedExams(exams, decisions_on(name, exams, settings))
            for name, exams in scored.items()
        }
    decided = decide_among(scored, classify)
    return {
        name: JudgedExams(
            exams, Decisions(decided.said == number, decided.used, decided.how)
        )
        for number, (name, exams) in enumerate(scored.items())
    }


def decide_among(
    scored: Mapping[str, ScoredExams], classify: ClassifySpec
) -> DecidedExams:
    """True and decided class of three or more: the likeliest, or of ordered the median.

    Args:
        scored: Every class, in order.
        classify: Whether they are ordered.
    """
    shares = np.stack([exams.score for exams in scored.values()], axis=1)
    ordinal = classify.target is Target.ORDINAL
    said = median_class(shares) if ordinal else np.argmax(shares, axis=1)
    positive = np.stack([exams.positive for exams in scored.values()], axis=1)
    everyone = np.ones(len(said), dtype=np.bool_)
    return DecidedExams(
        exams=next(iter(scored.values())),
        truth=np.argmax(positive, axis=1),
        said=said,
        used=everyone,
        n_classes=len(scored),
        how=DECIDER[classify.target],
    )


def _together(
    predictions: _Predictions, classify: ClassifySpec, settings: Settings
) -> list[Metric]:
    """Of three or more classes all at once, ordered or not."""
    scored = scored_per_class(predictions, classify)
    decided = decide_among(scored, classify)
    rows = agreement_metrics("", decided, settings)
    rows += correlation_metrics(decided, settings)
    if classify.target is not Target.ORDINAL:
        return rows
    shares = np.stack([exams.score for exams in scored.values()], axis=1)
    rows += error_metrics(decided, settings)
    return rows + ordinal_metrics(decided.exams, decided.truth, shares, settings)


def _macro_auc(
    alike: Mapping[str, JudgedExams],
    whole: ScoredExams,
    classify: ClassifySpec,
    settings: Settings,
) -> Metric:
    labels = classify.target is Target.LABELS
    exams = [own.exams for own in alike.values()]
    macro = estimate_macro_auc(exams, settings, whole if labels else None)
    counts = replace(whole.counts, n_positive=0)
    return settings.metric("auc", MEAN_CLASS, macro, counts)


def _accuracies(
    whose: str,
    judged: JudgedExams,
    likeliest: NDArray[np.bool_],
    settings: Settings,
) -> list[Metric]:
    """Of one class against the other, or a label that is there or not.

    Args:
        whose: Class that accuracies are of; "" for all classes together.
        judged: Of the class or label, with what its threshold decides.
        likeliest: Whether it is likelier than not.
        settings: Level, resamples, seed.
    """
    everyone = np.ones(len(likeliest), dtype=np.bool_)
    how = DECIDER[Target.LABELS if whose else Target.EXCLUSIVE]
    by_half = two_sided(judged.exams, Decisions(likeliest, everyone, how))
    at_point = two_sided(judged.exams, judged.decisions)
    return [
        *agreement_metrics(whose, by_half, settings),
        *(
            replace(metric, metric=metric.metric + AT_POINT)
            for metric in agreement_metrics(whose, at_point, settings)
        ),
    ]


def two_sided(exams: ScoredExams, decisions: Decisions) -> DecidedExams:
    """There or not, as two classes of which the second is "there"."""
    return DecidedExams(
        exams,
        truth=exams.positive.astype(np.intp),
        said=decisions.flagged.astype(np.intp),
        used=decisions.decided,
        n_classes=2,
        how=decisions.how,
        n_positive=exams.n_positive,
    )


def _likeliest(
    exams: ScoredExams, predictions: _Predictions, classify: ClassifySpec
) -> NDArray[np.bool_]:
    """Of two classes the positive one; of equals the first, as `decide` does."""
    names = list(classify.classes)
    other = next(n for n in names if n != classify.positive_class)
    against = ScoredExams.of_class(predictions, other).score
    if names[0] == other:
        return np.asarray(exams.score > against)
    return np.asarray(exams.score >= against)


def _likelier_than_not(exams: ScoredExams) -> NDArray[np.bool_]:
    return np.asarray(exams.score >= 0.5)  # noqa: PLR2004


def _numbered_alike(
    judged: Mapping[str, JudgedExams],
    everyone: _Predictions,
    classify: ClassifySpec,
) -> dict[str, JudgedExams]:
    """Give patients of each label the numbers they have among all predictions."""
    if classify.target is not Target.LABELS:
        return dict(judged)
    place = {p: n for n, p in enumerate(sorted({row.patient_id for row in everyone}))}
    alike = {}
    for name, own in judged.items():
        ids = sorted({row.patient_id for row in everyone if name in row.labels})
        numbers = np.array([place[patient] for patient in ids], dtype=np.intp)
        exams = replace(own.exams, patient=numbers[own.exams.patient])
        alike[name] = replace(own, exams=exams)
    return alike
