from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.evaluate.makers import SPEC, a_prediction, a_study
from voxray.core.specs import EvaluateSpec, OperatingPointSpec
from voxray.evaluate.exams import ScoredExams
from voxray.evaluate.threshold import (
    choose_threshold,
    crossfit_decisions,
    expected_rate,
    fewest_patients,
    too_few_for,
)


def point(metric="sensitivity", at_least=0.75):
    return OperatingPointSpec(metric=metric, at_least=at_least)


def cost(false_negative, false_positive, prevalence=None):
    return OperatingPointSpec(
        metric="cost",
        false_negative=false_negative,
        false_positive=false_positive,
        prevalence=prevalence,
    )


NEGATIVE = np.arange(1, 99) / 100 + 0.001


def among_negatives(positive: Any) -> tuple[Any, Any]:
    """Scores of positive exams among negative ones that lie densely."""
    score = np.concatenate([positive, NEGATIVE])
    return score, np.arange(len(score)) < len(positive)


def test_threshold_misses_one_in_twenty_of_the_patients_and_a_new_one():
    positive = np.arange(1, 20) / 20  # of 19 and a new one, one may be missed: the new
    assert choose_threshold(*among_negatives(positive), point(at_least=0.95)) < 0.05
    positive = np.arange(1, 40) / 40  # of 39 and a new one two, so one of these
    cut = choose_threshold(*among_negatives(positive), point(at_least=0.95))
    assert positive[0] < cut <= positive[1]


def test_threshold_lies_between_two_scores_where_the_rank_does():
    """(1 - 0.9) x (14 + 1) = 1.5: halfway from the first to the second of 14."""
    positive = np.linspace(0.2, 0.85, 14)
    cut = choose_threshold(*among_negatives(positive), point(at_least=0.9))
    assert cut == pytest.approx(0.225, abs=0.01)


@pytest.mark.parametrize(("n", "t"), [(19, 0.95), (40, 0.95), (25, 0.9), (12, 0.8)])
def test_sensitivity_is_kept_on_average_on_patients_not_chosen_on(n, t):
    """Uniform scores: a new patient reaches the threshold with chance 1 - threshold."""
    generator = np.random.default_rng(n)
    cuts = [
        choose_threshold(*among_negatives(generator.random(n)), point(at_least=t))
        for _ in range(3000)
    ]
    plain = [np.sort(generator.random(n))[int((1 - t) * n + 1e-9)] for _ in range(3000)]

    assert 1 - np.mean(cuts) == pytest.approx(t, abs=0.01)
    rank = int((1 - t) * n + 1e-9) + 1  # of the usual quantile, which keeps less
    assert 1 - np.mean(plain) == pytest.approx(1 - rank / (n + 1), abs=0.01)


@pytest.mark.parametrize(("alike", "most"), [(0.0, 0.985), (0.7, 0.98), (1.0, 0.97)])
def test_exams_of_a_patient_that_are_alike_do_not_lower_it(alike, most):
    """Three exams a patient; if they are not alike, it errs on the safe side."""
    generator = np.random.default_rng(3)

    def drawn(n_patients):
        shared = generator.random((n_patients, 1)) < alike
        own, same = generator.random((n_patients, 3)), generator.random((n_patients, 1))
        return np.where(shared, same, own).ravel()

    found = []
    for _ in range(800):
        score, positive = among_negatives(drawn(25))
        patient = np.repeat(np.arange(len(score)), 3)[: len(score)]
        cut = choose_threshold(score, positive, point(at_least=0.95), patient)
        found.append(1 - cut)
    assert 0.94 < np.mean(found) < most


def test_copies_of_exams_change_no_threshold():
    positive = np.random.default_rng(5).random(25)
    once = choose_threshold(*among_negatives(positive), point(at_least=0.9))
    score, label = among_negatives(np.repeat(positive, 4))
    patient = np.concatenate([np.repeat(np.arange(25), 4), 100 + np.arange(98)])
    assert choose_threshold(score, label, point(at_least=0.9), patient) == once


def test_too_few_patients_miss_nobody_and_it_is_said():
    rows = a_study(np.random.default_rng(0), n_patients=40, n_positive=12)
    exams, asked = ScoredExams.of_class(rows, "yes"), point(at_least=0.95)

    cut = choose_threshold(exams.score, exams.positive, asked)

    assert (exams.score[exams.positive] >= cut).all()
    assert expected_rate(exams, asked) == pytest.approx(12 / 13)
    assert too_few_for(exams, asked) == (
        "12 positive patients are too few to expect 0.95 of new ones, which takes 19; "
        "expect 0.923"
    )
    assert too_few_for(exams, point("specificity", 0.95)) == ""
    assert too_few_for(exams, cost(1, 1)) == ""


@pytest.mark.parametrize(("t", "n"), [(0.5, 1), (0.9, 9), (0.95, 19), (0.99, 99)])
def test_fewest_patients_reach_the_value_with_a_new_one(t, n):
    assert fewest_patients(t) == n
    assert n / (n + 1) == pytest.approx(t)


def test_threshold_lies_midway_to_the_other_class():
    score = np.array([0.1, 0.2, 0.6, 0.8])
    positive = np.array([False, False, True, True])
    cut = choose_threshold(score, positive, point(at_least=0.5))
    assert cut == pytest.approx((0.2 + 0.7) / 2)  # 1.5th of three ranks: 0.6 to 0.8
    cut = choose_threshold(score, positive, point("specificity", 0.6))
    assert cut == pytest.approx((0.18 + 0.6) / 2)  # 0.2 from 0.2 to 0.1


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.tuples(st.integers(0, 10), st.booleans()), min_size=1, max_size=40),
    st.sampled_from([0.05, 0.5, 0.8, 0.9, 0.95, 0.99]),
)
def test_specificity_is_sensitivity_of_the_contrary(rows, at_least):
    score = np.array([s for s, _ in rows]) / 16  # one less such a score is exact
    positive = np.array([p for _, p in rows])
    if positive.all():
        return

    cut = choose_threshold(score, positive, point("specificity", at_least))
    other = choose_threshold(1 - score, ~positive, point("sensitivity", at_least))

    own = ~positive & ~np.isclose(score, cut)  # at the cut itself it is positive
    np.testing.assert_array_equal((score < cut)[own], (1 - score >= other)[own])


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.tuples(st.integers(0, 10), st.booleans()), min_size=1, max_size=40),
    st.sampled_from(["sensitivity", "specificity"]),
    st.sampled_from([0.05, 0.5, 0.8, 0.9, 0.95]),
)
def test_value_is_kept_on_the_exams_it_was_chosen_on_with_ties_too(rows, metric, t):
    score = np.array([s for s, _ in rows]) / 10
    positive = np.array([p for _, p in rows])
    own = positive if metric == "sensitivity" else ~positive
    if not own.any():
        return

    cut = choose_threshold(score, positive, point(metric, t))

    right = (score >= cut) == positive
    assert right[own].mean() >= t - 1e-9


def test_specificity_of_scores_that_are_all_one_flags_nobody():
    cut = choose_threshold(
        np.ones(4), np.array([0, 0, 1, 1], bool), point("specificity")
    )

    assert cut > 1


def test_neighbouring_floats_are_still_parted():
    low, high = 0.5, np.nextafter(0.5, 1)
    cut = choose_threshold(np.array([low, high]), np.array([False, True]), point())

    assert low < cut <= high


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=2, max_size=30),
    st.sampled_from([(1, 1), (10, 1), (1, 20)]),
    st.sampled_from([None, 0.05, 0.5]),
)
def test_no_other_threshold_costs_less(rows, costs, prevalence):
    score = np.array([s for s, _ in rows]) / 8
    positive = np.array([p for _, p in rows])
    if positive.all() or not positive.any():
        return
    share = prevalence or positive.mean()

    def total(cut):
        missed = (score < cut)[positive].mean()
        alarms = (score >= cut)[~positive].mean()
        return costs[0] * share * missed + costs[1] * (1 - share) * alarms

    asked = cost(costs[0], costs[1], prevalence)
    found = choose_threshold(score, positive, asked)

    assert total(found) <= min(total(c) for c in np.arange(-1, 20) / 16) + 1e-9


def test_of_equal_costs_the_more_sensitive_threshold_is_taken():
    score, positive = np.array([0.2, 0.4]), np.array([True, False])
    assert choose_threshold(score, positive, cost(1, 1)) == pytest.approx(0.1)


def test_net_benefit_cuts_at_the_probability_itself():
    asked = OperatingPointSpec(metric="net_benefit", probability=0.2)
    assert choose_threshold(np.array([0.1]), np.array([True]), asked) == 0.2


def test_threshold_of_a_fold_is_not_chosen_on_its_own_patients():
    """Fold 1's own labels would lower the threshold; only its decisions may change."""
    rows = a_study(np.random.default_rng(1))
    turned = [
        replace(r, label={"yes": "no", "no": "yes"}[r.label]) if r.fold == 1 else r
        for r in rows
    ]
    exams, other = (ScoredExams.of_class(x, "yes") for x in (rows, turned))

    flagged, _ = crossfit_decisions(exams, SPEC.operating_point, "platt")
    again, _ = crossfit_decisions(other, SPEC.operating_point, "platt")

    assert np.array_equal(flagged[exams.fold == 1], again[exams.fold == 1])


def test_calibration_that_keeps_the_order_changes_few_decisions():
    exams = ScoredExams.of_class(a_study(np.random.default_rng(4)), "yes")

    plain, _ = crossfit_decisions(exams, EvaluateSpec().operating_point)
    after, _ = crossfit_decisions(exams, EvaluateSpec().operating_point, "platt")

    assert (plain == after).mean() > 0.95


def test_fold_is_not_decided_when_the_others_lack_a_class():
    rows = [
        a_prediction("e0", "p0", 0, "no", 0.1),
        a_prediction("e1", "p1", 0, "yes", 0.9),
        a_prediction("e2", "p2", 1, "no", 0.2),
    ]
    _, decided = crossfit_decisions(ScoredExams.of_class(rows, "yes"), point())

    assert decided.tolist() == [False, False, True]


def test_net_benefit_decides_nothing_that_cannot_be_calibrated():
    exams = ScoredExams.of_class(a_study(np.random.default_rng(5)), "yes")
    asked = OperatingPointSpec(metric="net_benefit", probability=0.2)

    _, decided = crossfit_decisions(exams, asked)

    assert not decided.any()
