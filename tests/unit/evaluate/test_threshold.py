from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.evaluate.makers import (
    BINARY,
    LESION,
    SPEC,
    THREE,
    a_prediction,
    a_study,
)
from voxray.core.decision import calibrate, decide
from voxray.core.errors import DatasetError
from voxray.core.specs import EvaluateSpec
from voxray.core.specs.experiment import OperatingPointSpec
from voxray.evaluate import fit_decision
from voxray.evaluate.exams import ScoredExams
from voxray.evaluate.threshold import choose_threshold, crossfit_decisions


def point(metric="sensitivity", at_least=0.75):
    return OperatingPointSpec(metric=metric, at_least=at_least)


SCORE = np.array([0.1, 0.2, 0.4, 0.6, 0.7, 0.9])
LABEL = np.array([False, True, False, True, True, True])


def test_sensitivity_threshold_is_the_highest_that_keeps_it_midway_to_the_next():
    assert choose_threshold(SCORE, LABEL, point(at_least=0.75)) == pytest.approx(0.5)
    assert choose_threshold(SCORE, LABEL, point(at_least=0.76)) == pytest.approx(0.15)
    assert choose_threshold(SCORE, LABEL, point(at_least=0.5)) == pytest.approx(0.65)


def test_specificity_threshold_is_the_lowest_that_keeps_it():
    assert choose_threshold(SCORE, LABEL, point("specificity", 0.5)) == pytest.approx(
        0.15
    )
    assert choose_threshold(SCORE, LABEL, point("specificity", 0.9)) == pytest.approx(
        0.5
    )


def test_share_that_is_a_whole_number_of_exams_is_not_rounded_up():
    score = np.arange(20) / 20
    cut = choose_threshold(score, np.ones(20, bool), point(at_least=0.55))

    assert (score >= cut).sum() == 11


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
    st.lists(st.tuples(st.integers(0, 10), st.booleans()), min_size=1, max_size=40),
    st.sampled_from(["sensitivity", "specificity"]),
    st.sampled_from([0.05, 0.5, 0.8, 0.9, 0.95, 0.99]),
)
def test_metric_is_kept_and_no_better_threshold_keeps_it(rows, metric, at_least):
    score = np.array([s for s, _ in rows]) / 10
    positive = np.array([p for _, p in rows])
    own = positive if metric == "sensitivity" else ~positive
    if not own.any():
        return

    cut = choose_threshold(score, positive, point(metric, at_least))

    def kept(threshold):
        right = (score >= threshold) == positive
        return right[own].mean() >= at_least - 1e-9

    assert kept(cut)
    beyond = score[score >= cut] if metric == "sensitivity" else score[score < cut]
    if len(beyond):
        step = beyond.min() + 1e-6 if metric == "sensitivity" else beyond.max()
        assert not kept(step)


def test_threshold_of_a_fold_is_not_chosen_on_its_own_patients():
    """Fold 1's own labels would lower the threshold; only its decisions may change."""
    rows = a_study(np.random.default_rng(1))
    turned = [
        replace(r, label={"yes": "no", "no": "yes"}[r.label]) if r.fold == 1 else r
        for r in rows
    ]
    exams, other = (ScoredExams.of_class(x, "yes") for x in (rows, turned))

    flagged, _ = crossfit_decisions(exams, SPEC.operating_point)
    again, _ = crossfit_decisions(other, SPEC.operating_point)

    assert np.array_equal(flagged[exams.fold == 1], again[exams.fold == 1])


def test_fold_is_not_decided_when_the_others_lack_a_class():
    rows = [
        a_prediction("e0", "p0", 0, "no", 0.1),
        a_prediction("e1", "p1", 0, "yes", 0.9),
        a_prediction("e2", "p2", 1, "no", 0.2),
    ]
    _, decided = crossfit_decisions(ScoredExams.of_class(rows, "yes"), point())

    assert decided.tolist() == [False, False, True]


def test_registered_rule_keeps_the_sensitivity_it_was_asked_for():
    rows = a_study(np.random.default_rng(2), exams=2)
    rule = fit_decision(rows, BINARY, SPEC)

    assert rule is not None
    assert rule.operating_point is not None
    positive = [r for r in rows if r.label == "yes"]
    found = [decide(calibrate(r.probabilities, rule), rule) == "yes" for r in positive]
    assert 0.95 <= np.mean(found) < 0.98
    assert (rule.operating_point.n_positive, rule.operating_point.n_negative) == (
        25,
        35,
    )


def test_repeats_of_an_exam_are_averaged_for_the_registered_rule():
    rows = [
        a_prediction("e0", "p0", 0, "yes", 0.2),
        a_prediction("e0", "p0", 0, "yes", 0.6, repeat=1),
        a_prediction("e1", "p1", 1, "no", 0.1),
        a_prediction("e1", "p1", 1, "no", 0.3, repeat=1),
    ]
    rule = fit_decision(rows, BINARY, EvaluateSpec())

    assert rule is not None
    assert rule.operating_point is not None
    assert rule.operating_point.threshold == pytest.approx(0.3)


def test_no_classification_no_rule():
    assert fit_decision([], LESION, SPEC) is None


def test_three_classes_have_no_operating_point():
    row = replace(
        a_prediction("e", "p", 0, "a", 0.5),
        probabilities={"a": 0.2, "b": 0.3, "c": 0.5},
    )
    rule = fit_decision([row], THREE, SPEC)

    assert rule is not None
    assert (rule.operating_point, rule.positive) == (None, "c")


@pytest.mark.parametrize(("label", "said"), [("no", "negative"), ("yes", "positive")])
def test_rule_needs_both_classes(label, said):
    rows = [replace(r, label=label) for r in a_study(np.random.default_rng(3))]

    with pytest.raises(DatasetError, match=rf"all 60 predicted patients are {said}"):
        fit_decision(rows, BINARY, SPEC)
