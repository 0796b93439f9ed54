"""Forest plot: figures of parts of the exams side by side, beside that of all."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from voxray.core.records import ALL, NETWORK, Metric
from voxray.report.canvas import (
    BLUE,
    GREY,
    INK,
    SMALL_PT,
    figure,
    light_grid,
    plain,
    to_png,
    write_note,
)
from voxray.report.design_parts import part_name, part_rows
from voxray.report.subgroups import subgroup_rows
from voxray.report.wording import NOT_ESTIMABLE, metric_name

_MOST_PANELS = 6
_ROW_IN, _PANEL_IN, _NAMES_IN, _EDGES_IN = 0.28, 2.2, 2.4, 1.5
_SHORT = {"auc": "AUC"}
_ALL_KEY = "- - all exams, with interval"
_DIFFERS_KEY = "    ◆ difference from all others without 0    ○ other"
_Kind = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Mark:
    """A figure of one part, and whether it stands out."""

    metric: Metric
    filled: bool = False


def draw_subgroups(metrics: Sequence[Metric], note: str = "") -> bytes:
    """Draw each figure of each subgroup with its interval.

    A filled mark says that the interval of the difference from all other exams is
    without 0; it does not rely on colour.

    Args:
        metrics: Of subgroups, and those of all exams; the first six figures are drawn.
        note: Written below the figure.

    Returns:
        PNG.
    """
    marks = [_Mark(row.metric, row.differs) for row in subgroup_rows(metrics)]
    return _draw(marks, metrics, _ALL_KEY + _DIFFERS_KEY, note)


def draw_parts(metrics: Sequence[Metric], note: str = "") -> bytes:
    """Draw each figure of each repeat of the split, or of each value left out.

    Args:
        metrics: Of these parts, and those of all exams; the first six figures are
            drawn.
        note: Written below the figure.

    Returns:
        PNG.
    """
    marks = [_Mark(metric) for metric in part_rows(metrics)]
    return _draw(marks, metrics, _ALL_KEY, note)


def _draw(
    rows: Sequence[_Mark], metrics: Sequence[Metric], key: str, note: str
) -> bytes:
    """The dashed line is the figure of all exams, the grey band its interval."""
    names = list(dict.fromkeys(row.metric.subset for row in rows))
    kinds = list(dict.fromkeys(_kind(row.metric) for row in rows))[:_MOST_PANELS]
    width_in = _NAMES_IN + _PANEL_IN * max(len(kinds), 1)
    height_in = _EDGES_IN + _ROW_IN * max(len(names), 1)
    with figure(width_in, height_in) as made:
        for place, kind in enumerate(kinds):
            left = (_NAMES_IN + _PANEL_IN * place) / width_in
            bottom, tall = 0.8 / height_in, 1 - _EDGES_IN / height_in
            axes = made.add_axes((left, bottom, 0.86 * _PANEL_IN / width_in, tall))
            own = {r.metric.subset: r for r in rows if _kind(r.metric) == kind}
            _draw_panel(axes, kind, [own.get(name) for name in names])
            _draw_all(axes, metrics, kind)
            labels = [_label(name, rows) for name in names] if place == 0 else []
            axes.set_yticks(range(len(names)), labels or [""] * len(names))
        made.text(0.02, 0.34 / height_in, key, fontsize=SMALL_PT)
        write_note(made, note)
        return to_png(made)


def _kind(metric: Metric) -> _Kind:
    return metric.metric, metric.class_


def _label(name: str, rows: Sequence[_Mark]) -> str:
    own = [row.metric for row in rows if row.metric.subset == name]
    n = max(metric.n_patients for metric in own)
    return f"{plain(part_name(own[0]))} (n = {n})"


def _draw_panel(axes: Axes, kind: _Kind, rows: Sequence[_Mark | None]) -> None:
    light_grid(axes)
    for height, row in enumerate(rows):
        if row is not None:
            _draw_row(axes, height, row)
    metric, class_ = kind
    name = _SHORT.get(metric, metric_name(metric))
    axes.set_title(plain(f"{name}\n{class_}"))
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)


def _draw_row(axes: Axes, height: int, row: _Mark) -> None:
    metric = row.metric
    if metric.value is None or metric.low is None or metric.high is None:
        axes.text(
            0.02,
            height,
            NOT_ESTIMABLE,
            transform=axes.get_yaxis_transform(),
            va="center",
            fontsize=SMALL_PT,
            color=INK,
        )
        return
    value = metric.value
    lengths = [[max(value - metric.low, 0)], [max(metric.high - value, 0)]]
    axes.errorbar(
        [value],
        [height],
        xerr=lengths,
        color=BLUE,
        marker="D" if row.filled else "o",
        mfc=BLUE if row.filled else "white",
        capsize=3,
        lw=1.4,
        ms=6,
    )


def _draw_all(axes: Axes, metrics: Sequence[Metric], kind: _Kind) -> None:
    for metric in metrics:
        is_it = metric.model == NETWORK and metric.subset == ALL
        if not is_it or _kind(metric) != kind or metric.value is None:
            continue
        axes.axvline(metric.value, color=INK, lw=1, ls="--", zorder=0)
        if metric.low is not None and metric.high is not None:
            axes.axvspan(metric.low, metric.high, color=GREY, alpha=0.2, lw=0, zorder=0)
