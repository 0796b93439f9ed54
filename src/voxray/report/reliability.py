"""Reliability diagrams: of exams called 30 %, are 30 % positive?"""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from voxray.core.curves import ReliabilityBin
from voxray.core.records import Metric
from voxray.report.canvas import BLUE, GREY, INK, SMALL_PT
from voxray.report.panels import PanelLook, panels, titled
from voxray.report.wording import estimate, percent

_LOOK = PanelLook(
    width_in=3.9,
    height_in=3.9,
    xlabel="mean probability of the bin; upright: its patients",
    ylabel="share of positive exams",
)
_FOOT = -0.06  # below 0, where patients per bin stand


def draw_reliability(
    bins: Mapping[str, Sequence[ReliabilityBin]],
    metrics: Mapping[str, Metric],
    level: float,
    note: str = "",
) -> bytes:
    """Draw each bin's share of positives against its mean probability.

    Args:
        bins: Per class; the number of patients stands upright below each.
        metrics: Expected calibration error per class, for the title.
        level: Of the bins' intervals.
        note: Written below the figure.

    Returns:
        PNG.
    """
    with panels(list(bins), _LOOK) as made:
        for name, axes in made.axes.items():
            _draw(axes, bins[name], level)
            metric = metrics.get(name)
            said = f"calibration error {estimate(metric)}" if metric else "calibration"
            axes.set_title(titled(name, len(bins) > 1, said))
        return made.png(next(iter(made.axes.values()), None), note)


def _draw(axes: Axes, bins: Sequence[ReliabilityBin], level: float) -> None:
    axes.plot([0, 1], [0, 1], color=GREY, lw=1, ls=":", label="perfectly calibrated")
    for own in bins:
        if own.low is not None and own.high is not None:
            axes.plot([own.mean_score] * 2, [own.low, own.high], color=INK, lw=1.2)
    axes.plot(
        [own.mean_score for own in bins],
        [own.share for own in bins],
        color=BLUE,
        marker="o",
        ms=6,
        lw=1,
        mec=INK,
        label=f"bin, {percent(level)} interval by patients",
    )
    last = -1.0
    for own in bins:
        if own.mean_score - last > 0.035:  # noqa: PLR2004 - else numbers overlap
            _write_patients(axes, own)
            last = own.mean_score
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.2, 1.03), yticks=[n / 5 for n in range(6)])


def _write_patients(axes: Axes, own: ReliabilityBin) -> None:
    axes.text(
        own.mean_score,
        _FOOT,
        f"{own.n_patients:,}",
        fontsize=SMALL_PT,
        rotation=90,
        ha="center",
        va="top",
    )
