from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tests.unit.evaluate.makers import (
    BINARY,
    SPEC,
    THREE,
    a_prediction,
    a_study,
    by_name,
)
from tests.unit.evaluate.test_classes import GRADES, LABELS, two_labels
from tests.unit.evaluate.test_resampling import classify_of
from voxray.core.specs import EvaluateSpec, TaskSpec
from voxray.evaluate import evaluate_oof, shown_predictions
from voxray.evaluate.patients import patient_predictions, patient_rule

ABOUT_PATIENTS = TaskSpec.model_validate(
    {"classify": {"column": "y", "classes": {"no": 0, "yes": 1}, "level": "patient"}}
)
TWO_EXAMS = [
    a_prediction("e0", "p0", 0, "no", 0.2),
    a_prediction("e1", "p0", 0, "yes", 0.6),
    a_prediction("e2", "p1", 1, "no", 0.5),
]


def graded(exam, patient, label, shares):
    row = a_prediction(exam, patient, 0, label, 0.5)
    names = ("low", "mid", "high")
    return replace(row, probabilities=dict(zip(names, shares, strict=True)))


@pytest.mark.parametrize(("rule", "share"), [("maximum", 0.6), ("mean", 0.4)])
def test_a_patient_is_positive_when_any_exam_is(rule, share):
    first, second = patient_predictions(TWO_EXAMS, classify_of(BINARY), rule)
    assert (first.exam_id, first.label) == ("p0", "yes")
    assert first.probabilities["yes"] == pytest.approx(share)
    assert first.probabilities["no"] == pytest.approx(1 - share)
    assert (second.exam_id, second.label, second.fold) == ("p1", "no", 1)


def test_repeats_stay_apart():
    rows = TWO_EXAMS + [replace(r, repeat=1) for r in TWO_EXAMS]
    found = patient_predictions(rows, classify_of(BINARY), "mean")
    assert [(row.repeat, row.patient_id) for row in found] == [
        (0, "p0"),
        (0, "p1"),
        (1, "p0"),
        (1, "p1"),
    ]


def test_of_ordered_classes_the_highest_counts_and_its_likeliest_exam():
    rows = [
        graded("e0", "p0", "low", (0.8, 0.1, 0.1)),
        graded("e1", "p0", "mid", (0.1, 0.2, 0.7)),
    ]
    (found,) = patient_predictions(rows, classify_of(GRADES), "maximum")
    assert found.label == "mid"
    assert found.probabilities == rows[1].probabilities


def test_patients_of_several_unordered_classes_are_left_out():
    shares = {"a": 0.2, "b": 0.3, "c": 0.5}
    rows = [
        replace(a_prediction(e, p, 0, label, 0.5), probabilities=shares)
        for e, p, label in (("e0", "p0", "a"), ("e1", "p0", "b"), ("e2", "p1", "c"))
    ]
    (found,) = patient_predictions(rows, classify_of(THREE), "mean")
    assert (found.patient_id, found.label) == ("p1", "c")


def test_a_label_is_there_when_any_exam_that_states_it_has_it():
    base = a_prediction("e0", "p0", 0, None, 0.5)
    rows = [
        replace(
            base,
            exam_id=f"e{n}",
            labels=labels,
            probabilities={"nodule": share, "fluid": share},
        )
        for n, (labels, share) in enumerate(
            [({"nodule": 0}, 0.9), ({"nodule": 1, "fluid": 0}, 0.4)]
        )
    ]
    (found,) = patient_predictions(rows, classify_of(LABELS), "maximum")
    assert found.labels == {"nodule": 1, "fluid": 0}
    assert found.probabilities == {"nodule": 0.9, "fluid": 0.4}


def test_the_rule_follows_the_task_unless_it_is_set():
    assert patient_rule(classify_of(BINARY), SPEC) == "maximum"
    assert patient_rule(classify_of(ABOUT_PATIENTS), SPEC) == "mean"
    assert (
        patient_rule(classify_of(THREE), EvaluateSpec(patient_score="maximum"))
        == "mean"
    )
    highest = EvaluateSpec(patient_score="maximum")
    assert patient_rule(classify_of(ABOUT_PATIENTS), highest) == "maximum"


def test_figures_by_patient_are_those_of_the_combined_scores():
    rows = a_study(np.random.default_rng(0), exams=3)
    found = by_name(evaluate_oof(rows, BINARY, SPEC, seed=1))

    highest: dict[str, float] = {}
    truth: dict[str, bool] = {}
    for row in rows:
        own = highest.get(row.patient_id, 0)
        highest[row.patient_id] = max(own, row.probabilities["yes"])
        truth[row.patient_id] = row.label == "yes"
    auc = roc_auc_score([truth[p] for p in highest], list(highest.values()))
    assert found["auc_pooled_per_patient"].value == pytest.approx(auc)
    assert found["auc_per_patient"].n_exams == 60
    assert "highest probability of the exams" in found["auc_per_patient"].method
    assert "0 of 60 patients have both" in found["auc_per_patient"].method
    by_exam = {name for name in found if not name.endswith("_per_patient")}
    assert {f"{name}_per_patient" for name in by_exam} < set(found)


def test_patients_with_exams_of_both_classes_are_counted_in_words():
    rows = a_study(np.random.default_rng(1), exams=2)
    rows[0] = replace(rows[0], label="no")
    found = by_name(evaluate_oof(rows, BINARY, SPEC, seed=1))
    assert "(1 of 60 patients have both)" in found["brier_per_patient"].method


def test_one_exam_a_patient_has_figures_by_patient_only_when_asked_for():
    rows = a_study(np.random.default_rng(2))
    assert "auc_per_patient" not in by_name(evaluate_oof(rows, BINARY, SPEC, 1))
    found = by_name(evaluate_oof(rows, ABOUT_PATIENTS, SPEC, 1))
    assert found["auc_per_patient"].value == found["auc"].value


def test_labels_have_figures_by_patient_and_their_mean():
    rows = two_labels()
    again = rows + [replace(r, exam_id=f"{r.exam_id}-2") for r in rows]
    found = evaluate_oof(again, LABELS, SPEC, seed=1)
    for name in ("macro", "nodule", "fluid"):
        own = by_name(found, name)
        once = by_name(evaluate_oof(rows, LABELS, SPEC, seed=1), name)
        assert own["auc_per_patient"].value == pytest.approx(once["auc"].value)


def test_pictures_count_patients_where_the_task_is_about_them():
    assert shown_predictions(TWO_EXAMS, classify_of(BINARY), SPEC) == TWO_EXAMS
    assert len(shown_predictions(TWO_EXAMS, classify_of(ABOUT_PATIENTS), SPEC)) == 2
