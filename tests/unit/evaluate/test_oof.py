from dataclasses import replace

import numpy as np
import pytest

from tests.unit.evaluate.makers import (
    BESIDES,
    BINARY,
    LESION,
    SPEC,
    THREE,
    a_mask,
    a_prediction,
    a_study,
    by_name,
    numbers,
)
from voxray.core.errors import DatasetError, LeakageError
from voxray.core.records import FoldRole, FoldRow
from voxray.core.specs import EvaluateSpec, TaskSpec
from voxray.evaluate import evaluate_oof, require_out_of_fold


def three_classes(n_patients=90):
    """Each class scores 1.5 standard deviations higher on its own output."""
    generator = np.random.default_rng(1)
    rows = []
    for patient in range(n_patients):
        label = patient % 3
        raw = np.exp(generator.normal(size=3) + 1.5 * (np.arange(3) == label))
        shares = dict(zip("abc", (raw / raw.sum()).tolist(), strict=True))
        row = a_prediction(f"e{patient}", f"p{patient}", patient % 5, "abc"[label], 0.5)
        rows.append(replace(row, probabilities=shares))
    return rows


def test_two_classes_give_auc_pooled_auc_sensitivity_and_specificity():
    spec = EvaluateSpec.model_validate(
        {"resamples": 400, "operating_point": {"at_least": 0.8}}
    )
    metrics = evaluate_oof(a_study(np.random.default_rng(1)), BINARY, spec, seed=7)

    assert [m.metric for m in metrics] == [
        "auc",
        "auc_pooled",
        "sensitivity",
        "specificity",
        *BESIDES,
        "accuracy",
        "balanced_accuracy",
        "accuracy_at_operating_point",
        "balanced_accuracy_at_operating_point",
    ]
    assert [m.class_ for m in metrics] == ["yes"] * 18 + [""] * 4
    assert {(m.unit, m.level, m.seed, m.subset) for m in metrics} == {
        ("patient", 0.95, 7, "all")
    }
    assert all(list(numbers(m)) == sorted(numbers(m)) for m in metrics)


def test_three_classes_give_each_class_and_their_mean():
    metrics = evaluate_oof(three_classes(), THREE, SPEC, seed=1)

    aucs = {m.class_: m.value for m in metrics if m.metric == "auc"}
    assert list(aucs) == ["macro", "a", "b", "c"]
    assert aucs["macro"] == pytest.approx(np.mean([aucs[c] for c in "abc"]))
    macro = next(m for m in metrics if m.class_ == "macro")
    low, value, high = numbers(macro)
    assert low < value < high
    assert "likeliest" in by_name(metrics, "a")["sensitivity"].method


def test_sensitivities_of_three_classes_are_recalls_of_the_likeliest():
    rows = three_classes()
    metrics = evaluate_oof(rows, THREE, SPEC, seed=1)

    said = [max(r.probabilities, key=r.probabilities.__getitem__) for r in rows]
    for name in "abc":
        own = [s == name for s, r in zip(said, rows, strict=True) if r.label == name]
        assert by_name(metrics, name)["sensitivity"].value == pytest.approx(
            np.mean(own)
        )


def test_class_that_nobody_has_leaves_words_not_a_crash():
    rows = [r for r in three_classes() if r.label != "c"]
    metrics = by_name(evaluate_oof(rows, THREE, SPEC, seed=1), "c")

    assert metrics["auc"].value is metrics["sensitivity"].value is None
    assert metrics["specificity"].value is not None


def test_one_class_in_all_data_leaves_words_not_a_crash():
    rows = [replace(r, label="no") for r in a_study(np.random.default_rng(2))]

    metrics = evaluate_oof(rows, BINARY, SPEC, seed=1)

    assert [m.metric for m in metrics if m.value is not None] == [
        "brier",
        "log_loss",
        "ece",
        "accuracy",
    ]
    assert all("not estimable" in m.method for m in metrics if m.value is None)


def test_classes_and_structures_are_both_reported():
    task = TaskSpec(classify=BINARY.classify, segment=LESION.segment)
    rows = [
        replace(r, dice={"lesion": 0.8}, volume_ml={"lesion": 1.0})
        for r in a_study(np.random.default_rng(3))
    ]

    names = {m.metric for m in evaluate_oof(rows, task, SPEC, seed=1)}

    assert {"auc", "sensitivity", "dice", "true_negative_exams"} <= names


def test_order_of_predictions_changes_nothing():
    rows = a_study(np.random.default_rng(4), exams=2)

    there = evaluate_oof(rows, BINARY, SPEC, seed=1)

    assert evaluate_oof(rows[::-1], BINARY, SPEC, seed=1) == there


def test_nothing_to_evaluate_is_refused():
    with pytest.raises(DatasetError, match=r"no out-of-fold prediction"):
        evaluate_oof([], BINARY, SPEC, seed=1)


def test_exam_predicted_twice_in_a_repeat_is_refused():
    rows = [a_prediction("e0", "p0", f, "no", 0.1) for f in range(2)]

    with pytest.raises(DatasetError, match=r"'e0' is predicted 2 times in repeat 0"):
        evaluate_oof(rows, BINARY, SPEC, seed=1)


@pytest.mark.parametrize("label", [None, "maybe"])
def test_unknown_label_is_refused(label):
    rows = [a_prediction("e0", "p0", 0, label, 0.1)]

    with pytest.raises(DatasetError, match=r"label .* none of \['no', 'yes'\]"):
        evaluate_oof(rows, BINARY, SPEC, seed=1)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            a_prediction("e0", "p0", 3, "no", float("nan")),
            r"2 pred.*'no' of exam 'e0', f",
        ),
        (
            replace(a_prediction("e0", "p0", 3, "no", 0.5), probabilities={"no": 0.5}),
            r"1 predicted .* probability of 'yes' of exam 'e0', fold 3 of repeat 0",
        ),
        (a_mask("e0", "p0", float("nan")), r"the Dice of 'lesion'"),
        (
            replace(a_mask("e0", "p0", 0.5), hd95_mm={"lesion": float("inf")}),
            r"hd95_mm of 'lesion'",
        ),
        (a_mask("e0", "p0", 0.5, predicted=float("inf")), r"a volume of 'lesion'"),
    ],
)
def test_numbers_that_are_not_finite_are_refused_and_the_fold_is_named(row, said):
    task = BINARY if row.probabilities else LESION

    with pytest.raises(DatasetError, match=said):
        evaluate_oof([row], task, SPEC, seed=1)


def test_prediction_by_a_model_that_saw_the_patient_is_refused():
    table = [
        FoldRow(0, n, f"p{n}", f"p{n}", FoldRole.HELD_OUT)  # type: ignore[arg-type]
        for n in range(2)
    ]
    honest = a_prediction("e0", "p0", 0, "no", 0.1)
    leaked = a_prediction("e1", "p1", 0, "yes", 0.9)

    require_out_of_fold([honest], table)
    with pytest.raises(LeakageError, match=r"1 of 2 .* 'e1' of patient 'p1' by fold 0"):
        require_out_of_fold([honest, leaked], table)


def test_validation_patient_is_not_out_of_fold():
    table = [FoldRow(0, 0, "p0", "p0", FoldRole.VALIDATION)]  # type: ignore[arg-type]

    with pytest.raises(LeakageError, match="did not hold the patient out"):
        require_out_of_fold([a_prediction("e0", "p0", 0, "no", 0.1)], table)
