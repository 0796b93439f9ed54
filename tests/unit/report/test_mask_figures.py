import numpy as np
import pytest

from tests.unit.report.makers import NOTE, a_metric
from voxray.report import (
    LesionCurve,
    VolumePairs,
    draw_bland_altman,
    draw_froc,
    png_size,
)


def pairs(n=5):
    drawn = np.arange(1.0, n + 1)
    return VolumePairs(drawn, drawn + 0.5)


def volume_metrics(name="lesion", **changes):
    kinds = ("volume_error_ml", "volume_lower_limit_ml", "volume_upper_limit_ml")
    ends = {"value": 0.4, "low": 0.2, "high": 0.6} | changes
    return [a_metric(metric=kind, class_=name, **ends) for kind in kinds]


def rate_metrics(name="lesion", **changes):
    ends = {"value": 0.6, "low": 0.5, "high": 0.7} | changes
    return [
        a_metric(metric=f"froc_sensitivity_at_{rate}", class_=name, **ends)
        for rate in ("0.125", "1", "8")
    ]


def curve(top=0.8):
    return LesionCurve(np.array([0.0, 0.5, 3.0]), np.array([0.1, 0.4, top]))


@pytest.mark.parametrize("n", [0, 1, 2, 7])
def test_any_number_of_structures_has_a_panel(n):
    names = [f"s{number}" for number in range(n)]
    metrics = [m for name in names for m in volume_metrics(name)]

    width, height = png_size(draw_bland_altman(dict.fromkeys(names, pairs()), metrics))

    assert (height > 1000) == (n > 3)
    assert width <= 1900


def test_agreement_is_drawn_without_exams_values_or_intervals():
    plain = draw_bland_altman({"lesion": pairs()})
    assert draw_bland_altman({"lesion": pairs(0)})
    for metrics in (volume_metrics(), volume_metrics(low=None)):
        assert draw_bland_altman({"lesion": pairs(0)}, metrics)
    assert draw_bland_altman({"lesion": pairs()}, volume_metrics(value=None)) == plain
    assert draw_bland_altman({"lesion": pairs()}, volume_metrics()) != plain
    assert draw_bland_altman({"lesion": pairs()}, note=NOTE) != plain


def test_same_figures_give_same_bytes():
    assert draw_froc({"lesion": curve()}, rate_metrics()) == draw_froc(
        {"lesion": curve()}, rate_metrics()
    )


def test_froc_is_drawn_without_curves_and_without_intervals():
    bare = draw_froc({})
    one = draw_froc({"lesion": curve()}, rate_metrics())
    two = draw_froc({"lesion": curve(), "node": curve(0.6)}, rate_metrics())

    assert len({bare, one, two, draw_froc({"lesion": curve()})}) == 4
    assert draw_froc({"lesion": curve()}, rate_metrics(low=None)) != one
    assert draw_froc({"lesion": curve()}, rate_metrics(value=None)) != one
    assert draw_froc({"lesion": curve()}, rate_metrics(), NOTE) != one


def test_curve_without_any_predicted_lesion_is_drawn():
    nothing = LesionCurve(np.array([0.0]), np.array([0.0]))

    assert draw_froc({"lesion": nothing}, rate_metrics(value=0.0, low=0.0, high=0.1))
