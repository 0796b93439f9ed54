import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxray.core.decision import decide, ensemble
from voxray.core.specs import DecisionRule, OperatingPoint

POINT = OperatingPoint(
    metric="sensitivity", at_least=0.9, threshold=0.3, n_positive=20, n_negative=30
)
TWO = DecisionRule(classes=("no", "yes"), positive="yes", operating_point=POINT)
THREE = DecisionRule(classes=("a", "b", "c"), positive="c")


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
