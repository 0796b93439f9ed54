from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.unit.report.makers import NOTE, a_metric
from voxray.core.curves import (
    BenefitCurve,
    ConfusionTable,
    PrecisionRecallCurve,
    ReliabilityBin,
)
from voxray.report import (
    RocCurve,
    draw_confusion,
    draw_decision_curves,
    draw_precision_recall,
    draw_reliability,
    draw_roc,
)
from voxray.report.naming import png_size
from voxray.report.panels import titled
from voxray.report.precision_recall import precision_at


def steps(fold=0, precision=(1.0, 0.5)):
    return PrecisionRecallCurve(0, fold, (0.4, 1.0), precision, 0.25)


def a_bin(place=0.5, share=0.4, low=0.2):
    high = None if low is None else 0.7
    return ReliabilityBin(place, share, low, high, 12, 15)


def a_benefit(height=0.2):
    threshold = (0.1, 0.5, 0.9)
    line = (height, height / 2, 0.0)
    low, high = (tuple(v + d for v in line) for d in (-0.05, 0.05))
    return BenefitCurve(threshold, line, low, high, (0.2, -0.4, -6.0), 0.25)


def a_table(classes=("no", "yes")):
    n = len(classes)
    exams = tuple(tuple(float(10 * r + c) for c in range(n)) for r in range(n))
    return ConfusionTable(tuple(classes), exams, "likeliest class decides")


PICTURES: dict[str, tuple[Callable[..., bytes], Any, list[Any]]] = {
    "precision_recall": (draw_precision_recall, [steps(0), steps(1)], [{}]),
    "reliability": (draw_reliability, [a_bin(0.1), a_bin(0.8)], [{}, 0.95]),
    "decision_curve": (draw_decision_curves, a_benefit(), [0.95]),
    "confusion": (draw_confusion, a_table(), ["exams"]),
}


@pytest.mark.parametrize("name", PICTURES)
def test_same_content_gives_same_bytes_and_the_note_is_in_the_picture(name):
    draw, own, others = PICTURES[name]
    first = draw({"yes": own}, *others, NOTE)
    assert first == draw({"yes": own}, *others, NOTE)
    assert first != draw({"yes": own}, *others)


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("n", [0, 1, 4, 15])
def test_any_number_of_classes_is_drawn_the_first_twelve_side_by_side(name, n):
    draw, own, others = PICTURES[name]
    width, height = png_size(draw({f"class {k}": own for k in range(n)}, *others))
    one = png_size(draw({"yes": own}, *others))
    assert (width > one[0]) == (n > 1)
    assert (height > one[1]) == (n > 3)


def test_what_a_class_lacks_is_said_in_its_panel():
    empty = draw_precision_recall({"yes": []}, {})
    assert empty != draw_precision_recall({"yes": [steps()]}, {})
    assert draw_decision_curves({"yes": None}, 0.95) != draw_decision_curves(
        {"yes": a_benefit()}, 0.95
    )


def test_figures_stand_in_the_titles():
    metric = {"yes": a_metric(metric="average_precision", class_="yes")}
    assert draw_precision_recall({"yes": [steps()]}, metric) != draw_precision_recall(
        {"yes": [steps()]}, {}
    )
    error = {"yes": a_metric(metric="ece", class_="yes")}
    bins = {"yes": [a_bin()]}
    assert draw_reliability(bins, error, 0.95) != draw_reliability(bins, {}, 0.95)


def test_a_bin_with_few_patients_has_no_interval():
    with_, without = (
        draw_reliability({"yes": [a_bin(low=low)]}, {}, 0.95) for low in (0.2, None)
    )
    assert with_ != without


def test_precision_goes_in_steps_and_never_along_a_line():
    found = precision_at(steps(), np.array([0.0, 0.2, 0.4, 0.41, 0.7, 1.0]))
    assert found == pytest.approx([1, 1, 1, 0.5, 0.5, 0.5])


def test_folds_have_a_band_and_one_alone_has_none():
    def curve(middle):
        return RocCurve(0, np.array([0, 0.2, 1.0]), np.array([0, middle, 1.0]))

    apart = draw_roc([curve(0.6), curve(0.9)], None)
    assert apart != draw_roc([curve(0.74), curve(0.76)], None)
    assert png_size(draw_roc([curve(0.6)], None)) == png_size(apart)


def test_long_names_are_cut_and_dollar_signs_are_only_text():
    assert titled("x" * 60, True, "AP") == "x" * 33 + "…\nAP"
    names = ("$\\frac{$", "a very long name of a class", "c")
    assert draw_confusion({"": a_table(names)}, "exams")
