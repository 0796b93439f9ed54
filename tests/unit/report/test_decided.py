from typing import Any

import pytest

from tests.unit.report.makers import a_content, a_metric, a_model
from voxray.core.curves import RiskCoverageCurve
from voxray.core.specs import Calibration, DecisionRule, OperatingPoint, Referral
from voxray.report import (
    decided_rows,
    draw_risk_coverage,
    registered_line,
    render_report,
    rule_in_words,
)

POINT = OperatingPoint(
    metric="sensitivity",
    at_least=0.95,
    asked="sensitivity of at least 0.95",
    threshold=0.2,
    expected=0.95,
    n_positive=40,
    n_negative=60,
)


def a_rule(**changes):
    given: dict[str, Any] = {
        "classes": ("no", "yes"),
        "positive": "yes",
        "operating_point": POINT,
    }
    return DecisionRule(**(given | changes))


def a_row(metric, model, **changes):
    return a_metric(metric=metric, model=model, **changes)


def test_rule_of_single_networks_says_that_the_ensemble_was_not_measured():
    said = " ".join(rule_in_words(a_rule()))
    assert "out-of-fold scores of 40 positive and 60 negative patients" in said
    assert "By how much was not measured" in said
    assert "folds.calibration would tell" in said
    assert "No exam is referred to a person: no rule was stated" in said


def test_rule_of_the_ensemble_says_on_whom_it_was_fitted():
    rule = a_rule(
        fitted_on="calibration",
        calibration=Calibration(kind="platt"),
        refer=Referral(at_most=0.2, uncertainty=0.41, n_patients=100),
    )
    said = " ".join(rule_in_words(rule))
    assert "patients kept out of all training (folds.calibration)" in said
    assert "not measured" not in said
    assert "calibrated (platt)" in said
    cut = "uncertainty of at least 0.4100, chosen on 100 patients so that at most 0.2"
    assert cut in said
    assert "Expected sensitivity on new patients: 0.950." in said


def test_too_few_patients_for_what_was_asked_are_said():
    few = POINT.model_copy(update={"expected": 0.9, "n_positive": 9})
    said = " ".join(rule_in_words(a_rule(operating_point=few)))
    assert "0.900, less than asked for, as there are too few patients." in said


def test_operating_point_of_an_older_model_is_read():
    old = OperatingPoint(
        metric="sensitivity", at_least=0.9, threshold=0.3, n_positive=2, n_negative=3
    )
    said = rule_in_words(a_rule(operating_point=old))[0]
    assert "chosen for sensitivity of at least 0.9 on" in said
    assert "Expected" not in said


def test_figures_as_registered_take_the_place_of_those_of_single_networks():
    rows = [
        a_row("auc", "network"),
        a_row("sensitivity", "network"),
        a_row("brier", "network+decision"),
    ]
    assert [m.metric for m in decided_rows(rows)] == ["sensitivity", "brier"]
    more = [*rows, a_row("sensitivity", "registered"), a_row("brier", "ensemble")]
    assert [m.model for m in decided_rows(more)] == ["registered", "ensemble"]
    part = a_row("sensitivity", "registered", subset="sex=F")
    assert part not in decided_rows([*more, part])


def test_line_says_what_the_registered_model_keeps():
    rows = [a_row(name, "registered") for name in ("sensitivity", "specificity", "ppv")]
    assert registered_line(rows) == (
        "as registered: sensitivity lesion 0.874 [0.710, 0.950], "
        "specificity lesion 0.874 [0.710, 0.950]"
    )
    assert registered_line([a_row("sensitivity", "network")]) == ""


def test_page_says_how_it_decides_and_whose_figures_they_are():
    content = a_content(
        model=a_model(decision=tuple(rule_in_words(a_rule()))),
        evidence=(a_row("sensitivity", "registered"), a_row("brier", "ensemble")),
    )
    page = dict(render_report(content))["index.html"]
    assert "How it decides" in page
    assert "as registered" in page
    assert "ensemble before calibration" in page


@pytest.mark.parametrize("ends", [(0.05, 0.1), (None, None)])
def test_curve_is_drawn_with_and_without_intervals(ends):
    low, high = ((end,) * 3 for end in ends)
    curve = RiskCoverageCurve((0.2, 0.6, 1.0), (0.0, 0.05, 0.1), low, high)
    aurc = a_row("aurc", "registered", class_="")
    first = draw_risk_coverage(curve, aurc, "A note.")
    assert first == draw_risk_coverage(curve, aurc, "A note.")
    assert first != draw_risk_coverage(curve, aurc)
