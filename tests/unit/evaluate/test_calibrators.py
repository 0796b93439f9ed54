from dataclasses import replace

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from tests.unit.evaluate.makers import BINARY, a_study
from voxray.core.calibration import calibrated, log_odds
from voxray.core.errors import ConfigError, DatasetError
from voxray.core.records import ExamId, OutOfFoldPrediction, PatientId
from voxray.core.specs import EvaluateSpec
from voxray.evaluate import fit_decision
from voxray.evaluate.calibrators import (
    fit_classes,
    fit_isotonic,
    fit_kind,
    fit_platt,
    fit_temperature,
    logistic_line,
    settle_classes,
    settle_two_sided,
)
from voxray.evaluate.exams import ScoredExams

CLASSES = ("a", "b", "c")
AUTO = EvaluateSpec(calibration="auto")


def overconfident(seed, n=400):
    """Log odds are twice what they should be, and too high by 0.8."""
    rng = np.random.default_rng(seed)
    true_odds = rng.normal(size=n)
    positive = rng.random(n) < 1 / (1 + np.exp(-true_odds))
    return 1 / (1 + np.exp(-(2 * true_odds + 0.8))), positive


@pytest.mark.parametrize("seed", range(5))
def test_the_line_is_that_of_logistic_regression_without_penalty(seed):
    score, positive = overconfident(seed)
    x = log_odds(score)
    slope, intercept = logistic_line(x, positive.astype(float))
    known = LogisticRegression(C=np.inf, tol=1e-8).fit(x[:, None], positive)
    assert slope == pytest.approx(float(known.coef_[0, 0]), abs=1e-4)
    assert intercept == pytest.approx(float(known.intercept_[0]), abs=1e-4)


def test_platt_undoes_confidence_that_is_too_large():
    fitted = fit_platt(*overconfident(0, n=20_000))
    assert fitted is not None
    assert fitted.slope == pytest.approx(0.5, abs=0.03)
    assert fitted.intercept == pytest.approx(-0.4, abs=0.05)


def test_platt_of_separated_classes_is_finite_and_not_certain():
    score = np.r_[np.full(20, 0.2), np.full(20, 0.9)]
    fitted = fit_platt(score, score > 0.5)
    low, high = calibrated(np.array([0.2, 0.9]), fitted)
    assert (low, high) == pytest.approx((1 / 22, 21 / 22), abs=1e-3)


@pytest.mark.parametrize("score", [0.0, 0.1, 0.3, 1 / 3, 0.7, 1.0])
@pytest.mark.parametrize("n", [31, 60, 97])
def test_platt_of_equal_scores_gives_the_share_and_no_steep_line(score, n):
    """A network that says the same of all; their mean may be another number."""
    positive = np.arange(n) < n // 3
    fitted = fit_platt(np.full(n, score), positive)

    assert fitted is not None
    assert fitted.slope == pytest.approx(1)
    said = calibrated(np.array([score]), fitted)
    assert said == pytest.approx(positive.mean(), abs=0.02)


def test_scores_that_say_the_contrary_are_left_alone():
    score, positive = overconfident(1)
    assert fit_platt(1 - score, positive) is None


def test_steps_are_those_of_isotonic_regression():
    score, positive = overconfident(2)
    known = IsotonicRegression(out_of_bounds="clip").fit(score, positive)
    places = np.linspace(0, 1, 101)
    said = calibrated(places, fit_isotonic(score, positive))
    np.testing.assert_allclose(said, known.predict(places), atol=1e-12)


def test_a_temperature_is_found_again():
    rng = np.random.default_rng(0)
    true_shares = rng.dirichlet([1, 1, 1], 4000)
    truth = np.array([rng.choice(3, p=p) for p in true_shares])
    squared = true_shares**2 / (true_shares**2).sum(axis=1, keepdims=True)
    assert fit_temperature(squared, truth).slope == pytest.approx(0.5, abs=0.04)


def study(n_patients, n_positive):
    return a_study(np.random.default_rng(0), n_patients, n_positive)


def two_sided(n_patients, n_positive, kind):
    exams = ScoredExams.of_class(study(n_patients, n_positive), "yes")
    return fit_kind(exams.score, exams.positive, settle_two_sided(exams, kind))


def test_auto_calibrates_from_ten_patients_of_either_class_on():
    assert two_sided(20, 10, "auto") is not None
    assert two_sided(30, 9, "auto") is None
    assert two_sided(40, 20, "none") is None


def test_a_calibration_that_was_asked_for_needs_its_patients():
    with pytest.raises(DatasetError, match=r"500 patients of either.*20 are pos"):
        two_sided(60, 20, "isotonic")
    with pytest.raises(DatasetError, match=r"'platt' needs 10.*9 are pos.*'none'"):
        two_sided(60, 9, "platt")
    with pytest.raises(ConfigError, match="'temperature' is for three or more"):
        two_sided(60, 20, "temperature")


def of_three(n_patients):
    rng = np.random.default_rng(0)
    rows = []
    for n in range(n_patients):
        shares = dict(zip(CLASSES, rng.dirichlet([1, 1, 1]).tolist(), strict=True))
        name, patient = ExamId(f"e{n}"), PatientId(f"p{n}")
        label = CLASSES[n % 3]
        rows.append(OutOfFoldPrediction(0, n % 5, name, patient, label, shares))
    return rows


def test_more_classes_share_one_temperature():
    assert settle_classes(of_three(60), CLASSES, "auto") == "temperature"
    assert fit_classes(of_three(60), CLASSES).kind == "temperature"
    assert settle_classes(of_three(29), CLASSES, "auto") is None
    with pytest.raises(DatasetError, match="needs 30 patients, there are 29"):
        settle_classes(of_three(29), CLASSES, "temperature")
    with pytest.raises(ConfigError, match="3 classes take 'temperature'"):
        settle_classes(of_three(60), CLASSES, "platt")


def test_the_threshold_is_on_the_calibrated_scale():
    rows = study(80, 30)
    plain, platt = (
        fit_decision(rows, BINARY, EvaluateSpec(calibration=kind))
        for kind in ("none", "platt")
    )
    assert plain is not None
    assert platt is not None
    assert plain.operating_point is not None
    assert platt.operating_point is not None
    assert plain.calibration is None
    scores = np.array([row.probabilities["yes"] for row in rows])
    of_platt = calibrated(scores, platt.calibration) >= platt.operating_point.threshold
    of_plain = scores >= plain.operating_point.threshold
    assert (of_plain != of_platt).sum() <= 1  # between two scores scales differ


def test_an_exam_counts_once_however_often_it_was_predicted():
    rows = study(40, 20)
    twice = rows + [replace(row, repeat=1) for row in rows]
    once = fit_decision(rows, BINARY, AUTO)
    both = fit_decision(twice, BINARY, AUTO)
    assert once is not None
    assert both is not None
    assert once.calibration is not None
    assert both.calibration is not None
    assert both.calibration.slope == pytest.approx(once.calibration.slope, rel=1e-3)
