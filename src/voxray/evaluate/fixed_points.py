"""Sensitivity where specificity is kept at a value, and the reverse."""

from collections.abc import Iterator
from typing import Literal

import numpy as np

from voxray.core.records import Metric
from voxray.core.specs import OperatingPointSpec
from voxray.evaluate.estimate import CONDITIONAL, Counts, Estimate, Settings
from voxray.evaluate.exams import ScoredExams
from voxray.evaluate.intervals import bounded_interval
from voxray.evaluate.proportions import decide_by_threshold, estimate_share
from voxray.evaluate.threshold import crossfit_decisions

_DRAWS = 400
_Side = Literal["sensitivity", "specificity"]


def fixed_point_metrics(
    class_: str, exams: ScoredExams, settings: Settings
) -> list[Metric]:
    """One row per value of `evaluate.fixed_specificity` and `fixed_sensitivity`.

    The threshold of each fold is chosen on the other folds, so that the other side is
    kept only about; what it came to is said in the method.
    """
    rows = []
    for point in _points(settings):
        asked: _Side = "sensitivity" if point.metric == "specificity" else "specificity"
        name = f"{asked}_at_{point.metric}_{point.at_least:g}"
        found, counts = _estimate(exams, point, asked, settings)
        rows.append(settings.metric(name, class_, found, counts))
    return rows


def _points(settings: Settings) -> Iterator[OperatingPointSpec]:
    for value in settings.spec.fixed_specificity:
        yield OperatingPointSpec(metric="specificity", at_least=value)
    for value in settings.spec.fixed_sensitivity:
        yield OperatingPointSpec(metric="sensitivity", at_least=value)


def _estimate(
    exams: ScoredExams, point: OperatingPointSpec, asked: _Side, settings: Settings
) -> tuple[Estimate, Counts]:
    decisions = decide_by_threshold(exams, point)
    own = exams.positive if asked == "sensitivity" else ~exams.positive
    right = decisions.flagged == exams.positive
    kept = right[~own & decisions.decided]
    how = decisions.how
    if len(kept):
        how += f", which gives {point.metric} {kept.mean():.3f} there"
    used = own & decisions.decided
    found = estimate_share(exams, right, used, settings, how)
    if found.value is not None and found.low is not None:
        found = _with_choice(found, exams, point, asked, settings, how)
    return found, exams.counts_of(used)


def _with_choice(
    found: Estimate,
    exams: ScoredExams,
    point: OperatingPointSpec,
    asked: _Side,
    settings: Settings,
    how: str,
) -> Estimate:
    """With the interval that holds the chance in choosing thresholds too.

    Patients are drawn with replacement within fold, and the thresholds chosen anew on
    each draw. Where no spread is seen the interval stays that of the share.
    """
    generator = np.random.default_rng([settings.seed, 5])
    rates = []
    for _ in range(_DRAWS):
        drawn = exams.drawn(generator)
        flagged, decided = crossfit_decisions(drawn, point)
        own = decided & (drawn.positive == (asked == "sensitivity"))
        right = flagged[own] == drawn.positive[own]
        if len(right):
            rates.append(np.average(right, weights=drawn.exam_weight[own]))
    error = float(np.std(rates, ddof=1)) if len(rates) > 1 else 0.0
    value = float(found.value or 0.0)
    ends = bounded_interval(value, error, (0.0, 1.0), settings.level)
    if ends is None:
        return found
    said = (
        f"{how}; patients drawn with replacement within fold and thresholds chosen "
        f"anew, standard error on the logit scale; {CONDITIONAL}"
    )
    return Estimate(value, *ends, said, _DRAWS)
