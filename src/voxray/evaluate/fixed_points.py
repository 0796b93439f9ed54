"""Sensitivity where specificity is kept at a value, and the reverse."""

from collections.abc import Iterator
from typing import Literal

from voxray.core.records import Metric
from voxray.core.specs import OperatingPointSpec
from voxray.evaluate.estimate import Counts, Estimate, Settings
from voxray.evaluate.exams import ScoredExams
from voxray.evaluate.proportions import decide_by_threshold, estimate_share

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
    return estimate_share(exams, right, used, settings, how), exams.counts_of(used)
