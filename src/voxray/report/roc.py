"""ROC curves of one class: each fold, their mean and spread, the operating point."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from voxray.core.records import Metric
from voxray.core.wording import counted
from voxray.report.canvas import (
    BAND,
    BLUE,
    GREY,
    INK,
    ORANGE,
    figure,
    light_grid,
    plain,
    to_png,
    write_note,
)
from voxray.report.wording import estimate, percent

_RATES = np.linspace(0, 1, 201)


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
        label = of_folds(len(curves)) if curve is curves[0] else None
        axes.plot(fpr, tpr, label=label, **fold_line(len(curves)))
    if len(curves) > 1:
        fpr, tpr = mean_curve(curves)
        draw_band(axes, fpr, tpr, _spread(curves))
        axes.plot(fpr, tpr, color=BLUE, lw=2.2, label="mean of folds")


def of_folds(n: int) -> str:
    """Label of the curves of folds; the curve of one predictor stands for itself."""
    return f"each of {n} folds" if n > 1 else "model"


def fold_line(n: int) -> dict[str, Any]:
    """Thin beside the mean of several folds, and bold alone."""
    return {"color": GREY, "lw": 0.8} if n > 1 else {"color": BLUE, "lw": 2.2}


def draw_band(
    axes: Axes,
    x: NDArray[np.float64],
    middle: NDArray[np.float64],
    half: NDArray[np.float64],
) -> None:
    """Shade one standard deviation of the folds around their mean, inside 0 to 1."""
    axes.fill_between(
        x,
        np.clip(middle - half, 0, 1),
        np.clip(middle + half, 0, 1),
        color=BAND,
        lw=0,
        zorder=1,
        label="± 1 standard deviation of folds",
    )


def _spread(curves: Sequence[RocCurve]) -> NDArray[np.float64]:
    """Standard deviation over folds where `mean_curve` has the mean."""
    spread = np.std(_heights(curves), axis=0, ddof=1)
    return np.concatenate([[0.0], spread])


def _heights(curves: Sequence[RocCurve]) -> NDArray[np.float64]:
    return np.array([np.interp(_RATES, curve.fpr, curve.tpr) for curve in curves])


def mean_curve(
    curves: Sequence[RocCurve],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Average the true positive rate of several curves at equal false positive rates.

    Returns:
        201 false positive rates from 0 to 1, and the mean true positive rates.
    """
    mean = _heights(curves).mean(axis=0)
    return np.concatenate([[0.0], _RATES]), np.concatenate([[0.0], mean])


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
