from dataclasses import replace

import numpy as np
import pytest

from tests.unit.evaluate.makers import SETTINGS, a_prediction, a_study
from tests.unit.evaluate.test_calibration import calibrated
from tests.unit.evaluate.test_resampling import estimates
from voxray.evaluate.exams import ScoredExams
from voxray.evaluate.proportions import Decisions
from voxray.evaluate.reliability import (
    bin_of,
    calibrated_errors,
    expected_calibration_error,
    reliability_bins,
)
from voxray.evaluate.resampling import JudgedExams


def judged(rows):
    exams = ScoredExams.of_class(rows, "yes")
    nobody = np.zeros(len(exams.score), dtype=bool)
    return JudgedExams(exams, Decisions(nobody, nobody, ""))


def test_bins_have_nearly_equal_numbers_and_at_most_ten_are_made():
    rows = a_study(np.random.default_rng(0), n_patients=203)
    sizes = np.bincount(bin_of(ScoredExams.of_class(rows, "yes")))
    assert len(sizes) == 10
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(("n", "n_bins"), [(9, 1), (25, 2), (60, 6)])
def test_small_studies_have_fewer_bins(n, n_bins):
    rows = a_study(np.random.default_rng(1), n_patients=n, n_positive=4)
    assert bin_of(ScoredExams.of_class(rows, "yes")).max() + 1 == n_bins


def test_numbers_of_patients_that_state_nothing_make_no_bins():
    exams = ScoredExams.of_class(a_study(np.random.default_rng(8)), "yes")
    apart = replace(exams, patient=3 * exams.patient)
    assert list(bin_of(apart)) == list(bin_of(exams))


def test_equal_scores_share_a_bin():
    rows = [
        a_prediction(f"e{n:02}", f"p{n:02}", n % 5, "no", 0.2 if n < 30 else 0.7)
        for n in range(40)
    ]
    numbers = bin_of(ScoredExams.of_class(rows, "yes"))
    assert list(numbers) == [
        0 if r.probabilities["yes"] < 0.5 else 1 for r in by_fold(rows)
    ]


def by_fold(rows):
    return sorted(rows, key=lambda row: (row.fold, row.exam_id))


def test_calibration_error_by_hand():
    """Two bins of ten patients: gaps |0.2 - 0.3| and |0.7 - 0.5|."""
    rows = [
        a_prediction(f"e{n:02}", f"p{n:02}", 0, "yes" if n < 3 else "no", 0.2)
        for n in range(10)
    ] + [
        a_prediction(f"e{n:02}", f"p{n:02}", 0, "yes" if n < 15 else "no", 0.7)
        for n in range(10, 20)
    ]
    found = expected_calibration_error(judged(rows), np.ones((1, 20)))
    assert found[0] == pytest.approx((0.1 + 0.2) / 2)
    twice = expected_calibration_error(judged(rows), np.full((1, 20), 2.0))
    assert twice[0] == pytest.approx(found[0])


def test_a_calibrated_model_shows_about_the_bias_that_is_said():
    """The mean over 100 studies against what is said of one of them."""
    generator = np.random.default_rng(2)
    studies = [calibrated(generator, n=100) for _ in range(100)]
    seen = [
        expected_calibration_error(judged(rows), np.ones((1, 100)))[0]
        for rows in studies
    ]
    said = calibrated_errors(judged(studies[0]), np.random.default_rng(3), 100).mean()
    assert np.mean(seen) == pytest.approx(said, rel=0.1)
    assert said > 0.05


def test_exams_of_a_patient_make_the_bias_larger_than_their_number_says():
    one = calibrated(np.random.default_rng(4), n=60)
    copies = [replace(r, exam_id=f"{r.exam_id}-{n}") for r in one for n in range(4)]
    biases = [
        calibrated_errors(judged(rows), np.random.default_rng(5), 60).mean()
        for rows in (one, copies)
    ]
    assert biases[1] == pytest.approx(biases[0], rel=0.1)


def test_the_interval_of_a_calibrated_model_starts_at_zero_and_says_why():
    starts = [
        estimates(calibrated(np.random.default_rng(seed), n=80))["ece"]
        for seed in range(20)
    ]
    assert np.mean([found.low == 0 for found in starts]) >= 0.8
    one = next(found for found in starts if found.low == 0)
    assert "biased upwards: a perfectly calibrated model" in one.method
    assert "so the interval starts at 0" in one.method


def test_the_interval_of_an_uncalibrated_model_does_not_start_at_zero():
    rows = calibrated(np.random.default_rng(6), n=200, shift=2)
    found = estimates(rows)["ece"]
    assert 0 < found.low < found.value < found.high
    assert "taken off the lower end" in found.method
    assert "so the interval starts" not in found.method


def test_the_interval_holds_the_error_of_a_model_that_is_a_little_off():
    """Without the bias taken off, the error lies below two intervals in three."""
    generator = np.random.default_rng(8)
    studies = [calibrated(generator, n=100, shift=0.5) for _ in range(40)]
    large = calibrated(np.random.default_rng(9), n=20_000, shift=0.5)
    true = expected_calibration_error(judged(large), np.ones((1, 20_000)))[0]
    found = [estimates(rows)["ece"] for rows in studies]
    inside = [one.low <= true <= one.high for one in found]
    assert np.mean(inside) >= 0.9


def test_bins_count_patients_and_have_intervals_where_there_are_ten():
    rows = a_study(np.random.default_rng(7), n_patients=60, exams=2)
    bins = reliability_bins(ScoredExams.of_class(rows, "yes"), SETTINGS)
    assert sum(own.n_exams for own in bins) == 120
    assert [own.mean_score for own in bins] == sorted(own.mean_score for own in bins)
    for own in bins:
        assert (own.low is None) == (own.high is None) == (own.n_patients < 10)
        if own.low is not None and own.high is not None:
            assert own.low <= own.share <= own.high
