"""Curves and tables of classes for a person to look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voxray.core.curves import (
    BenefitCurve,
    ConfusionTable,
    PrecisionRecallCurve,
    ReliabilityBin,
)
from voxray.core.records import OutOfFoldPrediction
from voxray.core.specs import ClassifySpec, EvaluateSpec, OperatingPoint, Target
from voxray.evaluate.classes import decide_among, judge, two_sided
from voxray.evaluate.confusion import DecidedExams
from voxray.evaluate.estimate import Settings
from voxray.evaluate.exams import ScoredExams, scored_per_class
from voxray.evaluate.intervals import normal_quantile
from voxray.evaluate.patients import patient_predictions, patient_rule
from voxray.evaluate.probability_errors import prevalence
from voxray.evaluate.reliability import reliability_bins

Array = NDArray[np.float64]

_THRESHOLDS = np.arange(1, 100) / 100


@dataclass(frozen=True, slots=True)
class ClassCurves:
    """What is drawn of one class against the rest.

    Attributes:
        precision_recall: One per fold that holds out both classes.
        reliability: Bins from the lowest probability to the highest.
        benefit: None when all exams are of one class.
    """

    precision_recall: tuple[PrecisionRecallCurve, ...]
    reliability: tuple[ReliabilityBin, ...]
    benefit: BenefitCurve | None


def class_curves(
    predictions: Sequence[OutOfFoldPrediction],
    classify: ClassifySpec,
    spec: EvaluateSpec,
) -> dict[str, ClassCurves]:
    """Curves of what a person asks about: of two classes the positive one, else each.

    Nothing in them is drawn at random.
    """
    settings = Settings(spec, seed=0)
    return {
        name: ClassCurves(
            tuple(precision_recall(exams)),
            tuple(reliability_bins(exams, settings)),
            net_benefit(exams, spec.level),
        )
        for name, exams in scored_per_class(predictions, classify).items()
    }


def confusion_tables(
    predictions: Sequence[OutOfFoldPrediction],
    classify: ClassifySpec,
    spec: EvaluateSpec,
    registered: Mapping[str, OperatingPoint] | None = None,
) -> dict[str, ConfusionTable]:
    """Table of true and decided classes; of labels one each, else one named "".

    Two classes and labels are decided at the registered operating point, or the
    threshold of each fold is chosen on the other folds. A table of which no exam could
    be decided is left out.
    """
    names = classify.label_names
    if len(classify.judged_names) > 1 and classify.target is not Target.LABELS:
        decided = decide_among(scored_per_class(predictions, classify), classify)
        return {"": _table(names, decided)}
    settings = Settings(spec, seed=0, registered=registered or {})
    judged = judge(predictions, classify, settings)
    tables = {}
    for name, own in judged.items():
        rest = next(n for n in names if n != name)
        labels = classify.target is Target.LABELS
        classes = (f"no {name}", name) if labels else (rest, name)
        if own.decisions.decided.any():
            table = _table(classes, two_sided(own.exams, own.decisions))
            tables[name if labels else ""] = table
    return tables


def shown_predictions(
    predictions: Sequence[OutOfFoldPrediction],
    classify: ClassifySpec,
    spec: EvaluateSpec,
) -> Sequence[OutOfFoldPrediction]:
    """What pictures count: exams, or patients where the task is about patients."""
    if classify.level != "patient":
        return predictions
    rule = patient_rule(classify, spec)
    return patient_predictions(predictions, classify, rule)


def precision_recall(exams: ScoredExams) -> list[PrecisionRecallCurve]:
    """Curve of each fold that holds out both classes."""
    curves = []
    for part in exams.usable_folds():
        score, positive = exams.score[part], exams.positive[part]
        order = np.argsort(-score, kind="stable")
        ends = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
        hits = np.cumsum(positive[order])[ends]
        repeat, fold = exams.fold_names[int(exams.fold[part[0]])]
        curves.append(
            PrecisionRecallCurve(
                repeat,
                fold,
                recall=tuple((hits / positive.sum()).tolist()),
                precision=tuple((hits / (ends + 1)).tolist()),
                prevalence=float(positive.mean()),
            )
        )
    return curves


def net_benefit(exams: ScoredExams, level: float) -> BenefitCurve | None:
    """Decision curve of the scores as they are, all folds pooled.

    Vickers & Elkin 2006 (Medical Decision Making 26:565): true positives less false
    positives times t / (1 - t), per exam, acting from probability t on. The interval
    is pointwise, from the spread between patients.

    Returns:
        None when all exams are of one class.
    """
    share = prevalence(exams)
    if not 0 < share < 1:
        return None
    odds = _THRESHOLDS / (1 - _THRESHOLDS)
    worth = np.where(exams.positive[:, None], 1.0, -odds)
    gained = worth * (exams.score[:, None] >= _THRESHOLDS)
    weight = exams.exam_weight[:, None]
    benefit = (weight * gained).sum(axis=0) / weight.sum()
    off = np.zeros((exams.n_patients, len(_THRESHOLDS)))
    np.add.at(off, exams.patient, weight * (gained - benefit))
    n = exams.n_patients
    variance = n / max(n - 1, 1) * (off**2).sum(axis=0) / weight.sum() ** 2
    half = normal_quantile(level) * np.sqrt(variance)
    return BenefitCurve(
        threshold=tuple(_THRESHOLDS.tolist()),
        benefit=tuple(benefit.tolist()),
        low=tuple((benefit - half).tolist()),
        high=tuple((benefit + half).tolist()),
        treat_all=tuple((share - (1 - share) * odds).tolist()),
        prevalence=share,
    )


def _table(names: Sequence[str], decided: DecidedExams) -> ConfusionTable:
    exams = decided.per_patient().sum(axis=0)
    return ConfusionTable(
        tuple(names), tuple(tuple(row) for row in exams.tolist()), decided.how
    )
