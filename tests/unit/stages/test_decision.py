from voxray.core.specs import DecisionRule, OperatingPoint, Target
from voxray.stages.decision import cautions

POINT = OperatingPoint(
    metric="sensitivity",
    at_least=0.95,
    threshold=0.2,
    expected=0.95,
    n_positive=40,
    n_negative=60,
)
FEW = POINT.model_copy(update={"expected": 0.9, "n_positive": 9})


def a_rule(point, fitted_on):
    return DecisionRule(
        classes=("no", "yes"),
        positive="yes",
        operating_point=point,
        fitted_on=fitted_on,
    )


def test_rule_of_single_networks_is_said_to_be_one():
    (line,) = cautions(a_rule(POINT, "out_of_fold"))
    assert "tried on single networks; registered is their ensemble" in line


def test_rule_of_the_ensemble_on_enough_patients_needs_no_caution():
    assert cautions(a_rule(POINT, "calibration")) == []


def test_too_few_patients_are_said_with_what_to_expect():
    (line,) = cautions(a_rule(FEW, "calibration"))
    assert line == (
        "operating point of 'yes': of new patients a sensitivity of 0.900 is to be "
        "expected, not 0.95: it was chosen on 9 positive and 60 negative ones"
    )


def test_each_label_is_looked_at():
    rule = DecisionRule(
        classes=("a", "b"),
        positive="",
        target=Target.LABELS,
        operating_points={"a": POINT, "b": FEW},
        fitted_on="calibration",
    )
    assert [line.split(":")[0] for line in cautions(rule)] == ["operating point of 'b'"]
