import numpy as np
import pytest
from sklearn.metrics import auc

from tests.unit.evaluate.makers import SETTINGS, a_prediction, numbers
from voxray.core.errors import DatasetError
from voxray.evaluate.exams import ScoredExams
from voxray.evaluate.referral import estimate_aurc, fit_referral, risk_coverage


def mistakes(values, wrong, patients=None):
    """Exams whose score is the uncertainty, positive where the decision is wrong."""
    ids = patients or [f"p{n:03}" for n in range(len(values))]
    rows = [
        a_prediction(f"e{n:03}", ids[n], n % 5, "yes" if wrong[n] else "no", u)
        for n, u in enumerate(values)
    ]
    return ScoredExams.of_class(rows, "yes")


def certain_when_right(seed, n=200):
    generator = np.random.default_rng(seed)
    values = generator.random(n) / 2
    return values, generator.random(n) < values


def test_one_in_five_of_the_patients_and_a_new_one_are_referred():
    values = np.arange(1, 10) / 20  # 0.2 x (9 + 1) = 2
    rule = fit_referral(values, [f"p{n}" for n in range(9)], at_most=0.2)
    assert (rule.uncertainty, rule.n_patients) == (0.4, 9)


def test_a_patient_is_referred_by_the_least_certain_exam():
    rule = fit_referral([0.1, 0.5, 0.2, 0.3], ["a", "a", "b", "c"], at_most=0.3)
    assert (rule.uncertainty, rule.n_patients) == (0.5, 3)


def test_share_of_new_patients_is_kept_on_average():
    generator = np.random.default_rng(0)
    people = [str(n) for n in range(24)]
    cuts = [
        fit_referral(generator.random(24), people, 0.2).uncertainty for _ in range(2000)
    ]
    assert 1 - np.mean(cuts) == pytest.approx(0.2, abs=0.01)


def test_equally_uncertain_patients_are_referred_together_or_not_at_all():
    rule = fit_referral([0.5, 0.4, 0.4, 0.4, 0.1, 0.1, 0.1], list("abcdefg"), 0.3)
    assert rule.uncertainty == 0.5


@pytest.mark.parametrize(
    ("values", "at_most", "said"),
    [
        ([0.1, 0.2, 0.3], 0.2, r"0.2 of 3 patients is 0, and 1 are most uncertain"),
        ([0.5] * 9, 0.2, r"0.2 of 9 patients is 2, and 9 are most uncertain alike"),
        ([], 0.2, r"0.2 of 0 patients is 0"),
    ],
)
def test_rule_that_would_refer_nobody_is_refused(values, at_most, said):
    with pytest.raises(DatasetError, match=said):
        fit_referral(values, [str(n) for n in range(len(values))], at_most)


def test_aurc_is_the_mean_share_of_wrong_decisions_among_those_kept():
    values, wrong = certain_when_right(1)
    order = np.argsort(values)
    known = np.mean(np.cumsum(wrong[order]) / np.arange(1, 201))

    low, value, high = numbers(estimate_aurc(mistakes(values, wrong), SETTINGS))

    assert value == pytest.approx(known)
    assert low < value < high < wrong.mean()


def test_aurc_of_equal_uncertainty_is_the_share_of_wrong_decisions():
    wrong = np.arange(60) % 3 == 0
    found = estimate_aurc(mistakes(np.full(60, 0.3), wrong), SETTINGS)
    assert found.value == pytest.approx(1 / 3)
    assert "a random order gives 0.333" in found.method


def test_aurc_with_few_mistakes_has_no_interval():
    wrong = np.arange(60) < 4
    found = estimate_aurc(mistakes(np.arange(60) / 120, wrong), SETTINGS)
    assert (found.low, found.high) == (None, None)
    assert "4 patients with a wrong decision, at least 10 needed" in found.method


def test_curve_ends_at_all_exams_and_holds_the_area():
    values, wrong = certain_when_right(2, n=400)
    exams = mistakes(values, wrong)
    curve = risk_coverage(exams, SETTINGS)

    assert curve.coverage[-1] == 1
    assert curve.risk[-1] == pytest.approx(wrong.mean())
    area = auc(curve.coverage, curve.risk) / (1 - curve.coverage[0])
    assert area == pytest.approx(estimate_aurc(exams, SETTINGS).value, abs=0.02)
    known = [n for n, low in enumerate(curve.low) if low is not None]
    ends = curve.low, curve.risk, curve.high
    low, risk, high = (np.array(values, dtype=float)[known] for values in ends)
    assert len(known) > 15
    assert ((low <= risk) & (risk <= high)).all()
