import numpy as np
import pytest
from scipy.optimize import brentq

from tests.unit.evaluate.makers import BINARY, SPEC, a_prediction, a_study
from voxray.core.specs import OperatingPoint
from voxray.evaluate.estimate import Settings
from voxray.evaluate.intervals import wilson
from voxray.evaluate.local import local_metrics, needed_exams


def a_point(metric="sensitivity", at_least=0.9, threshold=0.5):
    return OperatingPoint(
        metric=metric,
        at_least=at_least,
        threshold=threshold,
        n_positive=20,
        n_negative=20,
    )


def local(rows, point, precision=0.05):
    settings = Settings(SPEC, 1, {"yes": point} if point else {})
    classify = BINARY.classify
    assert classify is not None
    found = local_metrics(rows, classify, settings, precision)
    return {row.metric: row for row in found}


def ranked(n_positive=20, n_negative=20, exams=1):
    """Positive score .51, .52 …, negative .49, .48 …; exams of a patient alike."""
    return [
        a_prediction(f"{side}{n:02}-{exam}", f"{side}{n:02}", 0, label, p)
        for side, label, count, sign in (
            ("p", "yes", n_positive, 1),
            ("n", "no", n_negative, -1),
        )
        for n in range(count)
        for exam in range(exams)
        for p in [0.5 + sign * (n + 1) / 100]
    ]


def test_the_local_threshold_keeps_the_target_on_these_exams():
    found = local(ranked(), a_point(at_least=0.9))["local_threshold"]

    positive = 0.5 + np.arange(1, 21) / 100
    assert 0.9 <= (positive >= found.value).mean() < 1
    assert "registered: 0.5000" in found.method
    assert found.low < found.value < found.high


def test_a_target_of_specificity_is_kept_on_negative_exams():
    found = local(ranked(), a_point("specificity", 0.9))["local_threshold"]

    negative = 0.5 - np.arange(1, 21) / 100
    assert 0.9 <= (negative < found.value).mean() < 1


def test_the_interval_is_of_the_cuts_that_keep_the_ends_of_wilsons():
    found = local(ranked(n_positive=40), a_point(at_least=0.9))["local_threshold"]

    low, high = wilson(0.9, 40, SPEC.level)
    scores = 0.5 + np.arange(1, 41) / 100
    assert found.low <= np.quantile(scores, 1 - high) + 0.01
    assert (scores >= found.low).mean() >= high
    assert (scores > found.high).mean() <= low


def test_the_interval_holds_the_true_threshold_about_as_often_as_it_says():
    """True: the 10 % point of normal scores of positive exams; 300 studies of 60."""
    generator = np.random.default_rng(5)
    inside = 0
    for _ in range(300):
        score = 1 / (1 + np.exp(-generator.normal(size=60)))
        rows = [
            a_prediction(f"e{n}", f"p{n}", 0, "yes", p) for n, p in enumerate(score)
        ]
        rows.append(a_prediction("n", "n", 0, "no", 0.01))
        found = local(rows, a_point(at_least=0.9))["local_threshold"]
        inside += found.low <= 1 / (1 + np.exp(1.2816)) <= found.high

    assert 0.93 <= inside / 300 <= 0.995


def test_twice_the_exams_of_the_same_patients_tell_nothing_more():
    alone = local(ranked(), a_point())
    alike = local(ranked(exams=2), a_point())

    assert alone["local_threshold"].high == alike["local_threshold"].high
    assert alike["exams_needed"].value == pytest.approx(
        2 * alone["exams_needed"].value, abs=1
    )


def test_few_patients_give_a_threshold_without_an_interval():
    found = local(ranked(n_positive=9), a_point())["local_threshold"]

    assert found.value is not None
    assert (found.low, found.high) == (None, None)
    assert "9 patients, at least 10 needed" in found.method


@pytest.mark.parametrize(("label", "which"), [("yes", "positive"), ("no", "other")])
def test_one_class_gives_no_threshold_and_says_which_is_there(label, which):
    rows = [a_prediction(f"e{n}", f"p{n}", 0, label, n / 20) for n in range(15)]

    found = local(rows, a_point())["local_threshold"]

    assert found.value is None
    assert f"all exams are {which}" in found.method


def test_without_a_registered_threshold_nothing_is_said():
    assert local(a_study(np.random.default_rng(1)), None) == {}


@pytest.mark.parametrize("share", [0.5, 0.8, 0.95, 0.99])
@pytest.mark.parametrize("precision", [0.02, 0.05, 0.1])
def test_needed_exams_make_wilsons_interval_as_narrow_as_asked(share, precision):
    def excess(n):
        low, high = wilson(share, n, 0.95)
        return (high - low) / 2 - precision

    n = needed_exams(share, precision, 0.95)

    assert n == np.ceil(brentq(excess, 1, 1e6)) or excess(n) == pytest.approx(
        0, abs=1e-9
    )
    assert excess(n) <= 1e-12 < excess(n - 1)


def test_needed_exams_say_how_many_in_all():
    found = local(ranked(n_positive=10, n_negative=30), a_point())["exams_needed"]

    positives = needed_exams(0.9, 0.05, 0.95)
    assert (found.unit, found.value) == ("exam", positives)
    assert f"with 25% positive as here, {4 * positives} exams in all" in found.method
