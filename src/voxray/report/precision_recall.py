"""Precision-recall curves of each class, with the prevalence as the line to beat."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from voxray.core.curves import PrecisionRecallCurve
from voxray.core.records import Metric
from voxray.report.canvas import BLUE, ORANGE
from voxray.report.panels import PanelLook, panels, titled
from voxray.report.roc import draw_band, fold_line, of_folds
from voxray.report.wording import estimate

Array = NDArray[np.float64]

_RECALLS = np.linspace(0, 1, 201)
_LOOK = PanelLook(
    width_in=3.9,
    height_in=3.9,
    xlabel="recall (sensitivity)",
    ylabel="precision (positive predictive value)",
)


def draw_precision_recall(
    curves: Mapping[str, Sequence[PrecisionRecallCurve]],
    metrics: Mapping[str, Metric],
    note: str = "",
) -> bytes:
    """Draw the curve of each fold as steps, their mean and spread, and the prevalence.

    Args:
        curves: Per class, one for each fold that holds out both classes.
        metrics: Average precision per class, for the title.
        note: Written below the figure.

    Returns:
        PNG.
    """
    with panels(list(curves), _LOOK) as made:
        for name, axes in made.axes.items():
            _draw(axes, curves[name])
            metric = metrics.get(name)
            said = f"average precision {estimate(metric)}" if metric else "precision"
            axes.set_title(titled(name, len(curves) > 1, said))
        return made.png(next(iter(made.axes.values()), None), note)


def _draw(axes: Axes, curves: Sequence[PrecisionRecallCurve]) -> None:
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    if not curves:
        axes.text(0.5, 0.5, "no fold holds out both classes", ha="center")
        return
    heights = np.array([precision_at(curve, _RECALLS) for curve in curves])
    for height in heights:
        axes.plot(_RECALLS, height, **fold_line(len(curves)))
    axes.lines[0].set_label(of_folds(len(curves)))
    if len(curves) > 1:
        mean = heights.mean(axis=0)
        draw_band(axes, _RECALLS, mean, heights.std(axis=0, ddof=1))
        axes.plot(_RECALLS, mean, color=BLUE, lw=2.2, label="mean of folds")
    share = float(np.mean([curve.prevalence for curve in curves]))
    label = "prevalence: a random order"
    axes.axhline(share, color=ORANGE, lw=1.6, ls="--", label=label)


def precision_at(curve: PrecisionRecallCurve, recalls: Array) -> Array:
    """Precision of the highest threshold that reaches each recall.

    Steps, not lines: between two thresholds there is no precision to be had by mixing
    (Davis & Goadrich 2006).
    """
    reached = np.searchsorted(np.array(curve.recall), recalls - 1e-12, side="left")
    precision = np.array(curve.precision)
    return np.asarray(precision[np.minimum(reached, len(precision) - 1)])
