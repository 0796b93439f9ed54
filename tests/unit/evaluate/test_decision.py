from dataclasses import replace

import numpy as np
import pytest

from tests.unit.evaluate.makers import (
    BINARY,
    LESION,
    SPEC,
    THREE,
    a_prediction,
    a_study,
)
from tests.unit.evaluate.test_resampling import classify_of
from voxray.core.decision import calibrate, decide
from voxray.core.errors import DatasetError
from voxray.core.specs import EvaluateSpec, TaskSpec
from voxray.evaluate import fit_decision, in_parts
from voxray.evaluate.decision import crossfit
from voxray.evaluate.parts import N_PARTS

CLASSIFY = classify_of(BINARY)
CALIBRATED = EvaluateSpec(calibration="auto")
BENEFIT = EvaluateSpec.model_validate(
    {
        "calibration": "auto",
        "operating_point": {"metric": "net_benefit", "probability": 0.2},
    }
)
LABELS = TaskSpec.model_validate({"classify": {"columns": ["x", "y"]}})


def test_registered_rule_keeps_the_sensitivity_it_was_asked_for():
    rows = a_study(np.random.default_rng(2), exams=2)
    rule = fit_decision(rows, BINARY, SPEC)

    assert rule is not None
    assert rule.operating_point is not None
    positive = [r for r in rows if r.label == "yes"]
    found = [decide(calibrate(r.probabilities, rule), rule) == "yes" for r in positive]
    assert 0.95 <= np.mean(found) <= 0.98
    point = rule.operating_point
    assert (point.n_positive, point.n_negative) == (25, 35)
    assert (point.asked, point.expected) == ("sensitivity of at least 0.95", 0.95)
    assert rule.fitted_on == "out_of_fold"


def test_rule_says_what_it_was_fitted_on():
    rule = fit_decision(a_study(np.random.default_rng(2)), BINARY, SPEC, "calibration")
    assert rule is not None
    assert rule.fitted_on == "calibration"


def test_rule_of_classes_beside_masks_needs_no_measured_mask():
    """The ensemble's masks of calibration patients are not measured."""
    both = TaskSpec(classify=BINARY.classify, segment=LESION.segment)
    rows = a_study(np.random.default_rng(2))

    alone = fit_decision(rows, BINARY, SPEC, "calibration")
    assert alone is not None
    assert fit_decision(rows, both, SPEC, "calibration") == alone


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


def test_lacking_a_class_among_calibration_patients_is_said_of_them():
    rows = [replace(r, label="no") for r in a_study(np.random.default_rng(3))]

    with pytest.raises(
        DatasetError, match=r"^patients of folds.calibration: no threshold .* fraction$"
    ):
        fit_decision(rows, BINARY, SPEC, "calibration")


def test_net_benefit_cuts_calibrated_probabilities():
    rule = fit_decision(a_study(np.random.default_rng(4), 80, 40), BINARY, BENEFIT)

    assert rule is not None
    assert rule.operating_point is not None
    assert rule.calibration is not None
    point = rule.operating_point
    assert (point.threshold, point.expected, point.at_least) == (0.2, None, None)
    assert point.in_words == "net benefit of acting from probability 0.2 on"


@pytest.mark.parametrize(
    ("n_positive", "signal", "said"),
    [
        (7, 1.5, "7 positive and 53 negative patients are too few to calibrate"),
        (30, -4.0, "of 'yes' higher probabilities do not go with it"),
    ],
)
def test_net_benefit_without_a_calibration_is_refused(n_positive, signal, said):
    rows = a_study(np.random.default_rng(5), 60, n_positive, signal=signal)

    with pytest.raises(DatasetError, match=said):
        fit_decision(rows, BINARY, BENEFIT)


@pytest.mark.parametrize("spec", [SPEC, CALIBRATED])
def test_decision_of_an_exam_hangs_on_no_label_of_its_part(spec):
    rows = a_study(np.random.default_rng(6), 100, 50)
    turned = [
        replace(r, label={"yes": "no", "no": "yes"}[r.label]) if r.fold == 1 else r
        for r in rows
    ]
    both = [
        {
            e.prediction.exam_id: (
                e.decision,
                e.prediction.probabilities,
                e.uncertainty,
            )
            for e in crossfit(of, CLASSIFY, spec)
            if e.prediction.fold == 1
        }
        for of in (rows, turned)
    ]

    assert both[0] == both[1]
    assert len(both[0]) == 20


def test_part_that_alone_has_a_class_is_left_out():
    rows = a_study(np.random.default_rng(7), 30, 10)
    rows = [replace(r, fold=0 if r.label == "yes" else 1 + r.fold) for r in rows]

    decided = crossfit(rows, CLASSIFY, SPEC)

    assert {e.prediction.label for e in decided} == {"no"}
    assert len(decided) == 20


def test_part_whose_others_can_refer_nobody_is_decided_all_the_same():
    """One of 20 patients may be referred, and none of 18."""
    spec = EvaluateSpec.model_validate({"refer": {"at_most": 0.05}})
    rows = in_parts(a_study(np.random.default_rng(4), 20, 10), CLASSIFY, 1)

    rule = fit_decision(rows, BINARY, spec, "calibration")
    assert rule is not None
    assert rule.refer is not None
    decided = crossfit(rows, CLASSIFY, spec)

    assert len(decided) == 20
    assert {exam.refer for exam in decided} == {False}


def test_patients_are_dealt_whole_and_alike():
    rows = in_parts(a_study(np.random.default_rng(8), 60, 25, exams=2), CLASSIFY, 1)

    parts = {row.patient_id: row.fold for row in rows}
    assert all(row.fold == parts[row.patient_id] for row in rows)
    sizes = np.bincount(list(parts.values()))
    positive = np.bincount(
        [parts[p] for p in {r.patient_id for r in rows if r.label == "yes"}]
    )
    assert len(sizes) == N_PARTS
    assert len(set(sizes)) == 1
    assert set(positive) == {2, 3}


def test_parts_hang_on_the_seed_and_neither_on_order_nor_on_names():
    rows = a_study(np.random.default_rng(9))
    renamed = [replace(r, patient_id=f"q{99 - int(r.patient_id[1:]):02}") for r in rows]

    def parts(of, seed=1):
        return {row.exam_id: row.fold for row in in_parts(of, CLASSIFY, seed)}

    assert parts(rows[::-1]) == parts(rows)
    assert parts(renamed) == parts(rows)
    assert parts(rows, seed=2) != parts(rows)


def test_patient_counts_as_the_rarest_label():
    """Two of 40 have y, all x: one of them in each of two parts."""
    rows = [
        replace(
            a_prediction(f"e{n}", f"p{n}", 0, None, 0.5),
            probabilities={"x": n / 50, "y": n / 60},
            labels={"x": 1, "y": int(n < 2)},
        )
        for n in range(40)
    ]
    found = in_parts(rows, classify_of(LABELS), 1)

    assert len({row.fold for row in found if row.labels["y"]}) == 2
