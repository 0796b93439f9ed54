"""Figures of each subgroup of the exams, and each subgroup against all others."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import logit
from scipy.stats import norm

from voxray.core.records import LESS_REST, ExamId, Metric, OutOfFoldPrediction
from voxray.core.specs import EvaluateSpec, OperatingPoint, TaskSpec
from voxray.evaluate.bootstrap import patient_weights
from voxray.evaluate.estimate import CONDITIONAL, Estimate, Settings, not_estimable
from voxray.evaluate.intervals import normal_quantile
from voxray.evaluate.part_figures import Mask, PartFigure, part_figures


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


def subgroup_metrics(
    predictions: Sequence[OutOfFoldPrediction],
    groupings: Sequence[Grouping],
    task: TaskSpec,
    spec: EvaluateSpec,
    seed: int,
    registered: Mapping[str, OperatingPoint] | None = None,
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
        registered: See `Settings`.
    """
    settings = Settings(spec, seed, registered or {})
    figures = part_figures(predictions, task, settings)
    found = [
        row
        for grouping in groupings
        for name in grouping.names
        for row in _subgroup(figures, grouping, name, settings)
    ]
    return tuple(_with_number_of_comparisons(found))


def _subgroup(
    figures: Sequence[PartFigure], grouping: Grouping, name: str, settings: Settings
) -> list[Metric]:
    of_each: list[Metric] = []
    differences: list[Metric] = []
    for figure in figures:
        inside = np.array([grouping.of_exam[r.exam_id] == name for r in figure.rows])
        own, counts = figure.of(inside)
        own = replace(own, method=_joined(grouping.how, own.method))
        rest, _ = figure.of(~inside)
        n_shared = figure.n_shared(inside)
        correlation = _correlation(figure, inside, n_shared, settings)
        gap = less_rest(own, rest, settings.level, n_shared, correlation)
        for metric, estimate, kept in (
            (figure.metric, own, of_each),
            (figure.metric + LESS_REST, gap, differences),
        ):
            row = settings.metric(metric, figure.class_, estimate, counts)
            kept.append(replace(row, subset=name))
    return [*of_each, *differences]


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def _correlation(
    figure: PartFigure, inside: Mask, n_shared: int, settings: Settings
) -> float:
    """Of the figures inside and outside, over draws of patients; 0 without spread."""
    if not n_shared:
        return 0.0
    generator = np.random.default_rng([settings.seed, len(figure.rows), 2])
    weights = patient_weights(figure.strata, settings.spec.resamples, generator)
    both = np.stack([figure.drawn(mask, weights) for mask in (inside, ~inside)])
    both = both[:, np.isfinite(both).all(axis=0)]
    if both.shape[1] < 2 or not (np.ptp(both, axis=1) > 0).all():  # noqa: PLR2004
        return 0.0
    return float(np.asarray(np.corrcoef(both))[0, 1])


def less_rest(
    own: Estimate,
    rest: Estimate,
    level: float,
    n_shared: int = 0,
    correlation: float = 0.0,
) -> Estimate:
    """Subgroup less all other exams, from the intervals of both.

    Square-and-add (Newcombe 1998, Statistics in Medicine 17:873, method 10); for any
    two estimates, and correlated ones: Zou & Donner 2008, ibid. 27:1693.

    Args:
        own: Of the subgroup.
        rest: Of all other exams.
        level: Of both intervals.
        n_shared: Patients with exams in both; with any there is no p value.
        correlation: Of the two estimates.
    """
    value = None if None in {own.value, rest.value} else _gap(own.value, rest.value)
    if own.low is None or own.high is None:
        return not_estimable(value, "the subgroup has no interval", _AGAINST)
    if rest.low is None or rest.high is None or value is None:
        return not_estimable(value, "the other exams have no interval", _AGAINST)
    one, other = _gap(own.value, 0.0), _gap(rest.value, 0.0)
    low = value - _added(one - own.low, rest.high - other, correlation)
    high = value + _added(own.high - one, other - rest.low, correlation)
    p = None if n_shared else interaction_p(own, rest, level)
    said = _joined(
        f"{_AGAINST}; square-and-add of both intervals",
        f"{n_shared} patients have exams in both, correlation {correlation:.2f}"
        if n_shared
        else "",
        "" if p is None else f"interaction p = {p:.2g}",
        CONDITIONAL,
    )
    return Estimate(value, low, high, said)


def _added(one: float, other: float, correlation: float) -> float:
    return math.sqrt(max(one**2 + other**2 - 2 * correlation * one * other, 0.0))


_AGAINST = "subgroup less all other exams"


def _gap(one: float | None, other: float | None) -> float:
    return float(one or 0.0) - float(other or 0.0)


def interaction_p(own: Estimate, rest: Estimate, level: float) -> float | None:
    """Two-sided p that both are the same, by the difference of their logits.

    The intervals are symmetric on the logit scale, or nearly so (Jeffreys'), so their
    width gives the standard error. Those with Student's quantile give a larger one: p
    is rather too large.

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
