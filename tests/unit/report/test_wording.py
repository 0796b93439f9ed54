import pytest

from tests.unit.report.makers import a_metric
from voxray.report.naming import picture_name
from voxray.report.wording import (
    counts,
    estimate,
    method,
    metric_meanings,
    metric_name,
    probability,
)


def test_estimate_carries_its_interval():
    assert estimate(a_metric()) == "0.874 [0.710, 0.950]"


def test_estimate_without_interval_says_so():
    assert estimate(a_metric(low=None)) == "0.874 [interval not estimable]"


def test_estimate_without_value_is_not_estimable():
    assert estimate(a_metric(value=None, low=None, high=None)) == "not estimable"


def test_number_of_exams_is_a_count_of_all_exams():
    metric = a_metric(metric="true_negative_exams", unit="exam", value=12.0, low=None)
    assert estimate(metric) == "12 of 30"


def test_large_values_have_fewer_decimals():
    metric = a_metric(metric="hd95_mm", value=12.345, low=9.5, high=1234.5)
    assert estimate(metric) == "12.3 [9.500, 1,234]"


def test_counts_leave_out_positives_where_there_are_none():
    assert counts(a_metric(n_patients=1, n_positive=0)) == "1 patient, 30 exams"


@pytest.mark.parametrize(
    ("name", "resamples", "words"),
    [
        ("DeLong", 0, "DeLong"),
        ("bootstrap", 2000, "bootstrap; 2,000 resamples, seed 1"),
        ("", 200, "200 resamples, seed 1"),
    ],
)
def test_method_names_resamples_and_seed(name, resamples, words):
    assert method(a_metric(method=name, resamples=resamples)) == words


def test_meaning_is_given_once_per_kind_that_is_known():
    metrics = [a_metric(), a_metric(class_="x"), a_metric(metric="novel")]
    assert list(metric_meanings(metrics)) == ["Area under the ROC curve (AUC)"]


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.0, "0.000"), (1.0, "1.000"), (0.0004, "< 0.001"), (0.9996, "> 0.999")],
)
def test_rounding_never_makes_certainty(value, words):
    assert probability(value) == words


def test_names_that_differ_by_case_get_different_files():
    names = {picture_name("scan", name) for name in ("case", "Case", "CASE")}
    assert len({name.lower() for name in names}) == 3


def test_long_and_foreign_names_give_short_safe_files():
    name = picture_name("scan", "é/" * 200)
    assert name.isascii()
    assert len(name) < 100
    assert ".." not in name


def test_figures_by_patient_are_named_like_those_by_exam():
    assert metric_name("brier_per_patient") == "Brier score, by patient"
