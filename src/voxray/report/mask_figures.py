"""Figures of masks: volumes against each other, and lesions found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
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
from voxray.report.wording import number, percent

_COLUMNS = 3
_MARKERS = "osD^v"
_AT = "froc_sensitivity_at_"


@dataclass(frozen=True, slots=True, eq=False)
class VolumePairs:
    """Drawn and predicted volume of each exam of a structure, in ml."""

    drawn_ml: NDArray[np.float64]
    predicted_ml: NDArray[np.float64]


def draw_bland_altman(
    pairs: Mapping[str, VolumePairs], metrics: Sequence[Metric] = (), note: str = ""
) -> bytes:
    """Draw the difference of two volumes against their mean, a panel a structure.

    Args:
        pairs: By structure; without exams its panel is empty.
        metrics: "volume_error_ml" gives the bias, "volume_lower_limit_ml" and
            "volume_upper_limit_ml" the limits of agreement, with their intervals.
        note: Written below the figure.

    Returns:
        PNG.
    """
    across = min(max(len(pairs), 1), _COLUMNS)
    down = -(-max(len(pairs), 1) // _COLUMNS)
    with figure(max(5.4, 4.2 * across), 3.9 * down + 0.35) as made:
        made.set_layout_engine("constrained")
        grid = made.add_gridspec(down, across)
        for place, (name, own) in enumerate(pairs.items()):
            axes = made.add_subplot(grid[divmod(place, across)])
            lines = {m.metric: m for m in metrics if m.class_ == name}
            _draw_agreement(axes, name, own, lines)
        write_note(made, note)
        return to_png(made)


def _draw_agreement(
    axes: Axes, name: str, own: VolumePairs, lines: Mapping[str, Metric]
) -> None:
    light_grid(axes)
    mean = (own.drawn_ml + own.predicted_ml) / 2
    axes.axhline(0, color=GREY, lw=1, ls=":")
    _draw_level(axes, lines.get("volume_error_ml"), "bias", "-", BLUE)
    for side in ("lower", "upper"):
        limit = lines.get(f"volume_{side}_limit_ml")
        _draw_level(axes, limit, f"{side} limit", "--", "#b07a00")
    axes.plot(mean, own.predicted_ml - own.drawn_ml, "o", ms=3.8, mfc="none", mec=INK)
    axes.set_xlabel("mean of drawn and predicted volume, ml")
    axes.set_ylabel("predicted - drawn, ml")
    axes.set_title(f"{plain(name)}, {counted(len(mean), 'exam')}")
    axes.margins(y=0.12)


def _draw_level(
    axes: Axes, metric: Metric | None, name: str, style: str, colour: str
) -> None:
    """A line with its interval as a band, and both in words at its right end."""
    if metric is None or metric.value is None:
        return
    if metric.low is not None and metric.high is not None:
        axes.axhspan(metric.low, metric.high, color=colour, alpha=0.16, lw=0)
    axes.axhline(metric.value, color=colour, lw=1.6, ls=style)
    axes.annotate(
        f"{name} {number(metric.value)}",
        (1.0, metric.value),
        xycoords=axes.get_yaxis_transform(),
        xytext=(-2, 2),
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontsize=SMALL_PT,
        color=INK,
    )


@dataclass(frozen=True, slots=True, eq=False)
class LesionCurve:
    """Sensitivity at each threshold.

    Attributes:
        false_positives: Per scan, rising from 0.
        sensitivity: Rising; as many.
    """

    false_positives: NDArray[np.float64]
    sensitivity: NDArray[np.float64]


def draw_froc(
    curves: Mapping[str, LesionCurve], metrics: Sequence[Metric] = (), note: str = ""
) -> bytes:
    """Draw sensitivity for lesions against false positives a scan, on a log axis.

    Beyond its last point, where every predicted lesion counts, a curve goes on level
    and dotted.

    Args:
        curves: By structure.
        metrics: Those named "froc_sensitivity_at_RATE" are marked with their intervals.
        note: Written below the figure.

    Returns:
        PNG.
    """
    rates = sorted({_rate(m) for m in metrics if m.metric.startswith(_AT)})
    rates = rates or [0.125, 8.0]
    with figure(6.4, 5.0) as made:
        axes = made.add_axes((0.12, 0.17, 0.85, 0.73))
        light_grid(axes)
        axes.set_xscale("log", base=2)
        axes.set(xlim=(rates[0] / 1.25, rates[-1] * 1.25), ylim=(-0.02, 1.02))
        axes.set_xticks(rates, [f"{rate:g}" for rate in rates])
        for place, (name, curve) in enumerate(curves.items()):
            _draw_curve(axes, place, name, curve)
            _draw_rates(axes, place, [m for m in metrics if m.class_ == name])
        axes.set_xlabel("false positive lesions a scan")
        axes.set_ylabel("sensitivity for drawn lesions")
        axes.set_title(_froc_title(metrics))
        if curves:
            axes.legend(loc="lower right")
        write_note(made, note)
        return to_png(made)


def _froc_title(metrics: Sequence[Metric]) -> str:
    of_froc = [m for m in metrics if m.metric.startswith(_AT)]
    if not of_froc:
        return "Lesions of held-out patients"
    level = percent(of_froc[0].level)
    return f"Lesions of held-out patients, {level} intervals by patient"


def _rate(metric: Metric) -> float:
    return float(metric.metric.removeprefix(_AT))


def _draw_curve(axes: Axes, place: int, name: str, curve: LesionCurve) -> None:
    colour = LINE_COLOURS[place % len(LINE_COLOURS)]
    style = LINE_STYLES[place % len(LINE_STYLES)]
    left, right = axes.get_xlim()
    x = np.clip(curve.false_positives, left, None)  # 0 has no place on a log axis
    axes.step(
        x,
        curve.sensitivity,
        where="post",
        color=colour,
        ls=style,
        lw=1.8,
        label=plain(name),
    )
    end = x[-1], curve.sensitivity[-1]
    axes.plot([end[0], max(right, end[0])], [end[1]] * 2, color=colour, ls=":", lw=1.2)
    axes.plot(*end, marker="x", ms=8, mew=2, color=INK, zorder=4)


def _draw_rates(axes: Axes, place: int, metrics: Sequence[Metric]) -> None:
    colour = LINE_COLOURS[place % len(LINE_COLOURS)]
    marker = _MARKERS[place % len(_MARKERS)]
    for metric in metrics:
        if not metric.metric.startswith(_AT) or metric.value is None:
            continue
        x = _rate(metric) * 1.03**place  # bars of several structures lie side by side
        if metric.low is not None and metric.high is not None:
            reach = [
                [max(metric.value - metric.low, 0)],
                [max(metric.high - metric.value, 0)],
            ]
            axes.errorbar([x], [metric.value], yerr=reach, color=colour, capsize=4)
        axes.plot([x], [metric.value], marker, color=ORANGE, mec=INK, ms=5.5, zorder=4)
