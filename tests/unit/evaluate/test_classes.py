from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, roc_auc_score

from tests.unit.evaluate.makers import (
    BESIDES,
    SPEC,
    a_prediction,
    a_study,
    by_name,
    numbers,
)
from voxray.core.decision import decide
from voxray.core.errors import DatasetError
from voxray.core.specs import Target, TaskSpec
from voxray.evaluate import (
    class_roc_points,
    evaluate_oof,
    fit_decision,
    read_predictions,
    write_predictions,
)

LABELS = TaskSpec.model_validate({"classify": {"columns": ["nodule", "fluid"]}})
GRADES = TaskSpec.model_validate(
    {
        "classify": {
            "column": "y",
            "classes": {"low": 0, "mid": 1, "high": 2},
            "ordinal": True,
        }
    }
)


def two_labels(n_patients=80, signal=1.5, seed=0):
    """Labels drawn by themselves; every fourth patient's fluid is not stated."""
    generator = np.random.default_rng(seed)
    rows = []
    for patient in range(n_patients):
        there = generator.random(2) < (0.5, 0.4)
        logit = signal * (2 * there - 1) + generator.normal(size=2)
        shares = (1 / (1 + np.exp(-logit))).tolist()
        labels = {"nodule": int(there[0]), "fluid": int(there[1])}
        if patient % 4 == 0:
            del labels["fluid"]
        row = a_prediction(f"e{patient:03}", f"p{patient:03}", patient % 4, None, 0.5)
        said = dict(zip(("nodule", "fluid"), shares, strict=True))
        rows.append(replace(row, labels=labels, probabilities=said))
    return rows


def three_grades(n_patients=90):
    names = ("low", "mid", "high")
    generator = np.random.default_rng(3)
    rows = []
    for patient in range(n_patients):
        grade = patient % 3
        place = grade + 0.6 * generator.normal()
        raw = np.exp(-((np.arange(3) - place) ** 2))
        shares = dict(zip(names, raw / raw.sum(), strict=True))
        row = a_prediction(f"e{patient:03}", f"p{patient:03}", patient % 5, None, 0.5)
        rows.append(replace(row, label=names[grade], probabilities=shares))
    return rows


def test_each_label_has_the_figures_of_two_classes_and_there_is_a_mean():
    metrics = evaluate_oof(two_labels(), LABELS, SPEC, seed=1)

    assert (metrics[0].metric, metrics[0].class_) == ("auc", "macro")
    for name in ("nodule", "fluid"):
        assert list(by_name(metrics, name)) == [
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
    for metric in metrics:
        low, value, high = numbers(metric)
        assert low <= value <= high


def test_a_label_is_judged_on_the_exams_that_state_it():
    rows = two_labels()
    found = by_name(evaluate_oof(rows, LABELS, SPEC, seed=1), "fluid")

    stated = [row for row in rows if "fluid" in row.labels]
    truth = [row.labels["fluid"] for row in stated]
    score = [row.probabilities["fluid"] for row in stated]
    assert found["auc_pooled"].value == pytest.approx(roc_auc_score(truth, score))
    assert found["accuracy"].n_exams == len(stated) == 60
    said = [s >= 0.5 for s in score]
    assert found["accuracy"].value == pytest.approx(accuracy_score(truth, said))


def test_the_mean_over_labels_is_of_their_aucs_and_counts_everyone():
    metrics = evaluate_oof(two_labels(), LABELS, SPEC, seed=1)

    aucs = {m.class_: m.value for m in metrics if m.metric == "auc"}
    both = [aucs["nodule"], aucs["fluid"]]
    assert aucs["macro"] == pytest.approx(np.mean(np.array(both)))
    assert metrics[0].n_patients == 80
    assert "mean over 2 labels of the within-fold AUC;" in metrics[0].method


def test_order_of_predictions_changes_no_figure_of_labels():
    rows = two_labels()
    there = evaluate_oof(rows, LABELS, SPEC, seed=1)
    assert evaluate_oof(rows[::-1], LABELS, SPEC, seed=1) == there


@pytest.mark.parametrize(
    ("labels", "said"),
    [({}, "has no label; labels:"), ({"nodule": 2}, "{'nodule': 2}, which are not 0")],
)
def test_labels_that_are_missing_or_odd_are_refused(labels, said):
    rows = [replace(two_labels()[0], labels=labels)]
    with pytest.raises(DatasetError, match=said):
        evaluate_oof(rows, LABELS, SPEC, seed=1)


def test_labels_read_back_from_the_table(tmp_path):
    rows = tuple(two_labels(8))
    write_predictions(rows, tmp_path / "oof.parquet")
    found = read_predictions(tmp_path / "oof.parquet")
    assert sorted(found, key=lambda row: row.exam_id) == list(rows)


def test_the_rule_of_labels_keeps_the_sensitivity_of_each():
    rows = two_labels()
    rule = fit_decision(rows, LABELS, SPEC)
    assert rule is not None
    assert rule.target is Target.LABELS
    for name in rule.classes:
        point = rule.operating_points[name]
        own = [r.probabilities[name] for r in rows if r.labels.get(name) == 1]
        assert np.mean([p >= point.threshold for p in own]) >= 0.95
        assert point.n_positive == len(own)
    assert decide({"nodule": 0.999, "fluid": 0.0}, rule) == "nodule"


def test_no_rule_for_a_label_that_nobody_has():
    rows = [replace(r, labels={**r.labels, "nodule": 0}) for r in two_labels()]
    with pytest.raises(DatasetError, match="no threshold for 'nodule': all 80 predict"):
        fit_decision(rows, LABELS, SPEC)


def test_grades_have_kappa_and_distance_besides_the_figures_of_classes():
    metrics = evaluate_oof(three_grades(), GRADES, SPEC, seed=1)

    found = by_name(metrics, "")
    assert list(found) == [
        "accuracy",
        "balanced_accuracy",
        "mcc",
        "quadratic_kappa",
        "linear_kappa",
        "class_error",
        "ordinal_c_index",
        "ranked_probability_score",
    ]
    assert [m.class_ for m in metrics if m.metric == "auc"] == [
        "macro",
        "low",
        "mid",
        "high",
    ]
    assert "median class decides" in by_name(metrics, "mid")["sensitivity"].method
    assert found["quadratic_kappa"].value > 0.6


def test_accuracy_of_grades_is_that_of_the_registered_rule():
    rows = three_grades()
    rule = fit_decision(rows, GRADES, SPEC)
    assert rule is not None
    assert rule.operating_point is None
    right = [decide(row.probabilities, rule) == row.label for row in rows]
    found = by_name(evaluate_oof(rows, GRADES, SPEC, seed=1), "")
    assert found["accuracy"].value == pytest.approx(np.mean(right))


@pytest.mark.parametrize("names", [("no", "yes"), ("yes", "no")])
def test_accuracy_of_two_classes_is_that_of_the_likeliest(names):
    classes = dict(zip(names, (0, 1), strict=True))
    said = {"column": "y", "classes": classes, "positive": "yes"}
    rows = a_study(np.random.default_rng(5))
    rows[0] = replace(rows[0], probabilities={"no": 0.5, "yes": 0.5})
    found = evaluate_oof(
        rows, TaskSpec.model_validate({"classify": said}), SPEC, seed=1
    )
    likeliest = [max(names, key=row.probabilities.__getitem__) for row in rows]
    right = [s == row.label for s, row in zip(likeliest, rows, strict=True)]
    assert by_name(found, "")["accuracy"].value == pytest.approx(np.mean(right))


def test_accuracy_at_the_operating_point_mixes_its_sensitivity_and_specificity():
    found = by_name(
        evaluate_oof(
            a_study(np.random.default_rng(6)),
            TaskSpec.model_validate(
                {"classify": {"column": "y", "classes": {"no": 0, "yes": 1}}}
            ),
            SPEC,
            seed=1,
        )
    )
    sides = [found["sensitivity"].value, found["specificity"].value]
    balanced = found["balanced_accuracy_at_operating_point"].value
    assert balanced == pytest.approx(np.mean(sides))
    share = found["accuracy_at_operating_point"].value
    assert share == pytest.approx((25 * sides[0] + 35 * sides[1]) / 60)


@pytest.mark.parametrize(
    ("rows", "task", "names"),
    [
        (two_labels(), LABELS, ["nodule", "fluid"]),
        (three_grades(), GRADES, ["low", "mid", "high"]),
    ],
)
def test_each_class_or_label_has_its_curves(rows, task, names):
    curves = class_roc_points(rows, task.classify)
    assert list(curves) == names
    assert all(len(own) > 2 for own in curves.values())
