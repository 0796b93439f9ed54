from dataclasses import replace

import numpy as np
import pytest

from tests.unit.evaluate.makers import (
    BINARY,
    SETTINGS,
    a_mask,
    a_prediction,
    a_study,
    numbers,
)
from voxray.core.comparison import About, Answer
from voxray.core.specs import DecisionRule, OperatingPoint, Target
from voxray.evaluate.auc import estimate_auc
from voxray.evaluate.compare import compare_pair
from voxray.evaluate.exams import ScoredExams
from voxray.evaluate.pairing import make_pair, make_side
from voxray.evaluate.patients import patient_predictions

YES = DecisionRule(classes=("no", "yes"), positive="yes")


def compared(one, other, rule=YES, margin=None, by_patient=""):
    sides = [
        make_side(letter, "x", rows, rule, by_patient)
        for letter, rows in zip("AB", (one, other), strict=True)
    ]
    return compare_pair(make_pair(*sides), SETTINGS, margin)


def noisy(rows, sd, seed=5):
    """The same study with noise on the log odds."""
    rng = np.random.default_rng(seed)
    odds = [np.log(r.probabilities["yes"] / r.probabilities["no"]) for r in rows]
    p = 1 / (1 + np.exp(-(np.array(odds) + sd * rng.normal(size=len(rows)))))
    return [
        replace(r, probabilities={"no": 1 - float(v), "yes": float(v)})
        for r, v in zip(rows, p, strict=True)
    ]


def test_a_score_without_the_noise_is_superior():
    rows = a_study(np.random.default_rng(1), n_patients=200, n_positive=90)
    found = compared(rows, noisy(rows, 3.0))
    assert [f.answer for f in found] == [Answer.SUPERIOR]
    assert found[0].difference.value == pytest.approx(
        found[0].first.value - found[0].second.value
    )


def test_a_margin_makes_a_little_noise_non_inferior():
    rows = a_study(np.random.default_rng(1), n_patients=200, n_positive=90)
    little = noisy(rows, 0.2)
    assert compared(little, rows)[0].answer is Answer.CANNOT_TELL
    assert compared(little, rows, margin=0.05)[0].answer is Answer.NON_INFERIOR


def test_equal_predictions_are_the_same():
    rows = a_study(np.random.default_rng(1))
    assert [f.answer for f in compared(rows, rows)] == [Answer.SAME]


def test_another_calibration_of_the_same_order_is_the_same():
    rows = a_study(np.random.default_rng(1))
    squared = [
        replace(row, probabilities={"no": 1 - p, "yes": p})
        for row in rows
        for p in [row.probabilities["yes"] ** 2]
    ]
    assert [f.answer for f in compared(squared, rows)] == [Answer.SAME]


def test_few_patients_cannot_tell():
    rows = a_study(np.random.default_rng(1), n_patients=14, n_positive=7, n_folds=2)
    found = compared(rows, noisy(rows, 3.0))[0]
    assert found.answer is Answer.CANNOT_TELL
    assert "7 positive patients" in found.difference.method


def test_repeats_make_it_a_comparison_of_recipes():
    rows = a_study(np.random.default_rng(1))
    twice = [*rows, *(replace(r, repeat=1) for r in noisy(rows, 0.1))]
    found = compared(twice, noisy(twice, 1.0))
    assert [(f.about, f.headline) for f in found] == [
        (About.MODELS, False),
        (About.RECIPES, True),
    ]
    assert "Nadeau" in found[1].difference.method


def test_one_fold_a_repeat_is_a_locked_set_and_compares_models():
    rows = a_study(np.random.default_rng(1), n_folds=1)
    found = compared(rows, noisy(rows, 1.0))
    assert [f.about for f in found] == [About.MODELS]


def test_the_difference_in_dice_is_that_of_the_figures_that_are_reported():
    """An empty exam that only one of them fills counts against that one."""
    drawn = [a_mask(f"e{n}", f"p{n}", 0.6 + 0.02 * n) for n in range(12)]
    empty = a_mask("f", "pf", 0.0, drawn=0.0)
    worse = [
        replace(r, dice={"lesion": (r.dice["lesion"] or 0) - 0.1 - 0.01 * n})
        for n, r in enumerate(drawn)
    ]
    unclaimed = replace(empty, dice={"lesion": None}, volume_ml={"lesion": 0.0})
    (found,) = compared([*drawn, empty], [*worse, unclaimed], rule=None)
    assert found.first.value == pytest.approx(0.71 * 12 / 13)
    assert found.second.value == pytest.approx(0.71 - 0.155)
    gap = found.first.value - found.second.value
    assert found.difference.value == pytest.approx(gap)
    assert (found.difference.n_exams, found.answer) == (13, Answer.CANNOT_TELL)


def test_false_alarms_on_empty_exams_make_a_model_worse():
    """Both draw alike where there is something; A fills every empty exam besides."""
    rng = np.random.default_rng(1)
    same = [a_mask(f"e{n}", f"p{n}", 0.8 + 0.05 * rng.normal()) for n in range(20)]
    near = [replace(r, dice={"lesion": r.dice["lesion"] + 0.004}) for r in same]
    filled = [a_mask(f"f{n}", f"q{n}", 0.0, drawn=0.0) for n in range(20)]
    clear = [
        replace(r, dice={"lesion": None}, volume_ml={"lesion": 0.0}) for r in filled
    ]
    (found,) = compared([*near, *filled], [*same, *clear], rule=None, margin=0.02)
    assert found.answer is Answer.INFERIOR
    assert found.difference.high < -0.2


def test_patients_are_the_headline_where_they_are_judged():
    """A ranks a patient's best exam well, B all of them alike; rows of 3 exams."""
    rows = a_study(np.random.default_rng(3), exams=3)
    found = compared(rows, noisy(rows, 1.0), by_patient="maximum")
    names = [(f.difference.metric, f.headline) for f in found]
    assert names == [("auc_per_patient_difference", True), ("auc_difference", False)]
    counts = [f.difference.n_exams for f in found]
    assert counts == [60, 180]
    assert BINARY.classify is not None
    whole = patient_predictions(rows, BINARY.classify, "maximum")
    exams = ScoredExams.of_class(whole, "yes")
    assert found[0].first.value == pytest.approx(estimate_auc(exams, SETTINGS).value)


def test_several_classes_have_the_mean_and_each():
    names = ("a", "b", "c")
    rule = DecisionRule(classes=names, positive="c")
    found = compared(three(1), three(2), rule)
    assert [(f.difference.class_, f.headline) for f in found] == [
        ("macro", True),
        ("a", False),
        ("b", False),
        ("c", False),
    ]
    gaps = [f.difference.value for f in found]
    assert gaps[0] == pytest.approx(np.mean(gaps[1:]))


def three(seed):
    rng = np.random.default_rng(seed)
    rows = []
    for n in range(90):
        truth = n % 3
        value = rng.dirichlet(np.ones(3) + 2 * (np.arange(3) == truth))
        row = a_prediction(f"e{n}", f"p{n}", n % 5, "abc"[truth], 0.5)
        shares = dict(zip("abc", map(float, value), strict=True))
        rows.append(replace(row, probabilities=shares))
    return rows


def test_labels_have_their_mean_over_the_exams_that_state_each():
    rule = DecisionRule(
        classes=("x", "y"),
        positive="",
        target=Target.LABELS,
        operating_points=dict.fromkeys(("x", "y"), POINT),
    )
    found = compared(two_labels(1), two_labels(2), rule)
    assert [(f.difference.class_, f.headline) for f in found] == [
        ("macro", True),
        ("x", False),
        ("y", False),
    ]
    gaps = [f.difference.value for f in found]
    assert gaps[0] == pytest.approx(np.mean(gaps[1:]))
    assert found[2].difference.n_exams == 80
    low, value, high = numbers(found[0].difference)
    assert low < value < high


POINT = OperatingPoint(
    metric="sensitivity", at_least=0.9, threshold=0.5, n_positive=10, n_negative=10
)


def two_labels(seed):
    """Every third exam does not state y."""
    rng = np.random.default_rng(seed)
    rows = []
    for n in range(120):
        labels = {"x": n % 2, **({"y": (n // 2) % 2} if n % 3 else {})}
        shares = {
            name: float(
                np.clip(0.5 + 0.2 * labels.get(name, 0) + 0.2 * rng.normal(), 0, 1)
            )
            for name in "xy"
        }
        row = a_prediction(f"e{n}", f"p{n}", n % 5, None, 0.5)
        rows.append(replace(row, labels=labels, probabilities=shares))
    return rows
