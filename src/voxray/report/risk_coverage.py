"""Risk and coverage: what is gained when the least certain exams go to a person."""

import numpy as np

from voxray.core.curves import RiskCoverageCurve
from voxray.core.records import PER_PATIENT, Metric
from voxray.report.canvas import BAND, BLUE, ORANGE
from voxray.report.panels import PanelLook, panels
from voxray.report.wording import estimate, percent


def _look(counted: str) -> PanelLook:
    return PanelLook(
        width_in=4.6,
        height_in=3.4,
        xlabel=f"share of {counted} that are decided, the most certain first",
        ylabel="share of wrong decisions among them",
    )


def draw_risk_coverage(curve: RiskCoverageCurve, aurc: Metric, note: str = "") -> bytes:
    """Draw the share of wrong decisions against the share of exams or patients decided.

    Args:
        curve: Of exams that the rule was not fitted on.
        aurc: Area under it, for the title; its name says what is counted.
        note: Written below the figure.

    Returns:
        PNG.
    """
    counted = "patients" if aurc.metric.endswith(PER_PATIENT) else "exams"
    with panels([""], _look(counted)) as made:
        axes = made.axes[""]
        axes.set(xlim=(0, 1.01))
        low, high = (np.array(e, dtype=np.float64) for e in (curve.low, curve.high))
        if np.isfinite(low).any():
            label = f"{percent(aurc.level)} interval by patients"
            axes.fill_between(curve.coverage, low, high, color=BAND, lw=0, label=label)
        axes.plot(
            curve.coverage,
            curve.risk,
            color=BLUE,
            lw=2.2,
            marker="o",
            ms=3,
            label="the least certain left to a person",
        )
        axes.axhline(
            curve.risk[-1],
            color=ORANGE,
            lw=1.6,
            ls="--",
            label="all decided",
        )
        top = np.nanmax([*curve.risk, *high])
        axes.set_ylim(0, 1.08 * top if top > 0 else 1)
        axes.set_title(f"area under risk and coverage {estimate(aurc)}")
        return made.png(axes, note)
