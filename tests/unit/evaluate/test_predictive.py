import math

import numpy as np
import pytest

from tests.unit.evaluate.makers import BINARY, SETTINGS, SPEC, a_study, by_name, numbers
from tests.unit.evaluate.test_resampling import classify_of
from voxray.evaluate.classes import judge
from voxray.evaluate.estimate import Settings
from voxray.evaluate.exams import ScoredExams
from voxray.evaluate.fixed_points import fixed_point_metrics
from voxray.evaluate.intervals import ratio_interval, wilson
from voxray.evaluate.predictive import predictive_metrics
from voxray.evaluate.proportions import Decisions
from voxray.evaluate.resampling import JudgedExams


def predictive(rows, prevalence=None):
    own = judge(rows, classify_of(BINARY), SETTINGS)["yes"]
    return said_of(own, prevalence)


def said_of(judged, prevalence=None):
    spec = SPEC.model_copy(update={"prevalence": prevalence})
    return by_name(predictive_metrics("yes", judged, Settings(spec, 1)))


def decided_as(rows, flag):
    """Each exam decided by `flag` of whether it is positive and its place."""
    exams = ScoredExams.of_class(rows, "yes")
    flagged = np.array([flag(p, n) for n, p in enumerate(exams.positive)])
    everyone = np.ones(len(flagged), dtype=bool)
    return JudgedExams(exams, Decisions(flagged, everyone, "by hand"))


def test_at_the_prevalence_of_the_exams_predictive_values_are_those_seen():
    found = predictive(a_study(np.random.default_rng(1)), prevalence=25 / 60)
    assert found["ppv_at_prevalence"].value == pytest.approx(found["ppv"].value)
    assert found["npv_at_prevalence"].value == pytest.approx(found["npv"].value)


def test_predictive_values_at_a_prevalence_are_those_of_bayes_rule():
    own = decided_as(a_study(np.random.default_rng(2)), lambda p, n: p or n % 5 == 0)
    flagged, positive = own.decisions.flagged, own.exams.positive
    sensitivity, specificity = flagged[positive].mean(), 1 - flagged[~positive].mean()
    found = said_of(own, 0.02)
    ppv = sensitivity * 0.02 / (sensitivity * 0.02 + (1 - specificity) * 0.98)
    assert found["ppv_at_prevalence"].value == pytest.approx(ppv)
    assert found["ppv_at_prevalence"].low < ppv < found["ppv_at_prevalence"].high
    assert found["npv_at_prevalence"].value == 1
    assert found["npv_at_prevalence"].low < 1
    assert "at a prevalence of 0.02 by Bayes' rule" in found["npv_at_prevalence"].method


def test_without_a_stated_prevalence_there_is_no_value_at_one():
    found = predictive(a_study(np.random.default_rng(3)))
    assert not any("at_prevalence" in name for name in found)


def test_no_false_positive_leaves_no_ratio_but_a_predictive_value():
    own = decided_as(a_study(np.random.default_rng(4)), lambda p, n: p and n % 3 > 0)
    found = said_of(own, 0.1)
    ratio = found["likelihood_ratio_positive"]
    assert ratio.value is None
    assert "no exam is decided that way wrongly" in ratio.method
    assert found["ppv_at_prevalence"].value == found["ppv_at_prevalence"].high == 1
    assert 0 < found["ppv_at_prevalence"].low < 1


def test_a_decision_that_is_never_made_is_said_in_words():
    own = decided_as(a_study(np.random.default_rng(5)), lambda p, n: p or n >= 0)
    found = said_of(own, 0.1)
    assert found["npv"].value is None
    assert "no exam is decided that way" in found["npv"].method
    assert found["likelihood_ratio_positive"].value == pytest.approx(1)


def test_few_patients_have_values_but_no_intervals():
    rows = a_study(np.random.default_rng(6), n_patients=40, n_positive=9, signal=1)
    for metric in predictive(rows, 0.1).values():
        assert metric.value is not None
        assert metric.low is None
        assert "at least 10 needed" in metric.method


def test_the_ratio_of_large_studies_has_the_usual_log_interval():
    """Simel et al. 1991: delta method on the log, for 4,000 and 6,000 patients."""
    parts = (0.8, wilson(0.8, 4000, 0.95)), (0.3, wilson(0.3, 6000, 0.95))
    low, high = ratio_interval(*parts[0], *parts[1])
    error = math.sqrt(0.2 / 0.8 / 4000 + 0.7 / 0.3 / 6000)
    for end, sign in ((low, -1), (high, 1)):
        assert math.log(end * 0.3 / 0.8) == pytest.approx(sign * 1.96 * error, rel=0.02)


def test_a_ratio_of_equal_parts_is_turned_by_swapping_them():
    first, second = (0.7, (0.6, 0.78)), (0.2, (0.12, 0.3))
    low, high = ratio_interval(*first, *second)
    turned = ratio_interval(*second, *first)
    assert turned == pytest.approx((1 / high, 1 / low))


def test_a_ratio_to_zero_has_a_lower_end_and_one_of_zero_an_upper():
    low, high = ratio_interval(0.8, (0.7, 0.9), 0.0, (0.0, 0.1))
    assert math.isinf(high)
    assert 1 < low < 0.8 / 0.05
    low, high = ratio_interval(0.0, (0.0, 0.1), 0.8, (0.7, 0.9))
    assert low == 0
    assert 0.1 < high < 0.2


def test_the_interval_of_a_ratio_covers_as_often_as_it_says():
    """2,000 studies of 40 and 60 patients, ratio 0.8 to 0.3."""
    generator = np.random.default_rng(7)
    hits = (
        generator.binomial(40, 0.8, 2000) / 40,
        generator.binomial(60, 0.3, 2000) / 60,
    )
    inside = 0
    for top, bottom in zip(*hits, strict=True):
        ends = wilson(top, 40, 0.95), wilson(bottom, 60, 0.95)
        low, high = ratio_interval(top, ends[0], bottom, ends[1])
        inside += low <= 0.8 / 0.3 <= high
    assert 0.93 <= inside / 2000 <= 0.97


def test_sensitivity_at_a_specificity_says_what_the_specificity_came_to():
    spec = SPEC.model_copy(
        update={"fixed_specificity": (0.8, 0.95), "fixed_sensitivity": ()}
    )
    exams = ScoredExams.of_class(a_study(np.random.default_rng(8)), "yes")
    low, high = fixed_point_metrics("yes", exams, Settings(spec, 1))

    assert low.metric == "sensitivity_at_specificity_0.8"
    assert high.metric == "sensitivity_at_specificity_0.95"
    assert numbers(low)[1] >= numbers(high)[1]
    assert "for specificity of at least 0.8, which gives specificity 0." in low.method
    assert low.n_patients == 25


def test_specificity_at_the_operating_points_sensitivity_is_its_specificity():
    rows = a_study(np.random.default_rng(9))
    spec = SPEC.model_copy(update={"fixed_sensitivity": (0.95,)})
    exams = ScoredExams.of_class(rows, "yes")
    found = fixed_point_metrics("yes", exams, Settings(spec, 1))[-1]
    own = judge(rows, classify_of(BINARY), SETTINGS)["yes"]
    clear = ~own.decisions.flagged[~own.exams.positive]
    assert found.value == pytest.approx(clear.mean())
