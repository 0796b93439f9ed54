from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tests.unit.evaluate.makers import (
    BINARY,
    LESION,
    SPEC,
    a_mask,
    a_prediction,
    a_study,
    by_name,
    numbers,
)
from voxray.core.specs import DecisionRule, OperatingPoint
from voxray.evaluate import (
    design_metrics,
    evaluate_oof,
    holdout_metrics,
    registered_points,
    repeat_name,
)
from voxray.evaluate.estimate import Settings

HOW = "look 2 at the locked holdout, registered ensemble of 5 networks"


def twice(rows):
    """The same predictions once more, as a second repeat that agrees."""
    return [*rows, *(replace(row, repeat=1) for row in rows)]


def two_repeats(seed=3):
    """Other scores and other folds in the second repeat."""
    first = a_study(np.random.default_rng(seed))
    second = a_study(np.random.default_rng(seed + 1))
    moved = [replace(r, repeat=1, fold=(r.fold + 1) % 5) for r in second]
    return first, moved


def of_part(metrics, part, name):
    (found,) = [m for m in metrics if (m.subset, m.metric) == (part, name)]
    return found


@pytest.mark.parametrize("exams", [1, 3])
def test_repeats_that_agree_give_the_interval_of_one_repeat(exams):
    """Twice the predictions of the same patients are no more patients."""
    rows = a_study(np.random.default_rng(5), exams=exams)

    once = by_name(evaluate_oof(rows, BINARY, SPEC, 1))
    both = by_name(evaluate_oof(twice(rows), BINARY, SPEC, 1))

    for name in ("auc", "sensitivity", "specificity", "brier", "calibration_slope"):
        assert numbers(both[name]) == pytest.approx(numbers(once[name]), abs=1e-6)
        assert both[name].n_patients == once[name].n_patients
        assert both[name].n_exams == once[name].n_exams


def test_repeats_that_agree_give_the_interval_of_one_repeat_for_masks():
    rows = [a_mask(f"e{n}", f"p{n}", 0.5 + 0.02 * n) for n in range(20)]

    once = by_name(evaluate_oof(rows, LESION, SPEC, 1))
    both = by_name(evaluate_oof(twice(rows), LESION, SPEC, 1))

    assert numbers(both["dice"]) == pytest.approx(numbers(once["dice"]))


def test_figures_of_a_repeat_are_those_of_its_predictions_alone():
    """Also their intervals: another repeat does not make its exams count less."""
    first, second = two_repeats()

    alone = design_metrics(first, repeat_name, BINARY, SPEC, 1)
    among = design_metrics([*first, *second], repeat_name, BINARY, SPEC, 1)

    assert {m.metric for m in alone} == {"auc", "sensitivity", "specificity"}
    for one in alone:
        other = of_part(among, "repeat 0", one.metric)
        assert numbers(other) == pytest.approx(numbers(one))
        assert (other.n_exams, other.method) == (one.n_exams, one.method)


def test_every_figure_says_what_repeats_do_to_it():
    rows = a_study(np.random.default_rng(5))

    once = evaluate_oof(rows, BINARY, SPEC, 1)
    both = evaluate_oof(twice(rows), BINARY, SPEC, 1)

    assert not any("repeats of the split" in m.method for m in once)
    assert all("2 repeats of the split" in m.method for m in both)


def test_auc_of_a_repeat_is_the_mean_over_its_own_folds():
    first, second = two_repeats()
    found = design_metrics([*first, *second], repeat_name, BINARY, SPEC, 1)

    for number, rows in enumerate((first, second)):
        aucs = []
        for fold in range(5):
            own = [row for row in rows if row.fold == fold]
            truth = [row.label == "yes" for row in own]
            aucs.append(roc_auc_score(truth, [r.probabilities["yes"] for r in own]))
        auc = of_part(found, f"repeat {number}", "auc")
        assert auc.value == pytest.approx(np.mean(aucs))
        assert auc.n_patients == 60
        assert "left out" not in auc.method


def test_auc_of_all_is_the_mean_of_the_repeats():
    first, second = two_repeats()
    rows = [*first, *second]

    found = design_metrics(rows, repeat_name, BINARY, SPEC, 1)
    whole = by_name(evaluate_oof(rows, BINARY, SPEC, 1))["auc"]

    each = [of_part(found, f"repeat {n}", "auc").value for n in range(2)]
    assert whole.value == pytest.approx(np.mean(each))


def test_decisions_about_a_value_use_thresholds_of_the_other_values():
    """Elsewhere the cut lies between 0.3 and 0.9; here every positive scores 0.5."""

    def score(fold, positive):
        return (0.5 if positive else 0.2) if fold == 0 else (0.9 if positive else 0.3)

    rows = [
        a_prediction(
            f"e{fold}-{n}",
            f"p{fold}-{n}",
            fold,
            "yes" if n < 10 else "no",
            score(fold, n < 10),
        )
        for fold in range(3)
        for n in range(20)
    ]
    found = design_metrics(rows, lambda r: f"value {r.fold}", BINARY, SPEC, 1)

    assert of_part(found, "value 0", "auc").value == 1
    assert of_part(found, "value 0", "sensitivity").value == 0
    assert of_part(found, "value 1", "sensitivity").value == 1


def test_a_value_of_few_patients_has_no_interval_and_says_so():
    rows = a_study(np.random.default_rng(2))
    small = [r for r in rows if r.fold or r.patient_id in {"p000", "p005", "p025"}]
    found = design_metrics(small, lambda r: f"value {r.fold}", BINARY, SPEC, 1)

    auc = of_part(found, "value 0", "auc")
    assert auc.low is None
    assert "2 positive patients, at least 10 needed" in auc.method


def test_a_value_of_one_class_has_no_auc():
    rows = a_study(np.random.default_rng(2))
    rows = [r for r in rows if r.fold or r.label == "no"]
    found = design_metrics(rows, lambda r: f"value {r.fold}", BINARY, SPEC, 1)

    auc = of_part(found, "value 0", "auc")
    assert auc.value is None
    assert "0 positive and" in auc.method


def test_dice_of_a_part_is_the_mean_over_its_patients():
    rows = [a_mask(f"e{n}", f"p{n}", 0.4 + 0.01 * n, repeat=0) for n in range(24)]
    found = design_metrics(
        rows,
        lambda r: "even" if int(r.patient_id[1:]) % 2 == 0 else "odd",
        LESION,
        SPEC,
        1,
    )
    assert of_part(found, "even", "dice").value == pytest.approx(0.51)
    assert of_part(found, "odd", "dice").value == pytest.approx(0.52)


def a_rule(threshold):
    point = OperatingPoint(
        metric="sensitivity",
        at_least=0.9,
        threshold=threshold,
        n_positive=9,
        n_negative=9,
    )
    return DecisionRule(classes=("no", "yes"), positive="yes", operating_point=point)


def judged(threshold):
    rows = [replace(r, fold=0) for r in a_study(np.random.default_rng(4))]
    settings = Settings(SPEC, 1, registered_points(a_rule(threshold)))
    return rows, holdout_metrics(rows, (), BINARY, settings, HOW)


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.8])
def test_the_holdout_is_decided_by_the_registered_threshold_alone(threshold):
    rows, metrics = judged(threshold)

    found = by_name(metrics)
    positive = [r.probabilities["yes"] >= threshold for r in rows if r.label == "yes"]
    negative = [r.probabilities["yes"] < threshold for r in rows if r.label == "no"]
    assert found["sensitivity"].value == pytest.approx(np.mean(positive))
    assert found["specificity"].value == pytest.approx(np.mean(negative))


def test_nothing_that_chooses_on_the_holdout_is_a_figure_of_it():
    _, metrics = judged(0.5)

    names = {metric.metric for metric in metrics}
    assert not [name for name in names if "_at_sensitivity_" in name]
    assert not names & {"auc_pooled", "local_threshold", "exams_needed"}


def test_figures_of_the_holdout_say_which_look_they_are_of():
    _, metrics = judged(0.5)

    assert {metric.subset for metric in metrics} == {"holdout"}
    assert all(metric.method.startswith(HOW) for metric in metrics)


def test_auc_of_the_holdout_is_over_all_its_exams():
    rows, metrics = judged(0.5)

    truth = [row.label == "yes" for row in rows]
    scores = [row.probabilities["yes"] for row in rows]
    assert by_name(metrics)["auc"].value == pytest.approx(roc_auc_score(truth, scores))
