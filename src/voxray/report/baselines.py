"""The network against what anyone could have done, in words."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from voxray.core.records import NETWORK, Metric
from voxray.report.wording import NOT_ESTIMABLE

_SHORTEST_REACH = 0.05
_DIFFERENCE = "_difference"
_PREFIX = "baseline:"
_NAMES = {
    "extent": "the scan's extent",
    "size": "the scan's size",
    "intensity": "grey values",
    "size+intensity": "size and grey values",
    "columns": "all columns",
    "columns+network": "columns and the network",
    "blanked": "blanked images",
    "threshold": "a grey-value threshold",
    "mean_mask": "the mean training mask",
}


class Verdict(StrEnum):
    """What the interval of a difference says."""

    BEATS = "beats"
    NOT_SHOWN = "not shown to beat"
    WORSE = "worse than"
    UNKNOWN = "not comparable with"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One row of the table of baselines.

    Attributes:
        name: Of the baseline, for a person.
        what: How it predicts.
        metric: Its AUC or Dice.
        difference: The network less it; of `adds` it less the columns alone.
        verdict: Of the interval of the difference.
        adds: Whether the network's score was added to columns.
        whose: Structure, or one of several labels, that it is about; else "".
    """

    name: str
    what: str
    metric: Metric
    difference: Metric
    verdict: Verdict
    adds: bool
    whose: str

    @property
    def title(self) -> str:
        """The name at the head of a row; a column keeps its own spelling."""
        known = self.name in _NAMES.values()
        return self.name[:1].upper() + self.name[1:] if known else self.name

    @property
    def chip(self) -> str:
        """The verdict in a word or two."""
        return (_CHIPS_ADDED if self.adds else _CHIPS)[self.verdict]

    @property
    def sentence(self) -> str:
        """Whether the network was worth it, in one plain sentence."""
        said = _ADDED[self.verdict] if self.adds else self._against()
        return f"For {self.whose}: {said[:1].lower()}{said[1:]}" if self.whose else said

    def _against(self) -> str:
        if self.verdict is Verdict.UNKNOWN:
            return f"Whether the network beats {self.name} cannot be said."
        verb = "beats" if self.verdict is Verdict.BEATS else f"is {self.verdict}"
        return f"The network {verb} {self.name}."


_CHIPS = {
    Verdict.BEATS: "network is better",
    Verdict.NOT_SHOWN: "not shown to be better",
    Verdict.WORSE: "network is worse",
    Verdict.UNKNOWN: "cannot be said",
}
_CHIPS_ADDED = {
    Verdict.BEATS: "network adds",
    Verdict.NOT_SHOWN: "not shown to add",
    Verdict.WORSE: "network takes away",
    Verdict.UNKNOWN: "cannot be said",
}
_ADDED = {
    Verdict.BEATS: "The network's score adds to what the columns say.",
    Verdict.NOT_SHOWN: "The network's score is not shown to add to the columns.",
    Verdict.WORSE: "With the network's score the columns say less.",
    Verdict.UNKNOWN: "Whether the network's score adds to the columns cannot be said.",
}


def comparisons(metrics: Iterable[Metric]) -> tuple[Comparison, ...]:
    """Every baseline with its difference, in the order of the metrics."""
    others = [metric for metric in metrics if metric.model != NETWORK]
    gaps = {
        (m.model, m.class_, m.metric.removesuffix(_DIFFERENCE)): m
        for m in others
        if m.metric.endswith(_DIFFERENCE)
    }
    of_class = {metric.class_ for metric in others if metric.metric == "auc"}
    return tuple(
        _comparison(metric, gaps[key], len(of_class) > 1)
        for metric in others
        if (key := (metric.model, metric.class_, metric.metric)) in gaps
    )


def _comparison(metric: Metric, gap: Metric, several: bool) -> Comparison:  # noqa: FBT001 - private
    own = metric.model.removeprefix(_PREFIX)
    names_it = several or metric.metric == "dice"
    return Comparison(
        name=_NAMES.get(own, own),
        what=metric.method.split("; ")[0],
        metric=metric,
        difference=gap,
        verdict=verdict(gap),
        adds=not metric.model.startswith(_PREFIX),
        whose=metric.class_ if names_it else "",
    )


def verdict(difference: Metric) -> Verdict:
    """What the interval of a difference says: nothing when it holds 0."""
    if difference.low is None or difference.high is None:
        return Verdict.UNKNOWN
    if difference.low > 0:
        return Verdict.BEATS
    return Verdict.WORSE if difference.high < 0 else Verdict.NOT_SHOWN


def baselines_line(metrics: Iterable[Metric]) -> str:
    """One line: which baselines the network beats, and which not; "" without any."""
    rows = comparisons(metrics)
    parts = [_listed(kind, [r for r in rows if not r.adds]) for kind in Verdict]
    added = [row for row in rows if row.adds]
    parts += [
        f"columns with the network{f' ({row.whose})' if row.whose else ''} "
        f"{signed(row.difference)} over the columns alone"
        for row in added
    ]
    return "; ".join(part for part in parts if part)


def _listed(kind: Verdict, rows: Sequence[Comparison]) -> str:
    named: dict[str, list[str]] = {}
    for row in rows:
        if row.verdict is kind:
            named.setdefault(row.name, []).append(row.difference.class_)
    several = len({row.difference.class_ for row in rows}) > 1
    words = [f"{n} ({', '.join(c)})" if several else n for n, c in named.items()]
    return f"{kind} {', '.join(words)}" if words else ""


def signed(difference: Metric) -> str:
    """A difference with its sign and interval.

    Example:
        ``+0.013 [-0.004, +0.030]``
    """
    if difference.value is None:
        return NOT_ESTIMABLE
    if difference.low is None or difference.high is None:
        return f"{difference.value:+.3f} [interval {NOT_ESTIMABLE}]"
    return f"{difference.value:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}]"


def reach(differences: Iterable[Metric]) -> float:
    """How far from 0 any interval goes: the scale that all are drawn on."""
    ends = [
        abs(e) for d in differences for e in (d.low, d.value, d.high) if e is not None
    ]
    return max([_SHORTEST_REACH, *ends])


def place(value: float, scale: float) -> str:
    """Where a difference is on an axis from -scale to scale, as CSS.

    Example:
        >>> place(0, 0.2), place(0.1, 0.2)
        ('50.0%', '75.0%')
    """
    return f"{50 + 50 * value / scale:.1f}%"
