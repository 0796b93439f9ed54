"""Figures of repeats of the split, and of values that were left out, in words."""

from collections.abc import Iterable

from voxray.core.records import LEFT_OUT, NETWORK, REPEAT, Metric
from voxray.core.wording import counted
from voxray.report.wording import estimate

_HEADLINE = {"auc", "dice"}
_MOST_NAMED = 6
_REPEATS = "Repeats of the split"
_VALUES = "One value left out at a time"


def part_rows(metrics: Iterable[Metric]) -> tuple[Metric, ...]:
    """Figures of the network of each repeat or value, in the order of the metrics."""
    return tuple(
        metric
        for metric in metrics
        if metric.model == NETWORK and metric.subset.startswith((REPEAT, LEFT_OUT))
    )


def parts_title(rows: Iterable[Metric]) -> str:
    """Heading of their table."""
    return _REPEATS if any(m.subset.startswith(REPEAT) for m in rows) else _VALUES


def part_name(metric: Metric) -> str:
    """The part as a person says it, e.g. "site=A" or "repeat 0"."""
    return metric.subset.removeprefix(LEFT_OUT)


def parts_line(metrics: Iterable[Metric]) -> str:
    """One line with the headline figures of each part; "" without parts."""
    rows = part_rows(metrics)
    kinds = dict.fromkeys((m.metric, m.class_) for m in rows if m.metric in _HEADLINE)
    said = [
        f"{' '.join(kind).strip()}: {_each([m for m in rows if _kind(m) == kind])}"
        for kind in kinds
    ]
    return f"{parts_title(rows)}. {'; '.join(said)}" if said else ""


def _kind(metric: Metric) -> tuple[str, str]:
    return metric.metric, metric.class_


def _each(rows: list[Metric]) -> str:
    named = [f"{part_name(row)} {estimate(row)}" for row in rows[:_MOST_NAMED]]
    left = len(rows) - len(named)
    return ", ".join([*named, *([f"and {counted(left, 'more part')}"] if left else [])])
