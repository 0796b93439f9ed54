from dataclasses import replace

import numpy as np
import pytest

from tests.unit.evaluate.makers import SETTINGS, a_prediction, a_study
from voxray.evaluate.exams import ScoredExams
from voxray.evaluate.intervals import jeffreys
from voxray.evaluate.proportions import (
    decide_by_threshold,
    effective_n,
    interval_n,
    operating_metrics,
)


def metrics_of(rows):
    exams = ScoredExams.of_class(rows, "yes")
    decisions = decide_by_threshold(exams, SETTINGS.spec.operating_point)
    return operating_metrics("yes", exams, decisions, SETTINGS)


def test_one_exam_a_patient_is_jeffreys_of_the_exams():
    sensitivity, _ = metrics_of(a_study(np.random.default_rng(1)))

    assert sensitivity.n_exams == sensitivity.n_patients == 25
    assert (sensitivity.low, sensitivity.high) == pytest.approx(
        jeffreys(sensitivity.value, 25, 0.95)
    )


def test_counts_are_those_the_share_is_of():
    sensitivity, specificity = metrics_of(a_study(np.random.default_rng(2), exams=3))

    assert (sensitivity.n_exams, sensitivity.n_patients) == (75, 25)
    assert (specificity.n_exams, specificity.n_patients) == (105, 35)
    assert specificity.n_positive == 25


def test_copied_exams_do_not_narrow_the_interval():
    one = a_study(np.random.default_rng(3))
    copies = [replace(r, exam_id=f"{r.exam_id}-{n}") for r in one for n in range(4)]

    for few, many in zip(metrics_of(one), metrics_of(copies), strict=True):
        assert (many.low, many.high) == pytest.approx((few.low, few.high), abs=0.02)
        assert many.low <= few.low
        assert many.high >= few.high


def test_repeats_do_not_narrow_the_interval():
    one = a_study(np.random.default_rng(4))
    twice = one + [replace(r, repeat=1) for r in one]

    for few, many in zip(metrics_of(one), metrics_of(twice), strict=True):
        assert (many.n_exams, many.n_patients) == (few.n_exams, few.n_patients)
        assert (many.value, many.low) == pytest.approx((few.value, few.low))


def test_few_patients_have_a_value_but_no_interval():
    rows = a_study(np.random.default_rng(5), n_patients=40, n_positive=9)
    sensitivity, specificity = metrics_of(rows)

    assert sensitivity.value is not None
    assert sensitivity.low is None
    assert "not estimable: 9 patients, at least 10 needed" in sensitivity.method
    assert specificity.low is not None


def test_one_fold_alone_cannot_be_judged_by_a_threshold_of_others():
    rows = [
        a_prediction("e0", "p0", 0, "no", 0.1),
        a_prediction("e1", "p1", 0, "yes", 1),
    ]
    sensitivity, specificity = metrics_of(rows)

    assert sensitivity.value is specificity.value is None
    assert "no exam could be decided without its own fold" in sensitivity.method


def test_exams_that_differ_within_patients_count_one_by_one():
    assert effective_n(np.full(10, 1.0), np.full(10, 2.0)) == pytest.approx(20)


def test_exams_that_agree_within_patients_count_as_one():
    right = np.array([3.0, 0.0] * 50)

    assert effective_n(right, np.full(100, 3.0)) == pytest.approx(100, rel=0.02)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_without_spread_each_patient_counts_once(share):
    n_exams = np.array([3.0, 3.0, 3.0])

    assert effective_n(share * n_exams, n_exams) == pytest.approx(3)


def test_effective_n_by_hand():
    """p = 4/6; sums of squares (2-4/3)^2 + (1-4/3)^2 + (1-4/3)^2 = 2/3."""
    variance = 3 / 2 * (2 / 3) / 36
    binomial = (2 / 3) * (1 / 3) / 6

    found = effective_n(np.array([2.0, 1.0, 1.0]), np.array([2.0, 2.0, 2.0]))

    assert found == pytest.approx(6 / max(1, variance / binomial))


def test_a_spread_that_is_estimated_from_three_patients_has_their_quantile():
    """Student's t of 2 degrees of freedom is 4.303."""
    right, n_exams = np.array([2.0, 1.0, 1.0]), np.full(3, 2.0)

    ratio = interval_n(right, n_exams, 0.95) / effective_n(right, n_exams)

    assert ratio == pytest.approx((1.96 / 4.303) ** 2, rel=1e-3)


def test_one_exam_a_patient_has_no_spread_to_estimate():
    assert interval_n(np.array([1.0, 0.0, 1.0]), np.ones(3), 0.95) == 3


def test_threshold_of_the_operating_point_is_named():
    sensitivity, _ = metrics_of(a_study(np.random.default_rng(6)))

    assert "other folds for sensitivity of at least 0.95" in sensitivity.method
    assert "conditional on the trained models" in sensitivity.method
