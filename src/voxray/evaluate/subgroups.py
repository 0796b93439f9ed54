"""Figures of each subgroup of the exams, and each subgroup against all others.

What is decided about an exam does not depend on its subgroup: thresholds are those of
the whole evaluation.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit
from scipy.stats import norm

from voxray.core.records import LESS_REST, ExamId, Metric, OutOfFoldPrediction
from voxray.core.specs import ClassifySpec, EvaluateSpec, Target, TaskSpec
from voxray.core.specs.task import MEAN_CLASS
from voxray.evaluate.auc import estimate_auc, estimate_macro_auc
from voxray.evaluate.estimate import (
    CONDITIONAL,
    MIN_PATIENTS,
    Counts,
    Estimate,
    Settings,
    not_estimable,
)
from voxray.evaluate.exams import ScoredExams, predictions_of
from voxray.evaluate.intervals import normal_quantile
from voxray.evaluate.proportions import estimate_share
from voxray.evaluate.segmentation import segmentation_metrics
from voxray.evaluate.threshold import crossfit_decisions

_Rows = Sequence[OutOfFoldPrediction]
_Mask = NDArray[np.bool_]
_Found = tuple[Estimate, Counts]


@dataclass(frozen=True, slots=True)
class Grouping:
    """One way to part the exams.

    Attributes:
        names: Of the subgroups, in order, as in `Metric.subset`, e.g. "sex=F".
        of_exam: The subgroup of each exam.
        how: How a column of numbers was parted; "" where a person said so.
    """

    names: tuple[str, ...]
    of_exam: Mapping[ExamId, str]
    how: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class _Figure:
    """A figure that can be had of any part of the exams.

    Attributes:
        rows: What it is of, in the order of the masks that `of` takes.
        of: Estimate and counts of the rows that a mask keeps.
    """

    metric: str
    class_: str
    rows: _Rows
    of: Callable[[_Mask], _Found]


def subgroup_metrics(
    predictions: _Rows,
    groupings: Sequence[Grouping],
    task: TaskSpec,
    spec: EvaluateSpec,
    seed: int,
) -> tuple[Metric, ...]:
    """Figures of every subgroup, then each less that of all exams outside it.

    Two classes and labels: "auc", "sensitivity" and "specificity" at the operating
    point. More classes: "auc" of "macro". Structures: "dice". The difference is named
    "auc_less_rest" and so on. What cannot be estimated says why in `method`.

    Args:
        predictions: Checked, one per exam and repeat.
        groupings: Each parts all exams.
        task: Classes and structures.
        spec: Operating point, level, resamples.
        seed: Of the experiment.
    """
    settings = Settings(spec, seed)
    structures = task.segment.classes if task.segment else ()
    figures = [
        *_of_classes(predictions, task.classify, settings),
        *(_dice(predictions, name, settings) for name in structures),
    ]
    found = [
        row
        for grouping in groupings
        for name in grouping.names
        for row in _subgroup(figures, grouping, name, settings)
    ]
    return tuple(_with_number_of_comparisons(found))


def _subgroup(
    figures: Sequence[_Figure], grouping: Grouping, name: str, settings: Settings
) -> list[Metric]:
    of_each: list[Metric] = []
    differences: list[Metric] = []
    for figure in figures:
        inside = np.array([grouping.of_exam[r.exam_id] == name for r in figure.rows])
        own, counts = figure.of(inside)
        rest, _ = figure.of(~inside)
        own = replace(own, method=_joined(grouping.how, own.method))
        shared = len(_patients(figure.rows, inside) & _patients(figure.rows, ~inside))
        gap = less_rest(own, rest, shared, settings.level)
        for metric, estimate, kept in (
            (figure.metric, own, of_each),
            (figure.metric + LESS_REST, gap, differences),
        ):
            row = settings.metric(metric, figure.class_, estimate, counts)
            kept.append(replace(row, subset=name))
    return [*of_each, *differences]


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def _patients(rows: _Rows, mask: _Mask) -> set[str]:
    return {row.patient_id for row, kept in zip(rows, mask, strict=True) if kept}


def less_rest(own: Estimate, rest: Estimate, n_shared: int, level: float) -> Estimate:
    """Subgroup less all other exams, from the intervals of both.

    Square-and-add (Newcombe 1998, Statistics in Medicine 17:873, method 10; Zou &
    Donner 2008, ibid. 27:1693, for any two estimates). It takes both as independent:
    where patients have exams in both it is rather too wide, and there is no p value.

    Args:
        own: Of the subgroup.
        rest: Of all other exams.
        n_shared: Patients with exams in both.
        level: Of both intervals.
    """
    value = None if None in {own.value, rest.value} else _gap(own.value, rest.value)
    if own.low is None or own.high is None:
        return not_estimable(value, "the subgroup has no interval", _AGAINST)
    if rest.low is None or rest.high is None or value is None:
        return not_estimable(value, "the other exams have no interval", _AGAINST)
    one, other = _gap(own.value, 0.0), _gap(rest.value, 0.0)
    low = value - math.hypot(one - own.low, rest.high - other)
    high = value + math.hypot(own.high - one, other - rest.low)
    p = None if n_shared else interaction_p(own, rest, level)
    shared = f"{n_shared} patients have exams in both: rather too wide"
    said = _joined(
        f"{_AGAINST}; square-and-add of both intervals",
        shared if n_shared else "",
        "" if p is None else f"interaction p = {p:.2g}",
        CONDITIONAL,
    )
    return Estimate(value, low, high, said)


_AGAINST = "subgroup less all other exams"


def _gap(one: float | None, other: float | None) -> float:
    return float(one or 0.0) - float(other or 0.0)


def interaction_p(own: Estimate, rest: Estimate, level: float) -> float | None:
    """Two-sided p that both are the same, by the difference of their logits.

    All intervals here are symmetric on the logit scale (Wilson's is, Newcombe 2001, The
    American Statistician 55:200), so their width gives the standard error.

    Returns:
        None where a value or an end of an interval is 0 or 1.
    """
    logits: list[float] = []
    variance = 0.0
    for side in (own, rest):
        ends = side.low, side.value, side.high
        if any(end is None or not 0 < end < 1 for end in ends):
            return None
        low, centre, high = logit(np.array(ends, dtype=np.float64))
        logits.append(float(centre))
        variance += float((high - low) / 2 / normal_quantile(level)) ** 2
    if not variance > 0:
        return None
    return float(2 * norm.sf(abs(logits[0] - logits[1]) / math.sqrt(variance)))


def _with_number_of_comparisons(rows: Sequence[Metric]) -> Iterator[Metric]:
    gaps = [row for row in rows if row.metric.endswith(LESS_REST)]
    said = f"one of {len(gaps)} comparisons with the rest, none adjusted"
    for row in rows:
        is_gap = row.metric.endswith(LESS_REST)
        yield replace(row, method=f"{row.method}; {said}") if is_gap else row


def _of_classes(
    predictions: _Rows, classify: ClassifySpec | None, settings: Settings
) -> Iterator[_Figure]:
    if classify is None:
        return
    if classify.target is Target.LABELS:
        for name in classify.columns:
            yield from _two_sided(predictions_of(predictions, name), name, settings)
    elif len(classify.classes) == 2:  # noqa: PLR2004
        yield from _two_sided(predictions, classify.positive_class, settings)
    else:
        yield _mean_auc(predictions, list(classify.classes), settings)


def _in_order(predictions: _Rows) -> list[OutOfFoldPrediction]:
    """As the arrays of `ScoredExams` are."""
    return sorted(predictions, key=lambda row: (row.repeat, row.fold, row.exam_id))


def _two_sided(
    predictions: _Rows, class_: str, settings: Settings
) -> Iterator[_Figure]:
    rows = _in_order(predictions)
    exams = ScoredExams.of_class(rows, class_)
    flagged, decided = crossfit_decisions(exams, settings.spec.operating_point)

    def auc(mask: _Mask) -> _Found:
        own = _kept(exams, mask)
        return _one_class(own) or estimate_auc(own, settings), own.counts

    def share(mask: _Mask, side: _Mask) -> _Found:
        used = mask & side & decided
        n_patients = len(np.unique(exams.patient[used]))
        counts = Counts(
            len(np.unique(exams.exam[used])),
            n_patients,
            len(np.unique(exams.patient[mask & exams.positive])),
        )
        if not n_patients:
            return not_estimable(None, "no exam of that class", _THRESHOLD), counts
        right = flagged == exams.positive
        return estimate_share(exams, right, used, settings, _THRESHOLD), counts

    yield _Figure("auc", class_, rows, auc)
    yield _Figure("sensitivity", class_, rows, lambda m: share(m, exams.positive))
    yield _Figure("specificity", class_, rows, lambda m: share(m, ~exams.positive))


_THRESHOLD = "threshold of each fold chosen on all exams of the other folds"


def _mean_auc(predictions: _Rows, names: list[str], settings: Settings) -> _Figure:
    rows = _in_order(predictions)
    per_class = [ScoredExams.of_class(rows, name) for name in names]

    def auc(mask: _Mask) -> _Found:
        own = [_kept(exams, mask) for exams in per_class]
        estimate = next(filter(None, map(_one_class, own)), None)
        counts = replace(own[0].counts, n_positive=0)
        return estimate or estimate_macro_auc(own, settings), counts

    return _Figure("auc", MEAN_CLASS, rows, auc)


def _one_class(exams: ScoredExams) -> Estimate | None:
    if exams.n_positive and exams.n_negative:
        return None
    n = f"{exams.n_positive} positive and {exams.n_negative} negative patients"
    return not_estimable(None, n)


def _kept(exams: ScoredExams, mask: _Mask) -> ScoredExams:
    """Part of the predictions; exams and patients are numbered anew."""
    return ScoredExams(
        fold=exams.fold[mask],
        repeat=exams.repeat[mask],
        exam=_numbered_anew(exams.exam[mask]),
        patient=_numbered_anew(exams.patient[mask]),
        positive=exams.positive[mask],
        score=exams.score[mask],
        fold_names=exams.fold_names,
    )


def _numbered_anew(numbers: NDArray[np.intp]) -> NDArray[np.intp]:
    return np.asarray(np.unique(numbers, return_inverse=True)[1], dtype=np.intp)


def _dice(predictions: _Rows, class_: str, settings: Settings) -> _Figure:
    def dice(mask: _Mask) -> _Found:
        own = [row for row, kept in zip(predictions, mask, strict=True) if kept]
        if not own:
            return not_estimable(None, "no exam"), Counts(0, 0, 0)
        found = segmentation_metrics(own, class_, settings)
        row = next(metric for metric in found if metric.metric == "dice")
        counts = Counts(row.n_exams, row.n_patients, row.n_positive)
        if row.n_patients < MIN_PATIENTS:
            why = f"{row.n_patients} patients, at least {MIN_PATIENTS} needed"
            return not_estimable(row.value, why), counts
        return Estimate(row.value, row.low, row.high, row.method), counts

    return _Figure("dice", class_, predictions, dice)
