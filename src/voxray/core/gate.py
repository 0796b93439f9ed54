"""Whether a model may become champion: each rule of the policy, and what was found."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from voxray.core.comparison import Answer, ComparedFigure
from voxray.core.records import (
    ALL,
    DECIDED_NETWORK,
    LESS_REST,
    NETWORK,
    REGISTERED,
    Metric,
)
from voxray.core.specs.gate import (
    CalibrationRule,
    CompareRule,
    ModelGate,
    SubgroupFloor,
)

_MOST_WORDS = 200
_NEAREST = (REGISTERED, DECIDED_NETWORK, NETWORK)
"""`Metric.model`, that of the registered ensemble with its decision first."""


@dataclass(frozen=True, slots=True)
class Check:
    """One rule.

    Attributes:
        rule: Key of the policy, e.g. "compare", or "audit".
        asked: In words.
        found: In words, with numbers.
        passed: None when it says something and decides nothing.
    """

    rule: str
    asked: str
    found: str
    passed: bool | None


def reasons(checks: Sequence[Check]) -> list[str]:
    """What speaks against it; empty when nothing does."""
    against = (check for check in checks if check.passed is False)
    return [f"{c.rule}: {c.found}; asked: {c.asked}" for c in against]


def figure_checks(gate: ModelGate, values: Mapping[str, float]) -> Iterator[Check]:
    """Least lower and greatest upper interval ends.

    Args:
        gate: The policy.
        values: By name as in MLflow: `auc`, `auc_low`, `auc_high` …
    """
    for metric, least in gate.minimum_low.items():
        low = values.get(f"{metric}_low")
        yield _bounded("minimum_low", metric, ("lower", low), least, (low, least))
    for metric, most in gate.maximum_high.items():
        high = values.get(f"{metric}_high")
        yield _bounded("maximum_high", metric, ("upper", high), most, (most, high))


def _bounded(
    rule: str,
    metric: str,
    end: tuple[str, float | None],
    asked: float | None,
    order: tuple[float | None, float | None],
) -> Check:
    """`order` is what must be the larger, then what must be the smaller."""
    which, found = end
    key = f"{rule}.{metric}"
    if asked is None:
        return Check(
            key, "a figure", f"{key} is not set in the gate policy", passed=False
        )
    larger, smaller = order
    side = "at least" if which == "lower" else "at most"
    said = f"{which} end of {metric} {side} {asked:g}"
    if found is None or larger is None or smaller is None:
        return Check(key, said, f"no {which} interval end of {metric}", passed=False)
    return Check(key, said, f"{found:.3f}", passed=larger >= smaller)


def calibration_checks(
    rule: CalibrationRule, metrics: Sequence[Metric]
) -> Iterator[Check]:
    """Slope, intercept, expected calibration error, Brier score, of every class.

    Out of fold there are figures before and after calibration: those count that are
    nearest to what is registered.
    """
    bounds = {
        "calibration_slope": ("slope", rule.slope),
        "calibration_intercept": ("intercept", rule.intercept),
        "ece": ("ece", (None, rule.ece) if rule.ece else None),
        "brier": ("brier", (None, rule.brier) if rule.brier else None),
    }
    if all(limits is None for _, limits in bounds.values()):
        yield Check("calibration", "nothing", "the policy sets no bound", passed=None)
    for metric, (key, limits) in bounds.items():
        if limits is None:
            continue
        rows = [m for m in metrics if m.metric == metric and m.subset == ALL]
        whose = next((n for n in _NEAREST if any(m.model == n for m in rows)), NETWORK)
        rows = [m for m in rows if m.model == whose]
        for row in rows:
            yield _within(f"calibration.{key}", row, *limits)
        if not rows:
            asked, found = _range(*limits), f"the model has no {metric}"
            yield Check(f"calibration.{key}", asked, found, passed=False)


def _within(
    rule: str, row: Metric, lowest: float | None, highest: float | None
) -> Check:
    name = f"{rule} {row.class_}".strip()
    asked = _range(lowest, highest)
    if row.low is None or row.high is None:
        return Check(name, asked, _shortened(row), passed=False)
    inside = (lowest is None or row.low >= lowest) and (
        highest is None or row.high <= highest
    )
    return Check(name, asked, _estimate(row), passed=inside)


def _range(lowest: float | None, highest: float | None) -> str:
    if lowest is None:
        return f"interval below {highest:g}"
    return f"interval within {lowest:g} to {highest:g}"


def subgroup_checks(
    floors: Sequence[SubgroupFloor], metrics: Sequence[Metric]
) -> Iterator[Check]:
    """Floors in every subgroup that has enough patients."""
    for floor in floors:
        column = floor.column if isinstance(floor.column, str) else floor.column.column
        rows = [m for m in metrics if m.metric == floor.metric and _of(m, column)]
        asked = f"lower end of {floor.metric} at least {floor.minimum_low:g}"
        if not rows:
            found = f"no subgroup of {column!r} on the locked set"
            yield Check(f"subgroups.{column}", asked, found, passed=False)
        for row in rows:
            yield _floor(row, floor, asked)


def _of(metric: Metric, column: str) -> bool:
    """Whether a figure is of a part of this column; parts are named with it."""
    if metric.subset == ALL or metric.metric.endswith(LESS_REST):
        return False
    name = re.escape(column)
    between = rf"[-+.e\d]+<={name}<[-+.e\d]+"
    return bool(re.fullmatch(rf"{name}(=|<|>=).*|{between}", metric.subset))


def _floor(row: Metric, floor: SubgroupFloor, asked: str) -> Check:
    rule = f"subgroups.{row.subset}"
    rule = f"{rule} {row.class_}".strip()
    if row.n_patients < floor.least_patients:
        found = (
            f"{row.n_patients} patients, fewer than {floor.least_patients}: not judged"
        )
        return Check(rule, asked, found, passed=None)
    if row.low is None:
        return Check(rule, asked, _shortened(row), passed=False)
    return Check(rule, asked, _estimate(row), passed=row.low >= floor.minimum_low)


def compare_checks(
    rule: CompareRule, figures: Sequence[ComparedFigure]
) -> Iterator[Check]:
    """Every headline must hold: all of them together need no further correction."""
    least = rule.margin if rule.goal == "superior" else -rule.margin
    asked = f"{rule.goal}: lower end of the paired difference above {least:g}"
    for figure in figures:
        if not figure.headline:
            continue
        gap = figure.difference
        name = f"compare.{figure.first.metric} {gap.class_}".strip()
        if figure.answer is Answer.SAME:
            found = "the same for every exam"
            yield Check(name, asked, found, passed=rule.goal == "non-inferior")
            continue
        if gap.low is None:
            yield Check(name, asked, _shortened(gap), passed=False)
            continue
        found = (
            f"{_number(figure.first.value)} against {_number(figure.second.value)}, "
            f"difference {_estimate(gap)}"
        )
        yield Check(name, asked, found, passed=gap.low > least)


def _number(value: float | None) -> str:
    return "not estimable" if value is None else f"{value:.3f}"


def _estimate(row: Metric) -> str:
    low, high = _number(row.low), _number(row.high)
    return f"{_number(row.value)} ({row.level:.2%} interval {low} to {high})"


def _shortened(row: Metric) -> str:
    """Why there is no interval: the end of the method says it."""
    _, _, why = row.method.rpartition("not estimable: ")
    return f"{_number(row.value)}, no interval: {why}"[:_MOST_WORDS]
