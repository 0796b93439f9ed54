"""Figures of subgroups, each beside its difference from all other exams."""

from collections.abc import Iterable
from dataclasses import dataclass

from voxray.core.records import ALL, LESS_REST, Metric
from voxray.core.wording import counted
from voxray.report.baselines import signed
from voxray.report.wording import NOT_ESTIMABLE

_MOST_NAMED = 4


@dataclass(frozen=True, slots=True)
class SubgroupRow:
    """One figure of one subgroup.

    Attributes:
        metric: Of the subgroup.
        difference: Less that of all exams outside it.
    """

    metric: Metric
    difference: Metric

    @property
    def differs(self) -> bool:
        """Whether the interval of the difference is without 0."""
        low, high = self.difference.low, self.difference.high
        return low is not None and high is not None and not low <= 0 <= high

    @property
    def why(self) -> str:
        """Why there is no interval; "" with one."""
        if self.metric.low is not None:
            return ""
        return self.metric.method.partition(f"{NOT_ESTIMABLE}: ")[2]


def subgroup_rows(metrics: Iterable[Metric]) -> tuple[SubgroupRow, ...]:
    """Every figure of every subgroup, in the order of the metrics."""
    of_parts = [metric for metric in metrics if metric.subset != ALL]
    gaps = {(m.subset, m.metric, m.class_): m for m in of_parts}
    return tuple(
        SubgroupRow(metric, gaps[key])
        for metric in of_parts
        if (key := (metric.subset, metric.metric + LESS_REST, metric.class_)) in gaps
    )


def subgroups_line(metrics: Iterable[Metric]) -> str:
    """One line: how many comparisons, and which stand out; "" without subgroups."""
    rows = subgroup_rows(metrics)
    if not rows:
        return ""
    differing = [row for row in rows if row.differs]
    line = f"Subgroups: {counted(len(rows), 'comparison')} with all other exams"
    n_open = sum(row.difference.low is None for row in rows)
    if n_open:
        line += f", {n_open} {NOT_ESTIMABLE}"
    if not differing:
        return f"{line}; no interval of a difference is without 0"
    named = [
        f"{row.metric.subset} {row.metric.metric} {signed(row.difference)}"
        for row in differing[:_MOST_NAMED]
    ]
    if left := len(differing) - len(named):
        named.append(f"{left} more")
    return f"{line}; without 0 in the interval: {', '.join(named)}"
