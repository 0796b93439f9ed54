from dataclasses import replace

import numpy as np
import pytest

from tests.unit.evaluate.makers import SETTINGS, a_prediction, a_study
from voxray.evaluate.calibration import calibration_metrics
from voxray.evaluate.exams import ScoredExams


def calibration(rows):
    exams = ScoredExams.of_class(rows, "yes")
    return calibration_metrics("yes", exams, SETTINGS)


def calibrated(generator, n=120, exams=1, slope=1.0, shift=0.0):
    """Truth drawn with the probability that is said, then bent on the logit."""
    rows = []
    for patient in range(n):
        true = generator.normal()
        positive = generator.random() < 1 / (1 + np.exp(-true))
        said = float(1 / (1 + np.exp(-(slope * true + shift))))
        rows += [
            a_prediction(
                f"e{patient:03}-{exam}",
                f"p{patient:03}",
                patient % 5,
                "yes" if positive else "no",
                said,
            )
            for exam in range(exams)
        ]
    return rows


def test_probabilities_twice_as_sure_have_half_the_slope():
    rows = calibrated(np.random.default_rng(0), n=4000, slope=2)
    slope, _ = calibration(rows)
    assert slope.low < 0.5 < slope.high
    assert slope.high - slope.low < 0.1


def test_probabilities_that_are_too_high_have_a_negative_intercept():
    rows = calibrated(np.random.default_rng(1), n=4000, shift=1)
    _, intercept = calibration(rows)
    assert intercept.low < -1 < intercept.high
    assert intercept.high - intercept.low < 0.2


def test_intervals_contain_the_truth_about_as_often_as_they_say():
    """100 studies of 60 patients with two equal exams each."""
    found = [
        calibration(calibrated(np.random.default_rng(seed), n=60, exams=2))
        for seed in range(100)
    ]
    slopes = [slope.low <= 1 <= slope.high for slope, _ in found]
    intercepts = [low.low <= 0 <= low.high for _, low in found]
    assert 0.88 <= np.mean(slopes) <= 1
    assert 0.88 <= np.mean(intercepts) <= 1


def test_copied_exams_and_repeats_do_not_narrow_the_intervals():
    one = a_study(np.random.default_rng(3))
    copies = [replace(r, exam_id=f"{r.exam_id}-{n}") for r in one for n in range(4)]
    repeats = one + [replace(r, repeat=1) for r in one]

    for few, many, again in zip(
        calibration(one), calibration(copies), calibration(repeats), strict=True
    ):
        assert (many.low, many.high) == pytest.approx((few.low, few.high), abs=1e-6)
        assert (again.low, again.high) == pytest.approx((few.low, few.high), abs=1e-6)


@pytest.mark.parametrize("signal", [50, -50])
def test_perfect_separation_is_said_in_words(signal):
    slope, intercept = calibration(a_study(np.random.default_rng(4), signal=signal))

    assert slope.value is slope.low is None
    assert "not estimable: the probabilities separate the classes" in slope.method
    assert intercept.value is not None


def test_equal_probabilities_have_no_slope_but_an_intercept():
    rows = [
        replace(r, probabilities={"no": 0.4, "yes": 0.6})
        for r in a_study(np.random.default_rng(5))
    ]
    slope, intercept = calibration(rows)

    assert "all exams have the same probability" in slope.method
    share = 25 / 60
    exact = np.log(share / (1 - share)) - np.log(0.6 / 0.4)
    assert intercept.value == pytest.approx(exact)


def test_one_class_is_said_in_words():
    rows = [replace(r, label="no") for r in a_study(np.random.default_rng(6))]
    for metric in calibration(rows):
        assert metric.value is None
        assert "not estimable: all exams are of one class" in metric.method


def test_few_patients_have_a_value_but_no_interval():
    rows = a_study(np.random.default_rng(7), n_patients=40, n_positive=9)
    for metric in calibration(rows):
        assert metric.value is not None
        assert metric.low is None
        assert "9 positive patients, at least 10 needed" in metric.method


def test_certainties_are_counted_and_do_not_give_infinity():
    rows = a_study(np.random.default_rng(8))
    rows[0] = replace(rows[0], probabilities={"no": 1.0, "yes": 0.0})
    rows[30] = replace(rows[30], probabilities={"no": 0.0, "yes": 1.0})

    for metric in calibration(rows):
        assert np.isfinite([metric.low, metric.high]).all()
        assert "of 2 predictions 0 or 1 is taken as 1e-07 off it" in metric.method


def test_probabilities_far_off_still_settle():
    rows = []
    for k, row in enumerate(a_study(np.random.default_rng(9))):
        share = 1e-6 * (1 + 7 * k % 60)
        rows.append(replace(row, probabilities={"no": 1 - share, "yes": share}))
    slope, intercept = calibration(rows)
    assert slope.value is not None
    assert intercept.value == pytest.approx(-np.log(3e-5), abs=1)
