"""Figures of the evidence: ROC curves, Dice per class, training curves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from voxray.core.records import Metric
from voxray.core.wording import counted
from voxray.report.canvas import (
    BLUE,
    GREY,
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
_NARROW = 5  # classes that fit side by side without turning their names


@dataclass(frozen=True, slots=True, eq=False)
class RocCurve:
    """ROC curve of one fold's held-out exams.

    Attributes:
        fold: Held-out part.
        fpr: False positive rate, ascending from 0 to 1.
        tpr: True positive rate at each `fpr`.
    """

    fold: int
    fpr: NDArray[np.float64]
    tpr: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RocPoint:
    """Where the operating point lies on the curve.

    Attributes:
        wording: What it was chosen for, e.g. "sensitivity at least 0.95".
    """

    sensitivity: float
    specificity: float
    wording: str


@dataclass(frozen=True, slots=True)
class FoldHistory:
    """What one fold's training saw, one entry per epoch.

    Attributes:
        epochs: Counted from 1.
        loss: Training loss.
        score: Validation score; None where it was not measured.
    """

    fold: int
    epochs: Sequence[int]
    loss: Sequence[float]
    score: Sequence[float | None]


def draw_roc(
    curves: Sequence[RocCurve],
    auc: Metric | None,
    point: RocPoint | None = None,
    note: str = "",
) -> bytes:
    """Draw the curve of each fold, their mean, chance, and the operating point.

    Args:
        curves: One per fold; a fold with one class only is left out by the caller.
        auc: Its estimate and interval stand in the title.
        point: Marked on the plot when given.
        note: Written below the figure.

    Returns:
        PNG.
    """
    with figure(5.6, 6.2) as made:
        axes = made.add_axes((0.13, 0.15, 0.84, 0.84 * 5.6 / 6.2))
        light_grid(axes)
        axes.plot([0, 1], [0, 1], color=GREY, lw=1, ls=":", label="chance")
        _draw_folds(axes, curves)
        if point is not None:
            _draw_point(axes, point)
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
        axes.set_xlabel("1 - specificity (false positive rate)")
        axes.set_ylabel("sensitivity (true positive rate)")
        axes.set_title(_auc_title(auc))
        axes.legend(loc="lower right")
        write_note(made, note)
        return to_png(made)


def _auc_title(auc: Metric | None) -> str:
    if auc is None:
        return "ROC of held-out patients"
    patients = counted(auc.n_patients, "patient")
    level = percent(auc.level)
    return f"AUC {estimate(auc)}\n{level} interval, {patients}"


def _draw_folds(axes: Axes, curves: Sequence[RocCurve]) -> None:
    for curve in curves:
        fpr = np.concatenate([[0.0], curve.fpr, [1.0]])
        tpr = np.concatenate([[0.0], curve.tpr, [1.0]])
        label = f"each of {len(curves)} folds" if curve is curves[0] else None
        axes.plot(fpr, tpr, color=GREY, lw=0.8, label=label)
    if len(curves) > 1:
        fpr, tpr = mean_curve(curves)
        axes.plot(fpr, tpr, color=BLUE, lw=2.2, label="mean of folds")


def mean_curve(
    curves: Sequence[RocCurve],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Average the true positive rate of several curves at equal false positive rates.

    Returns:
        201 false positive rates from 0 to 1, and the mean true positive rates.
    """
    grid = np.linspace(0, 1, 201)
    heights = [np.interp(grid, curve.fpr, curve.tpr) for curve in curves]
    mean = np.mean(heights, axis=0)
    return np.concatenate([[0.0], grid]), np.concatenate([[0.0], mean])


def _draw_point(axes: Axes, point: RocPoint) -> None:
    axes.plot(
        [1 - point.specificity],
        [point.sensitivity],
        marker="D",
        ms=8,
        ls="none",
        color=ORANGE,
        mec=INK,
        label=plain(f"operating point: {point.wording}"),
    )


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

    Args:
        histories: One per fold.
        score_name: What the validation score is, for the axis.
        note: Written below the figure.

    Returns:
        PNG.
    """
    with figure(9.0, 4.0) as made:
        left = made.add_axes((0.08, 0.18, 0.36, 0.77))
        right = made.add_axes((0.53, 0.18, 0.36, 0.77))
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
        label=f"fold {history.fold}",
    )
