import numpy as np
import pytest
from matplotlib import rcParams

from tests.unit.report.makers import NOTE, a_metric
from voxray.report import (
    FoldHistory,
    RocCurve,
    RocPoint,
    draw_class_rocs,
    draw_dice,
    draw_roc,
    draw_training,
)
from voxray.report.naming import png_size
from voxray.report.roc import mean_curve


def a_curve(fold: int = 0, middle: float = 0.8) -> RocCurve:
    return RocCurve(fold, np.array([0, 0.2, 1.0]), np.array([0, middle, 1.0]))


def a_history(fold: int) -> FoldHistory:
    return FoldHistory(fold, (1, 2, 3), (1.0, 0.5, 0.3), (None, 0.4, 0.6))


def test_same_curves_give_same_bytes():
    curves = [a_curve(0), a_curve(1, 0.6)]
    point = RocPoint(0.9, 0.8, "sensitivity at least 0.90")
    first = draw_roc(curves, a_metric(), point, NOTE)
    assert first == draw_roc(curves, a_metric(), point, NOTE)
    assert b"Software" not in first


def test_interval_note_and_operating_point_are_in_the_picture():
    curves = [a_curve()]
    plain = draw_roc(curves, a_metric())
    assert plain != draw_roc(curves, a_metric(low=0.5))
    assert plain != draw_roc(curves, a_metric(), note=NOTE)
    assert plain != draw_roc(curves, a_metric(), RocPoint(0.9, 0.8, "chosen"))


@pytest.mark.parametrize("curves", [[], [a_curve()], [a_curve(f) for f in range(30)]])
def test_any_number_of_folds_is_drawn(curves):
    assert png_size(draw_roc(curves, None)) == (840, 930)


def test_mean_curve_is_the_mean_at_equal_false_positive_rate():
    fpr, tpr = mean_curve([a_curve(0, 0.8), a_curve(1, 0.6)])
    assert np.interp(0.2, fpr, tpr) == pytest.approx(0.7)
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)


def test_dice_is_drawn_without_values_metric_or_interval():
    values = {"a": [0.8, 0.9, float("nan")], "b": [], "c": [0.5], "d": [0.2]}
    metrics = [
        a_metric(metric="dice", class_="a", low=None),
        a_metric(metric="dice", class_="b", value=None),
        a_metric(metric="dice", class_="c"),
    ]
    width, height = png_size(draw_dice(values, metrics, NOTE))
    assert (width > height) == (len(values) > 2)
    assert draw_dice({}) != b""


def test_order_of_exams_does_not_change_the_dice_picture():
    assert draw_dice({"a": [0.2, 0.8, 0.5]}) == draw_dice({"a": [0.8, 0.5, 0.2]})


def test_dollar_signs_and_line_breaks_in_names_are_only_text():
    assert draw_dice({"$\\frac{$": [0.5], "a\nb": [0.4]}, note="$x_$")


def test_training_is_drawn_with_and_without_folds():
    histories = [a_history(fold) for fold in range(5)]
    assert draw_training(histories, "Dice", NOTE) == draw_training(
        histories, "Dice", NOTE
    )
    assert draw_training([]) != draw_training(histories)


def test_a_users_matplotlib_settings_change_nothing():
    before = draw_training([a_history(0)])
    saved = rcParams["axes.facecolor"]
    rcParams["axes.facecolor"] = "red"
    try:
        assert draw_training([a_history(0)]) == before
        assert rcParams["axes.facecolor"] == "red"
    finally:
        rcParams["axes.facecolor"] = saved


def test_curves_of_many_labels_fit_into_one_picture():
    curves = {f"label {n}": [a_curve(0), a_curve(1, 0.6)] for n in range(30)}
    curves["never"] = []
    metrics = [a_metric(class_="macro"), a_metric(class_="label 0", low=None)]
    png = draw_class_rocs(curves, metrics, NOTE)
    width, height = png_size(png)
    assert height < 3 * width
    assert png == draw_class_rocs(curves, metrics, NOTE)
    assert png != draw_class_rocs(curves, metrics)


def test_curves_without_any_auc_are_drawn():
    none = a_metric(class_="a", value=None, low=None, high=None)
    assert draw_class_rocs({"a": [a_curve()], "b": []}, [none])
    assert draw_class_rocs({"a": [], "b": []}, [])
