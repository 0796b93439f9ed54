import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score, confusion_matrix

from tests.unit.evaluate.makers import SETTINGS, a_prediction, by_name, numbers
from voxray.evaluate.agreement import balanced_accuracy, mean_distance, quadratic_kappa
from voxray.evaluate.confusion import DecidedExams, agreement_metrics, error_metrics
from voxray.evaluate.exams import ScoredExams

PAIRS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=12, max_size=40
)
ALL = [(n, n) for n in range(4)]


def a_table(pairs):
    truth, said = zip(*pairs, strict=True)
    table = confusion_matrix(truth, said, labels=range(4)).astype(float)
    return list(truth), list(said), table


def decided(grades, exams=1, repeats=1):
    """A patient per entry, with as many exams and repeats as asked for.

    Args:
        grades: True grade, then decided grade of each patient.
        exams: Of each patient.
        repeats: Of each exam.
    """
    truth, said = map(np.asarray, grades)
    rows = [
        a_prediction(f"e{p:03}-{e}", f"p{p:03}", p % 5, "no", 0.5, repeat)
        for repeat in range(repeats)
        for p in range(len(truth))
        for e in range(exams)
    ]
    scored = ScoredExams.of_class(rows, "yes")
    truth, said = truth[scored.patient], said[scored.patient]
    used = np.ones(len(truth), dtype=bool)
    return DecidedExams(scored, truth, said, used, 3, "likeliest class decides")


def grades(n=90, seed=0):
    """Grades of which two thirds are decided rightly, the others by one class off."""
    generator = np.random.default_rng(seed)
    truth = np.arange(n) % 3
    off = generator.choice([-1, 0, 0, 0, 1], n)
    return truth, np.clip(truth + off, 0, 2)


def class_error(exams):
    return by_name(error_metrics(exams, SETTINGS))["class_error"]


@settings(deadline=None, max_examples=40)
@given(PAIRS)
def test_quadratic_kappa_is_that_of_scikit_learn(pairs):
    truth, said, table = a_table(pairs + ALL)
    wanted = cohen_kappa_score(truth, said, weights="quadratic")
    assert float(quadratic_kappa(table)) == pytest.approx(wanted)


@settings(deadline=None, max_examples=40)
@given(PAIRS)
def test_balanced_accuracy_is_that_of_scikit_learn(pairs):
    truth, said, table = a_table(pairs + ALL)
    assert float(balanced_accuracy(table)) == pytest.approx(
        balanced_accuracy_score(truth, said)
    )


def test_mean_distance_counts_classes():
    _, _, table = a_table([(0, 0), (0, 3), (1, 2), (3, 3)])
    assert float(mean_distance(table)) == pytest.approx((0 + 3 + 1 + 0) / 4)


def test_a_class_without_exams_has_no_balanced_accuracy():
    _, _, table = a_table([(0, 0), (1, 1)])
    assert np.isnan(balanced_accuracy(table))


def test_kappa_without_any_difference_is_no_number():
    _, _, table = a_table([(1, 1), (1, 1)])
    assert np.isnan(quadratic_kappa(table))


def test_grades_have_figures_with_intervals_inside_the_possible_range():
    exams = decided(grades())
    found = by_name(
        [*agreement_metrics("", exams, SETTINGS), *error_metrics(exams, SETTINGS)]
    )
    assert list(found) == [
        "accuracy",
        "balanced_accuracy",
        "quadratic_kappa",
        "linear_kappa",
        "class_error",
    ]
    for metric in found.values():
        low, value, high = numbers(metric)
        assert 0 < low < value < high < 1
        assert (metric.n_exams, metric.n_patients, metric.n_positive) == (90, 90, 0)
    assert found["quadratic_kappa"].resamples == 400


def test_ten_exams_of_a_patient_are_not_ten_facts():
    once, often = (
        numbers(error_metrics(decided(grades(), exams=n), SETTINGS)[0]) for n in (1, 10)
    )
    assert often == pytest.approx(once)


def test_repeats_of_an_exam_are_not_more_exams():
    once, often = (
        agreement_metrics("", decided(grades(), repeats=n), SETTINGS) for n in (1, 3)
    )
    assert [m.value for m in once] == pytest.approx([m.value for m in often])
    assert [m.n_exams for m in often] == [90, 90]


def test_classes_of_few_patients_have_a_value_and_no_interval():
    truth = [0] * 20 + [1] * 9 + [2] * 20
    metric = class_error(decided((truth, [0] * 49)))
    assert metric.value == pytest.approx((9 + 40) / 49)
    assert metric.low is None
    assert "9 patients of class 2 of 3, at least 10 needed" in metric.method


def test_all_right_has_no_interval_of_balanced_accuracy():
    truth, _ = grades()
    metric = agreement_metrics("", decided((truth, truth)), SETTINGS)[1]
    assert (metric.value, metric.low) == (1, None)
    assert "no spread is seen" in metric.method


def test_intervals_contain_the_truth_about_as_often_as_they_say():
    held = 0
    for seed in range(60):
        metric = class_error(decided(grades(75, seed)))
        low, _, high = numbers(metric)
        held += low <= (1 / 5 + 2 / 5 + 1 / 5) / 3 <= high
    assert held >= 52
