import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxray.core.decision import (
    decide,
    ensemble,
    median_class,
    refers,
    uncertainty,
)
from voxray.core.specs import DecisionRule, OperatingPoint, Referral, Target

POINT = OperatingPoint(
    metric="sensitivity", at_least=0.9, threshold=0.3, n_positive=20, n_negative=30
)
TWO = DecisionRule(classes=("no", "yes"), positive="yes", operating_point=POINT)
THREE = DecisionRule(classes=("a", "b", "c"), positive="c")
GRADES = DecisionRule(classes=("a", "b", "c"), positive="c", target=Target.ORDINAL)
LABELS = DecisionRule(
    classes=("nodule", "effusion"),
    positive="",
    target=Target.LABELS,
    operating_points={
        "nodule": POINT.model_copy(update={"threshold": 0.6}),
        "effusion": POINT,
    },
)


def array(values):
    return np.array(values, dtype=np.float32)


@pytest.mark.parametrize(("p", "said"), [(0.29, "no"), (0.3, "yes"), (0.9, "yes")])
def test_threshold_itself_is_positive(p, said):
    assert decide({"yes": p, "no": 1 - p}, TWO) == said


def test_positive_class_may_be_the_first():
    rule = DecisionRule(classes=("yes", "no"), positive="yes", operating_point=POINT)

    assert decide({"yes": 0.1, "no": 0.9}, rule) == "no"


def test_without_operating_point_the_likeliest_class_is_said_the_first_of_equals():
    assert decide({"a": 0.2, "b": 0.5, "c": 0.3}, THREE) == "b"
    assert decide({"a": 0.4, "b": 0.2, "c": 0.4}, THREE) == "a"


@pytest.mark.parametrize(
    ("nodule", "effusion", "said"),
    [
        (0.6, 0.3, "nodule;effusion"),
        (0.59, 0.9, "effusion"),
        (0.9, 0.29, "nodule"),
        (0.59, 0.29, "none"),
    ],
)
def test_each_label_has_a_threshold_of_its_own(nodule, effusion, said):
    assert decide({"effusion": effusion, "nodule": nodule}, LABELS) == said


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ((0.4, 0.2, 0.4), "b"),
        ((0.5, 0.1, 0.4), "a"),
        ((0.1, 0.3, 0.6), "c"),
        ((0.49, 0.02, 0.49), "b"),
    ],
)
def test_of_ordered_classes_the_median_is_said(shares, said):
    assert decide(dict(zip("abc", shares, strict=True)), GRADES) == said


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0.001, 1), min_size=3, max_size=6))
def test_no_class_is_nearer_to_the_true_one_on_average_than_the_median(weights):
    shares = np.array([weights]) / sum(weights)
    number = np.arange(len(weights))
    cost = np.abs(number[:, None] - number) @ shares[0]

    assert cost[median_class(shares)[0]] == pytest.approx(cost.min(), abs=1e-5)


@pytest.mark.parametrize(
    ("target", "points"),
    [(Target.LABELS, {"a": POINT}), (Target.EXCLUSIVE, {"a": POINT, "b": POINT})],
)
def test_a_rule_has_an_operating_point_for_each_label_and_no_class(target, points):
    with pytest.raises(ValueError, match=r"operating points of \['a'"):
        DecisionRule(
            classes=("a", "b"), positive="", target=target, operating_points=points
        )


def test_a_rule_of_an_older_model_is_of_exclusive_classes():
    rule = DecisionRule.model_validate({"classes": ("a", "b"), "positive": "b"})
    assert rule.target is Target.EXCLUSIVE


def test_missing_class_is_refused():
    with pytest.raises(KeyError, match="yes"):
        decide({"no": 0.1}, TWO)


@pytest.mark.parametrize("p", [float("nan"), float("inf")])
@pytest.mark.parametrize(("rule", "classes"), [(TWO, "no yes"), (THREE, "a b c")])
def test_probability_that_is_no_number_is_never_a_decision(rule, classes, p):
    with pytest.raises(
        ValueError, match=rf"the probability of '\w+' is {p}, not a num"
    ):
        decide(dict.fromkeys(classes.split(), p), rule)


@settings(deadline=None, max_examples=20)
@given(st.permutations(range(5)))
def test_order_of_networks_does_not_change_the_ensemble(order):
    members = [array([0.1 * n, 1 / (n + 3)]) for n in range(5)]

    mixed = ensemble([members[n] for n in order])

    assert mixed.dtype == np.float32
    assert np.array_equal(mixed, ensemble(members))


def test_ensemble_is_the_mean():
    assert ensemble([array([0, 1]), array([1, 1])]).tolist() == [0.5, 1.0]


def test_ensemble_of_nobody_is_refused():
    with pytest.raises(ValueError, match="at least one member"):
        ensemble([])


def referring(rule, cut=0.4):
    own = Referral(at_most=0.2, uncertainty=cut, n_patients=50)
    return rule.model_copy(update={"refer": own})


def half(p):
    return DecisionRule(
        classes=("no", "yes"),
        positive="yes",
        operating_point=POINT.model_copy(update={"threshold": p}),
    )


@pytest.mark.parametrize("p", [0.02, 0.3, 0.5, 0.77, 0.999])
def test_at_a_threshold_of_one_half_uncertainty_is_the_chance_of_the_other_class(p):
    assert uncertainty({"yes": p, "no": 1 - p}, half(0.5)) == pytest.approx(
        min(p, 1 - p)
    )


def test_uncertainty_is_highest_at_the_threshold_wherever_it_lies():
    found = [uncertainty({"yes": p, "no": 1 - p}, TWO) for p in (0.1, 0.2, 0.3, 0.5)]
    assert found[2] == pytest.approx(0.5)
    assert found[0] < found[1] < found[2] > found[3]
    assert found[3] == pytest.approx(0.3)  # odds of 1 against odds of 3 : 7


def test_certain_probabilities_have_a_small_finite_uncertainty():
    for p in (0.0, 1.0):
        assert 0 < uncertainty({"yes": p, "no": 1 - p}, TWO) < 1e-4


def test_of_more_classes_the_two_likeliest_count():
    assert uncertainty({"a": 0.6, "b": 0.3, "c": 0.1}, THREE) == pytest.approx(1 / 3)
    assert uncertainty({"a": 1.0, "b": 0.0, "c": 0.0}, THREE) < 1e-4


def test_of_ordered_classes_the_nearest_half_counts():
    """Cumulative probabilities 0.1 and 0.6: one half is nearer to the second."""
    found = uncertainty({"a": 0.1, "b": 0.5, "c": 0.4}, GRADES)
    assert found == pytest.approx(0.4)


def test_of_labels_the_one_nearest_to_its_threshold_counts():
    far, near = {"nodule": 0.99, "effusion": 0.9}, {"nodule": 0.99, "effusion": 0.31}
    assert uncertainty(far, LABELS) < 0.1
    assert 0.4 < uncertainty(near, LABELS) < 0.5


def test_a_person_decides_from_the_stated_uncertainty_on():
    assert [refers(u, referring(TWO)) for u in (0.39, 0.4)] == [False, True]
    assert refers(0.5, TWO) is None


def test_changing_the_scale_by_a_calibration_keeps_the_order_of_uncertainty():
    """Platt: log odds are stretched about the threshold, which moves along."""
    odds = np.log(0.3 / 0.7)
    moved = 1 / (1 + np.exp(-(2 * odds + 1)))
    places = np.linspace(0.05, 0.95, 19)
    before = [uncertainty({"yes": p, "no": 1 - p}, half(0.3)) for p in places]
    after = [
        uncertainty({"yes": q, "no": 1 - q}, half(moved))
        for q in 1 / (1 + np.exp(-(2 * np.log(places / (1 - places)) + 1)))
    ]
    assert np.array_equal(np.argsort(before), np.argsort(after))
