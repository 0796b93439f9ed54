"""Figures whose interval comes from drawing patients: one pass for all of them.

A metric is a function of exams and patient weights. With weights of one it gives the
value; with drawn weights it gives its spread.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voxray.evaluate.bootstrap import patient_strata, patient_weights
from voxray.evaluate.estimate import (
    CONDITIONAL,
    Estimate,
    Settings,
    not_estimable,
    too_few,
)
from voxray.evaluate.exams import ScoredExams
from voxray.evaluate.intervals import bounded_interval
from voxray.evaluate.proportions import Decisions

Array = NDArray[np.float64]

_BLOCK = 250  # draws at a time: 250 x 10,000 exams of float64 are 20 MB
_BOOTSTRAP = "patients drawn with replacement within fold, standard error on the"


@dataclass(frozen=True, slots=True, eq=False)
class JudgedExams:
    """One class against the rest: scores, truth, and what was decided."""

    exams: ScoredExams
    decisions: Decisions

    def per_patient(self, values: Array, n_patients: int) -> Array:
        """(patient, …) sums of a value per prediction, an exam's repeats sharing one.

        Args:
            values: (prediction, …).
            n_patients: At least the highest patient number and one.
        """
        weight = self.exams.exam_weight
        shared = values * weight.reshape(-1, *[1] * (values.ndim - 1))
        summed = np.zeros((n_patients, *values.shape[1:]))
        np.add.at(summed, self.exams.patient, shared)
        return summed


Statistic = Callable[[JudgedExams, Array], Array]
"""From exams and (draws, patients) weights to (draws,) values; NaN where undefined."""

Finish = Callable[[Sequence[JudgedExams], Settings, Estimate], Estimate]
"""Adds to a finished estimate what it must be read with."""


def unchanged(
    judged: Sequence[JudgedExams], settings: Settings, found: Estimate
) -> Estimate:
    """Nothing to add."""
    del judged, settings
    return found


@dataclass(frozen=True, slots=True)
class ResampledMetric:
    """A figure of one class against the rest.

    Attributes:
        name: In `evaluation.json`.
        statistic: What it is.
        how: The same in words.
        highest: Upper end of its range; infinity puts the interval on the log scale.
        lowest: Lower end of its range.
        decides: Whether it is about decisions, not scores.
        within_folds: Whether folds that hold out one class only do not count.
        finish: What else must be said.
    """

    name: str
    statistic: Statistic
    how: str
    highest: float = 1.0
    lowest: float = 0.0
    decides: bool = False
    within_folds: bool = False
    finish: Finish = unchanged


def estimate_resampled(
    metrics: Sequence[ResampledMetric],
    judged: Mapping[str, JudgedExams],
    whole: ScoredExams,
    settings: Settings,
) -> dict[str, list[Estimate]]:
    """Estimate every metric of every class, then their means over classes.

    Args:
        metrics: What to compute.
        judged: Per class; patients have the same numbers everywhere.
        whole: All predictions, which say in which fold a patient is.
        settings: Level, resamples, seed.

    Returns:
        Per metric name one estimate per class, and with several classes their mean.
    """
    draws = _draw(metrics, judged, whole, settings)
    everyone = np.ones((1, whole.n_patients))
    found: dict[str, list[Estimate]] = {}
    for metric in metrics:
        values = [float(metric.statistic(own, everyone)[0]) for own in judged.values()]
        spreads = [draws[metric.name, name] for name in judged]
        each = list(judged.values())
        found[metric.name] = [
            _estimate(metric, [own], value, spread, settings)
            for own, value, spread in zip(each, values, spreads, strict=True)
        ]
        if len(each) > 1:
            mean, spread = float(np.mean(values)), np.mean(spreads, axis=0)
            found[metric.name].append(_estimate(metric, each, mean, spread, settings))
    return found


def _draw(
    metrics: Sequence[ResampledMetric],
    judged: Mapping[str, JudgedExams],
    whole: ScoredExams,
    settings: Settings,
) -> dict[tuple[str, str], Array]:
    parts: dict[tuple[str, str], list[Array]] = defaultdict(list)
    asked = {name for name, own in judged.items() if not _lacking([own.exams])}
    for weights in _weight_blocks(whole, settings) if asked else ():
        for metric in metrics:
            for name in asked:
                parts[metric.name, name].append(metric.statistic(judged[name], weights))
    nothing = [np.full(settings.spec.resamples, np.nan)]
    return {
        (metric.name, name): np.concatenate(parts.get((metric.name, name), nothing))
        for metric in metrics
        for name in judged
    }


def _weight_blocks(whole: ScoredExams, settings: Settings) -> Iterator[Array]:
    """Patient weights of all resamples, never all in memory at once.

    Patients are drawn without regard to class: how often a class occurs is itself
    uncertain, and these figures depend on it.
    """
    strata = patient_strata(whole, np.zeros(whole.n_patients, dtype=np.intp))
    generator = np.random.default_rng([settings.seed, 2])
    left = settings.spec.resamples
    while left > 0:
        yield patient_weights(strata, min(_BLOCK, left), generator)
        left -= _BLOCK


def _estimate(
    metric: ResampledMetric,
    judged: Sequence[JudgedExams],
    value: float,
    draws: Array,
    settings: Settings,
) -> Estimate:
    how = _how(metric, judged)
    exams = [own.exams for own in judged]
    counted = [e.in_usable_folds() for e in exams] if metric.within_folds else exams
    why = _lacking(counted)
    if np.isnan(value):
        lacks = None if metric.within_folds else why
        return not_estimable(None, lacks or _undefined(metric, judged), how)
    if why:
        return not_estimable(value, why, how)
    error = float(np.nanstd(draws, ddof=1))
    bounds = (metric.lowest, metric.highest)
    ends = bounded_interval(value, error, bounds, settings.level)
    if ends is None:
        return not_estimable(value, "no spread is seen", how)
    scale = "log scale" if np.isinf(metric.highest) else "logit scale of its range"
    said = f"{how}; {_BOOTSTRAP} {scale}; {CONDITIONAL}"
    found = Estimate(value, *ends, said, settings.spec.resamples)
    return metric.finish(judged, settings, found)


def _how(metric: ResampledMetric, judged: Sequence[JudgedExams]) -> str:
    how = f"{judged[0].decisions.how}; {metric.how}" if metric.decides else metric.how
    return how if len(judged) == 1 else f"mean over {len(judged)} classes; {how}"


def _undefined(metric: ResampledMetric, judged: Sequence[JudgedExams]) -> str:
    if not metric.decides:
        return "no fold holds out both classes"
    if all(own.decisions.decided.any() for own in judged):
        return "every exam is decided alike"
    return "no exam could be decided without its own fold"


def _lacking(per_class: Sequence[ScoredExams]) -> str | None:
    for exams in per_class:
        if why := too_few(exams.n_positive, exams.n_negative):
            return why if len(per_class) == 1 else f"a class has {why}"
    return None
