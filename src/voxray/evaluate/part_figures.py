"""Figures that can be had of any part of the exams.

What is decided about an exam does not depend on the part: thresholds are those of the
whole evaluation.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from voxray.core.records import OutOfFoldPrediction
from voxray.core.specs import ClassifySpec, Target, TaskSpec
from voxray.core.specs.task import MEAN_CLASS
from voxray.evaluate.auc import estimate_auc, estimate_macro_auc
from voxray.evaluate.bootstrap import patient_strata, weighted_fold_auc
from voxray.evaluate.estimate import (
    MIN_PATIENTS,
    Counts,
    Estimate,
    Settings,
    not_estimable,
)
from voxray.evaluate.exams import ScoredExams, predictions_of
from voxray.evaluate.patient_means import PatientMeans
from voxray.evaluate.proportions import decisions_on, estimate_share
from voxray.evaluate.segmentation import segmentation_metrics

Rows = Sequence[OutOfFoldPrediction]
Mask = NDArray[np.bool_]
Array = NDArray[np.float64]
Numbers = NDArray[np.intp]

_THRESHOLD = "threshold of each fold chosen on all exams of the other folds"


@dataclass(frozen=True, slots=True, eq=False)
class PartFigure:
    """One figure.

    Attributes:
        rows: What it is of, in the order of the masks below.
        patient: Number of each row's patient, from 0.
        strata: Of each patient, for draws; see `patient_weights`.
        used: Rows that count.
        of: Estimate and counts of the rows that a mask keeps.
        drawn: The figure of those rows for each of (draws, patients) weights.
    """

    metric: str
    class_: str
    rows: Rows
    patient: Numbers
    strata: Numbers
    used: Mask
    of: Callable[[Mask], tuple[Estimate, Counts]]
    drawn: Callable[[Mask, Array], Array]

    def n_shared(self, inside: Mask) -> int:
        """Patients with exams that count on both sides of a mask."""
        own, rest = (self.patient[mask & self.used] for mask in (inside, ~inside))
        return len(np.intersect1d(own, rest))


def part_figures(
    predictions: Rows, task: TaskSpec, settings: Settings
) -> tuple[PartFigure, ...]:
    """AUC, sensitivity and specificity of classes, Dice of structures."""
    structures = task.segment.classes if task.segment else ()
    return (
        *_of_classes(predictions, task.classify, settings),
        *(_dice(predictions, name, settings) for name in structures),
    )


def _of_classes(
    predictions: Rows, classify: ClassifySpec | None, settings: Settings
) -> Iterator[PartFigure]:
    if classify is None:
        return
    if classify.target is Target.LABELS:
        for name in classify.columns:
            own = predictions_of(predictions, name)
            yield _auc(own, [name], name, settings)
            yield from _shares(own, name, settings)
    elif len(classify.classes) == 2:  # noqa: PLR2004
        name = classify.positive_class
        yield _auc(predictions, [name], name, settings)
        yield from _shares(predictions, name, settings)
    else:
        yield _auc(predictions, list(classify.classes), MEAN_CLASS, settings)


def _in_order(predictions: Rows) -> list[OutOfFoldPrediction]:
    """As the arrays of `ScoredExams` are."""
    return sorted(predictions, key=lambda row: (row.repeat, row.fold, row.exam_id))


def _auc(
    predictions: Rows, names: Sequence[str], class_: str, settings: Settings
) -> PartFigure:
    """AUC of one class, or the mean over several."""
    rows = _in_order(predictions)
    per_class = [ScoredExams.of_class(rows, name) for name in names]

    def auc(mask: Mask) -> tuple[Estimate, Counts]:
        own = [_kept(exams, mask) for exams in per_class]
        lacking = next(filter(None, map(_one_class, own)), None)
        if len(own) == 1:
            return lacking or estimate_auc(own[0], settings), own[0].counts
        counts = replace(own[0].counts, n_positive=0)
        return lacking or estimate_macro_auc(own, settings), counts

    def drawn(mask: Mask, weights: Array) -> Array:
        own = (replace(_kept(e, mask), patient=e.patient[mask]) for e in per_class)
        aucs = [weighted_fold_auc(exams, weights) for exams in own]
        return np.asarray(np.mean(aucs, axis=0), dtype=np.float64)

    everyone = np.ones(len(rows), dtype=np.bool_)
    patient, strata = per_class[0].patient, _strata(per_class)
    return PartFigure("auc", class_, rows, patient, strata, everyone, auc, drawn)


def _strata(per_class: Sequence[ScoredExams]) -> Numbers:
    """Fold and class of each patient."""
    of_patient = np.zeros(per_class[0].n_patients, dtype=np.intp)
    for number, exams in enumerate(per_class, start=1):
        of_patient[exams.patient[exams.positive]] = number
    return patient_strata(per_class[0], of_patient)


def _one_class(exams: ScoredExams) -> Estimate | None:
    if exams.n_positive and exams.n_negative:
        return None
    n = f"{exams.n_positive} positive and {exams.n_negative} negative patients"
    return not_estimable(None, n)


def _kept(exams: ScoredExams, mask: Mask) -> ScoredExams:
    """Part of the predictions; folds, exams and patients are numbered anew."""
    folds, fold = np.unique(exams.fold[mask], return_inverse=True)
    return ScoredExams(
        fold=np.asarray(fold, dtype=np.intp),
        repeat=exams.repeat[mask],
        exam=_numbered_anew(exams.exam[mask]),
        patient=_numbered_anew(exams.patient[mask]),
        positive=exams.positive[mask],
        score=exams.score[mask],
        fold_names=tuple(exams.fold_names[number] for number in folds),
    )


def _numbered_anew(numbers: Numbers) -> Numbers:
    return np.asarray(np.unique(numbers, return_inverse=True)[1], dtype=np.intp)


def _shares(predictions: Rows, class_: str, settings: Settings) -> Iterator[PartFigure]:
    """Sensitivity and specificity at the operating point."""
    rows = _in_order(predictions)
    exams = ScoredExams.of_class(rows, class_)
    decisions = decisions_on(class_, exams, settings)
    how = decisions.how if settings.registered else _THRESHOLD
    right = decisions.flagged == exams.positive
    strata = _strata([exams])
    for name, side in (
        ("sensitivity", exams.positive),
        ("specificity", ~exams.positive),
    ):
        used = side & decisions.decided
        share = _Share(exams, right, used, settings, how)
        yield PartFigure(
            name, class_, rows, exams.patient, strata, used, share.of, share.drawn
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Share:
    """Share of the used predictions that are right."""

    exams: ScoredExams
    right: Mask
    used: Mask
    settings: Settings
    how: str

    def of(self, mask: Mask) -> tuple[Estimate, Counts]:
        exams, used = self.exams, mask & self.used
        counts = Counts(
            len(np.unique(exams.exam[used])),
            len(np.unique(exams.patient[used])),
            len(np.unique(exams.patient[mask & exams.positive])),
        )
        if not counts.n_patients:
            return not_estimable(None, "no exam of that class", self.how), counts
        own = _kept(exams, mask)  # of one repeat, an exam counts once, not a share
        right = self.right[mask]
        share = estimate_share(own, right, used[mask], self.settings, self.how)
        return share, counts

    def drawn(self, mask: Mask, weights: Array) -> Array:
        used, exams = mask & self.used, self.exams
        shared = exams.exam_weight[used]
        n = weights.shape[1]
        patient = exams.patient[used]
        of_each = np.bincount(patient, weights=shared, minlength=n)
        right = np.bincount(patient, weights=shared * self.right[used], minlength=n)
        return _ratio(weights @ right, weights @ of_each)


def _ratio(above: Array, below: Array) -> Array:
    ratio = np.full(len(below), np.nan)
    np.divide(above, below, out=ratio, where=below > 0)
    return ratio


def _dice(predictions: Rows, class_: str, settings: Settings) -> PartFigure:
    used = np.array([row.dice.get(class_) is not None for row in predictions], bool)
    ids = np.array([row.patient_id for row in predictions], dtype=object)
    names, patient = np.unique(ids, return_inverse=True)
    number = {name: n for n, name in enumerate(names)}

    def kept(mask: Mask) -> list[OutOfFoldPrediction]:
        return [row for row, own in zip(predictions, mask, strict=True) if own]

    def dice(mask: Mask) -> tuple[Estimate, Counts]:
        if not (mask & used).any():
            return not_estimable(None, "no exam has a value"), Counts(0, 0, 0)
        found = segmentation_metrics(kept(mask), class_, settings)
        row = next(metric for metric in found if metric.metric == "dice")
        counts = Counts(row.n_exams, row.n_patients, row.n_positive)
        if row.n_patients < MIN_PATIENTS:
            why = f"{row.n_patients} patients, at least {MIN_PATIENTS} needed"
            return not_estimable(row.value, why), counts
        return Estimate(row.value, row.low, row.high, row.method), counts

    def drawn(mask: Mask, weights: Array) -> Array:
        means = PatientMeans.of(kept(mask), lambda row: row.dice.get(class_))
        own = weights[:, [number[one] for one in means.ids]] * means.weights
        return _ratio(own @ means.values, own.sum(axis=1))

    strata = np.zeros(len(names), dtype=np.intp)
    return PartFigure(
        "dice", class_, predictions, patient.astype(np.intp), strata, used, dice, drawn
    )
