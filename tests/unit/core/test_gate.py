"""The rules of the gate on figures made by hand."""

from dataclasses import replace

import pytest
from pydantic import ValidationError

from tests.unit.report.makers import a_metric
from voxray.core.comparison import About, Answer, ComparedFigure
from voxray.core.gate import (
    calibration_checks,
    compare_checks,
    figure_checks,
    reasons,
    subgroup_checks,
)
from voxray.core.specs.experiment import SubgroupColumn
from voxray.core.specs.gate import (
    CalibrationRule,
    CompareRule,
    GatePolicy,
    ModelGate,
    SubgroupFloor,
)

RULE = CompareRule(goal="non-inferior", margin=0.02, looks=10)


def a_row(metric="auc", value=0.9, low=0.8, high=0.95, **changes):
    row = replace(a_metric(), metric=metric, value=value, low=low, high=high)
    return replace(row, **changes)


def verdicts(checks):
    return {check.rule: check.passed for check in checks}


@pytest.mark.parametrize(
    ("bounds", "passed"),
    [
        ({"minimum_low": {"auc": 0.8}}, True),
        ({"minimum_low": {"auc": 0.81}}, False),
        ({"maximum_high": {"auc": 0.95}}, True),
        ({"maximum_high": {"auc": 0.94}}, False),
        ({"minimum_low": {"dice_liver": 0.1}}, False),
        ({"maximum_high": {"hd95": 9.0}}, False),
        ({"minimum_low": {"auc": None}}, False),
    ],
)
def test_floors_are_about_the_end_of_the_interval_that_is_worse(bounds, passed):
    gate = ModelGate(compare=RULE, **bounds)
    values = {"auc": 0.9, "auc_low": 0.8, "auc_high": 0.95}

    (found,) = verdicts(figure_checks(gate, values)).values()

    assert found is passed


@pytest.mark.parametrize(
    ("ends", "passed"), [((0.7, 1.3), True), ((0.4, 1.3), False), ((0.7, 1.6), False)]
)
def test_the_whole_interval_of_a_slope_must_lie_in_its_bounds(ends, passed):
    rule = CalibrationRule(slope=(0.5, 1.5))
    row = a_row("calibration_slope", 1.0, *ends)

    (check,) = calibration_checks(rule, [row])

    assert check.passed is passed


@pytest.mark.parametrize(
    ("models", "counts"),
    [
        (["network", "network+decision", "baseline:size"], "network+decision"),
        (["network", "network+decision", "ensemble", "registered"], "registered"),
        (["baseline:size", "network"], "network"),
    ],
)
def test_calibration_is_that_of_what_is_nearest_to_the_registered_model(models, counts):
    rows = [
        a_row("calibration_slope", 1.0, *((0.7, 1.3) if name == counts else (0.1, 0.4)))
        for name in models
    ]
    named = [replace(row, model=m) for row, m in zip(rows, models, strict=True)]

    (check,) = calibration_checks(CalibrationRule(slope=(0.5, 1.5)), named)

    assert check.passed


def test_a_calibration_figure_without_interval_or_at_all_fails():
    rule = CalibrationRule(ece=0.1, brier=0.2)
    row = a_row("ece", 0.05, None, None, method="bins; not estimable: 3 positive")

    ece, brier = calibration_checks(rule, [row])

    assert (ece.passed, brier.passed) == (False, False)
    assert "no interval: 3 positive" in ece.found
    assert "has no brier" in brier.found


def test_a_policy_without_bounds_says_so_and_decides_nothing():
    (check,) = calibration_checks(CalibrationRule(), [])

    assert (check.passed, check.found) == (None, "the policy sets no bound")


def test_every_subgroup_with_enough_patients_must_reach_its_floor():
    floor = SubgroupFloor(
        column="sex", metric="auc", minimum_low=0.7, least_patients=20
    )
    rows = [
        a_row(subset="sex=F", low=0.75, n_patients=30),
        a_row(subset="sex=M", low=0.65, n_patients=30),
        a_row(subset="sex=unknown", low=0.1, n_patients=19),
        a_row(subset="sexuality=x", low=0.1, n_patients=30),
        a_row("auc_less_rest", subset="sex=F", low=-0.1, n_patients=30),
        a_row(low=0.1),
    ]

    found = {
        name.split()[0]: v
        for name, v in verdicts(subgroup_checks([floor], rows)).items()
    }

    assert found == {
        "subgroups.sex=F": True,
        "subgroups.sex=M": False,
        "subgroups.sex=unknown": None,
    }


def test_parts_of_a_column_of_numbers_are_its_subgroups():
    floor = SubgroupFloor(
        column=SubgroupColumn(column="age", edges=(40, 60)),
        metric="auc",
        minimum_low=0.5,
        least_patients=1,
    )
    names = ["age<40", "40<=age<60", "age>=60", "age=unknown", "cage<4"]

    found = list(subgroup_checks([floor], [a_row(subset=name) for name in names]))

    assert len(found) == 4


def test_a_column_that_the_locked_set_lacks_fails():
    floor = SubgroupFloor(column="site", metric="auc", minimum_low=0, least_patients=1)

    (check,) = subgroup_checks([floor], [a_row()])

    assert check.passed is False
    assert "no subgroup of 'site'" in check.found


def a_comparison(low, headline=True):
    gap = a_row("auc_difference", 0.0, low, 0.3)
    return ComparedFigure(
        About.MODELS, a_row(), a_row(), gap, Answer.CANNOT_TELL, headline
    )


@pytest.mark.parametrize(
    ("goal", "margin", "low", "passed"),
    [
        ("non-inferior", 0.02, -0.019, True),
        ("non-inferior", 0.02, -0.02, False),
        ("superior", 0.0, 0.001, True),
        ("superior", 0.0, 0.0, False),
        ("superior", 0.05, 0.04, False),
        ("non-inferior", 0.02, None, False),
    ],
)
def test_the_lower_end_of_the_difference_is_held_against_the_margin(
    goal, margin, low, passed
):
    rule = CompareRule(goal=goal, margin=margin, looks=1)

    (check,) = compare_checks(rule, [a_comparison(low), a_comparison(-1, False)])

    assert check.passed is passed


@pytest.mark.parametrize(
    ("goal", "passed"), [("non-inferior", True), ("superior", False)]
)
def test_the_same_answers_are_non_inferior_and_not_superior(goal, passed):
    rule = CompareRule(goal=goal, margin=0.02, looks=1)
    same = replace(a_comparison(None), answer=Answer.SAME)

    (check,) = compare_checks(rule, [same])

    assert (check.passed, check.found) == (passed, "the same for every exam")


def test_alpha_is_divided_by_the_planned_looks():
    assert CompareRule(goal="superior", margin=0, looks=10).level == pytest.approx(
        0.995
    )


def test_reasons_are_the_rules_that_fail():
    gate = ModelGate(compare=RULE, minimum_low={"auc": 0.81, "dice": 0.5})
    checks = figure_checks(gate, {"auc_low": 0.8, "dice_low": 0.6})

    assert reasons(list(checks)) == [
        "minimum_low.auc: 0.800; asked: lower end of auc at least 0.81"
    ]


@pytest.mark.parametrize(
    ("gate", "key"),
    [
        ({}, "compare"),
        ({"compare": {"goal": "superior", "looks": 2}}, "margin"),
        ({"compare": {"goal": "superior", "margin": 0.1}}, "looks"),
        ({"compare": {"goal": "non-inferior", "margin": 0, "looks": 1}}, "above 0"),
        (
            {"compare": RULE.model_dump(), "calibration": {"slope": [2, 1]}},
            "not below the upper",
        ),
    ],
)
def test_a_policy_without_a_margin_is_no_policy(gate, key):
    with pytest.raises(ValidationError, match=key):
        GatePolicy.model_validate({"models": {"m": gate}})
