"""ROC curves of several classes or labels in one figure."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from voxray.core.records import Metric
from voxray.core.wording import counted
from voxray.report.canvas import (
    GREY,
    LINE_COLOURS,
    LINE_STYLES,
    figure,
    light_grid,
    plain,
    to_png,
    write_note,
)
from voxray.report.roc import RocCurve, mean_curve
from voxray.report.wording import number, percent

_MOST_LINES = len(LINE_COLOURS) * len(LINE_STYLES)
_ROW_IN = 0.22


def draw_class_rocs(
    curves: Mapping[str, Sequence[RocCurve]],
    metrics: Sequence[Metric],
    note: str = "",
) -> bytes:
    """Draw the mean curve over folds of each class against the rest.

    Args:
        curves: Per class or label, one for each fold that holds out exams with and
            without it; the first 24 that have any are drawn.
        metrics: Those named "auc" stand in the legend, with their interval.
        note: Written below the figure.

    Returns:
        PNG.
    """
    drawn = [name for name, own in curves.items() if own][:_MOST_LINES]
    legend_in = _ROW_IN * (len(drawn) + 2)
    height_in = 5.6 + legend_in
    with figure(5.6, height_in) as made:
        axes = made.add_axes(
            (0.13, (0.6 + legend_in) / height_in, 0.84, 4.6 / height_in)
        )
        light_grid(axes)
        axes.plot([0, 1], [0, 1], color=GREY, lw=1, ls=":", label="chance")
        aucs = {m.class_: m for m in metrics if m.metric == "auc"}
        for place, name in enumerate(drawn):
            _draw(axes, place, name, curves[name], aucs.get(name))
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
        axes.set_xlabel("1 - specificity (false positive rate)")
        axes.set_ylabel("sensitivity (true positive rate)")
        axes.set_title(_title(metrics, len(curves) - len(drawn)))
        made.legend(loc="lower left", bbox_to_anchor=(0.12, 0.035))
        write_note(made, note)
        return to_png(made)


def _draw(
    axes: Axes,
    place: int,
    name: str,
    curves: Sequence[RocCurve],
    auc: Metric | None,
) -> None:
    fpr, tpr = mean_curve(curves)
    colour = LINE_COLOURS[place % len(LINE_COLOURS)]
    style = LINE_STYLES[place // len(LINE_COLOURS)]
    said = f"{plain(name)}: AUC {_short(auc)}" if auc else plain(name)
    axes.plot(fpr, tpr, color=colour, ls=style, lw=1.8, label=said)


def _short(auc: Metric) -> str:
    if auc.value is None:
        return "not estimable"
    if auc.low is None or auc.high is None:
        return f"{number(auc.value)} (no interval)"
    return f"{number(auc.value)} [{number(auc.low)}, {number(auc.high)}]"


def _title(metrics: Sequence[Metric], n_left: int) -> str:
    macro = next((m for m in metrics if m.metric == "auc"), None)
    if macro is None:
        return "ROC of held-out patients, mean of folds"
    patients = counted(macro.n_patients, "patient")
    left = f"; {n_left} without a curve" if n_left else ""
    return (
        f"Mean AUC {_short(macro)}\n{percent(macro.level)} interval, {patients}{left}"
    )
