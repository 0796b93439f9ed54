"""Figures of the evidence: Dice per class, training curves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from voxray.core.records import Metric
from voxray.report.canvas import (
    BLUE,
    INK,
    LINE_COLOURS,
    LINE_STYLES,
    ORANGE,
    SMALL_PT,
    figure,
    light_grid,
    plain,
    to_png,
    write_note,
)
from voxray.report.wording import estimate, percent

_GOLDEN = 0.6180339887498949
_MOST_NAMED = 15  # lines in a legend
_NARROW = 5  # classes that fit side by side without turning their names


@dataclass(frozen=True, slots=True)
class FoldHistory:
    """What one fold's training saw, one entry per epoch.

    Attributes:
        epochs: Counted from 1.
        loss: Training loss.
        score: Validation score; None where it was not measured.
        repeat: Of the split.
    """

    fold: int
    epochs: Sequence[int]
    loss: Sequence[float]
    score: Sequence[float | None]
    repeat: int = 0

    @property
    def name(self) -> str:
        """For the legend; the first repeat needs no saying."""
        after = f", repeat {self.repeat}" if self.repeat else ""
        return f"fold {self.fold}{after}"


def draw_dice(
    values_by_class: Mapping[str, Sequence[float]],
    metrics: Sequence[Metric] = (),
    note: str = "",
) -> bytes:
    """Draw every exam's Dice, the quartiles, and the mean with its interval.

    Args:
        values_by_class: Dice per structure, one value per exam where it is defined.
        metrics: Those named "dice" give the mean and interval of their class.
        note: Written below the figure.

    Returns:
        PNG.
    """
    names = list(values_by_class)
    means = {m.class_: m for m in metrics if m.metric == "dice"}
    with figure(max(4.6, 1.2 + 2.3 * len(names)), 4.6) as made:
        axes = made.add_axes((0.14, 0.21, 0.83, 0.71))
        light_grid(axes)
        for place, name in enumerate(names):
            _draw_class(axes, place, np.asarray(values_by_class[name], dtype=float))
            _draw_mean(axes, place, means.get(name))
        turned = 0 if len(names) <= _NARROW else 30
        axes.set_xticks(range(len(names)), [_tick(n, values_by_class) for n in names])
        axes.tick_params(axis="x", rotation=turned, length=0)
        axes.set(ylim=(-0.03, 1.03), xlim=(-0.6, max(len(names), 1) - 0.4))
        axes.set_ylabel("Dice of held-out patients")
        axes.set_title(_dice_title(metrics))
        write_note(made, note)
        return to_png(made)


def _dice_title(metrics: Sequence[Metric]) -> str:
    levels = [percent(m.level) for m in metrics if m.metric == "dice"]
    mean = f"    ◆ mean, {levels[0]} interval" if levels else ""
    return f"○ exam    box: quartiles{mean}"


def _tick(name: str, values_by_class: Mapping[str, Sequence[float]]) -> str:
    return f"{plain(name)}\nn = {len(values_by_class[name])} exams"


def _draw_class(axes: Axes, place: int, values: NDArray[np.float64]) -> None:
    values = np.sort(values[np.isfinite(values)])
    if not len(values):
        return
    spread = (np.arange(len(values)) * _GOLDEN) % 1 - 0.5  # even, and no random draw
    axes.scatter(
        place - 0.16 + 0.3 * spread,
        values,
        s=14,
        facecolors="none",
        edgecolors=BLUE,
        linewidths=0.7,
        alpha=0.8,
    )
    axes.boxplot(
        values,
        positions=[place - 0.16],
        widths=0.42,
        showfliers=False,
        manage_ticks=False,
        medianprops={"color": INK, "lw": 1.4},
        boxprops={"color": INK, "lw": 1},
        whiskerprops={"color": INK, "lw": 1},
        capprops={"color": INK, "lw": 1},
    )


def _draw_mean(axes: Axes, place: int, metric: Metric | None) -> None:
    if metric is None or metric.value is None:
        return
    x, value = place + 0.2, metric.value
    if metric.low is not None and metric.high is not None:
        lengths = [[max(value - metric.low, 0)], [max(metric.high - value, 0)]]
        axes.errorbar([x], [value], yerr=lengths, color=INK, capsize=6, lw=1.4)
    axes.plot([x], [value], "D", color=ORANGE, mec=INK, ms=5, zorder=4)
    axes.annotate(
        estimate(metric).replace(" ", "\n", 1),
        (x, value),
        xytext=(9, 0),
        textcoords="offset points",
        va="center",
        fontsize=SMALL_PT,
    )


def draw_training(
    histories: Sequence[FoldHistory],
    score_name: str = "validation score",
    note: str = "",
) -> bytes:
    """Draw loss and validation score against epochs, one line per fold.

    The legend names the first 15.

    Args:
        histories: One per fold.
        score_name: What the validation score is, for the axis.
        note: Written below the figure.

    Returns:
        PNG.
    """
    with figure(9.0, 4.0) as made:
        width = 0.32 if any(history.repeat for history in histories) else 0.36
        left = made.add_axes((0.08, 0.18, width, 0.77))
        right = made.add_axes((0.17 + width, 0.18, width, 0.77))
        for axes, label in ((left, "training loss"), (right, plain(score_name))):
            light_grid(axes)
            axes.set(xlabel="epoch", ylabel=label)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        for place, history in enumerate(histories):
            _draw_history(left, right, place, history)
        if histories:
            right.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        write_note(made, note)
        return to_png(made)


def _draw_history(left: Axes, right: Axes, place: int, history: FoldHistory) -> None:
    colour = LINE_COLOURS[place % len(LINE_COLOURS)]
    style = LINE_STYLES[place % len(LINE_STYLES)]
    left.plot(history.epochs, history.loss, color=colour, ls=style, lw=1.4)
    pairs = zip(history.epochs, history.score, strict=True)
    measured = [(epoch, score) for epoch, score in pairs if score is not None]
    right.plot(
        [epoch for epoch, _ in measured],
        [score for _, score in measured],
        color=colour,
        ls=style,
        lw=1.4,
        marker="o" if len(measured) < 3 else "",  # noqa: PLR2004
        label=history.name if place < _MOST_NAMED else None,
    )
