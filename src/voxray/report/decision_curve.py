"""Decision curves: is acting on the score better than acting on all, or on nobody?"""

from collections.abc import Mapping

from matplotlib.axes import Axes

from voxray.core.curves import BenefitCurve
from voxray.report.canvas import BAND, BLUE, INK, ORANGE
from voxray.report.panels import PanelLook, panels, titled
from voxray.report.wording import percent

_LOOK = PanelLook(
    width_in=4.6,
    height_in=3.4,
    xlabel="probability from which on a person would act",
    ylabel="net benefit per exam",
)


def draw_decision_curves(
    curves: Mapping[str, BenefitCurve | None], level: float, note: str = ""
) -> bytes:
    """Draw net benefit against the threshold, with those of treating all and none.

    Args:
        curves: Per class; None where all exams are of one class.
        level: Of the pointwise intervals.
        note: Written below the figure.

    Returns:
        PNG.
    """
    with panels(list(curves), _LOOK) as made:
        for name, axes in made.axes.items():
            curve = curves[name]
            _draw(axes, curve, level)
            share = f"prevalence {curve.prevalence:.3f}" if curve else ""
            axes.set_title(titled(name, len(curves) > 1, f"net benefit, {share}"))
        return made.png(next(iter(made.axes.values()), None), note)


def _draw(axes: Axes, curve: BenefitCurve | None, level: float) -> None:
    axes.set(xlim=(0, 1))
    if curve is None:
        axes.text(0.5, 0.5, "all exams are of one class", ha="center")
        return
    label = f"{percent(level)} interval by patients"
    axes.fill_between(
        curve.threshold, curve.low, curve.high, color=BAND, lw=0, label=label
    )
    axes.plot(
        curve.threshold,
        curve.benefit,
        color=BLUE,
        lw=2.2,
        label="acting on the network's score",
    )
    axes.plot(
        curve.threshold,
        curve.treat_all,
        color=ORANGE,
        lw=1.6,
        ls="--",
        label="acting on all",
    )
    axes.axhline(0, color=INK, lw=1.2, ls=":", label="acting on nobody")
    reach = max(*curve.high, curve.prevalence)
    axes.set_ylim(-0.25 * reach, 1.08 * reach)
