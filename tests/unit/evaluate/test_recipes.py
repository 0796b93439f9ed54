import numpy as np
import pytest
from scipy.stats import ttest_1samp

from tests.unit.evaluate.makers import (
    SETTINGS,
    a_mask,
    a_prediction,
    a_study,
    numbers,
)
from voxray.evaluate.exams import ScoredExams
from voxray.evaluate.recipes import (
    corrected_t,
    ratio_of_tested,
    recipe_auc_difference,
    recipe_dice_difference,
)

LEVEL = 0.95


def gaps_of(values, n_folds=5):
    """Differences by (repeat, fold)."""
    return {divmod(n, n_folds): float(v) for n, v in enumerate(values)}


def width(found):
    low, _, high = numbers(found)
    return high - low


@pytest.mark.parametrize("seed", range(20))
def test_without_a_ratio_it_is_the_t_test_of_scipy(seed):
    values = np.random.default_rng(seed).normal(0.01, 0.05, 15)
    expected = ttest_1samp(values, 0).confidence_interval(LEVEL)
    low, value, high = numbers(corrected_t(gaps_of(values), 0.0, LEVEL))
    assert value == pytest.approx(values.mean(), abs=1e-12)
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_the_ratio_widens_as_nadeau_and_bengio_say(seed):
    values = np.random.default_rng(seed).normal(0.01, 0.02, 15)
    plain = corrected_t(gaps_of(values), 0.0, LEVEL)
    corrected = corrected_t(gaps_of(values), 1 / 4, LEVEL)
    assert width(corrected) / width(plain) == pytest.approx(np.sqrt(1 + 15 / 4))


def test_a_wrong_oracle_is_noticed():
    values = np.random.default_rng(0).normal(0.01, 0.05, 15)
    wrong = ttest_1samp(values, 0).confidence_interval(0.9)
    low, _, _ = numbers(corrected_t(gaps_of(values), 0.0, LEVEL))
    assert low != pytest.approx(wrong.low, abs=1e-3)


def test_one_repeat_has_no_interval():
    found = corrected_t(gaps_of([0.1, 0.2, 0.1, 0.2, 0.1]), 0.25, LEVEL)
    assert found.value == pytest.approx(0.14)
    assert found.low is None
    assert "1 repeat, at least 2 needed" in found.method


def test_equal_differences_have_no_interval():
    found = corrected_t(gaps_of([0.0] * 10), 0.25, LEVEL)
    assert found.low is None
    assert "no spread" in found.method


def test_no_fold_gives_no_difference():
    found = corrected_t({}, 0.25, LEVEL)
    assert found.value is None
    assert "no fold has the figure" in found.method


def test_patients_are_counted_in_the_ratio():
    rows = [
        a_prediction(f"e{n}-{exam}", f"p{n}", n % 4, "yes", 0.5)
        for n in range(20)
        for exam in range(3)
    ]
    assert ratio_of_tested(rows) == pytest.approx(5 / 15)


def test_aucs_are_compared_fold_by_fold():
    one, other = (repeated(seed) for seed in (1, 2))
    first, second = ([ScoredExams.of_class(rows, "yes")] for rows in (one, other))
    found = recipe_auc_difference(first, second, 0.25, LEVEL)
    assert found.value == pytest.approx(np.mean(by_hand(one) - by_hand(other)))
    assert "10 folds of 2 repeats" in found.method


def repeated(seed):
    """Two repeats of five folds; patients change folds between them."""
    from dataclasses import replace

    rng = np.random.default_rng(seed)
    first, second = a_study(rng), a_study(rng)
    again = [
        replace(r, repeat=1, fold=(r.fold + i // 5) % 5) for i, r in enumerate(second)
    ]
    return [*first, *again]


def by_hand(rows):
    """AUC of each fold as the share of pairs that are in order."""
    found = []
    for key in sorted({(row.repeat, row.fold) for row in rows}):
        own = [row for row in rows if (row.repeat, row.fold) == key]
        ill = [row.probabilities["yes"] for row in own if row.label == "yes"]
        well = [row.probabilities["yes"] for row in own if row.label == "no"]
        found.append(np.mean([i > w for i in ill for w in well]))
    return np.array(found)


def test_few_patients_give_no_interval():
    rows = a_study(np.random.default_rng(1), n_patients=16, n_positive=6, n_folds=2)
    exams = [ScoredExams.of_class(rows, "yes")]
    found = recipe_auc_difference(exams, exams, 1.0, SETTINGS.level)
    assert found.low is None
    assert "6 positive patients" in found.method


def test_dice_is_meant_within_patients_then_folds():
    ones = [("e0", "p0", 0.9), ("e1", "p0", 0.7), ("e2", "p1", 0.5)]
    rows = {
        shift: [
            a_mask(exam, patient, dice - shift * (1 + repeat), repeat=repeat)
            for repeat in (0, 1)
            for exam, patient, dice in ones
        ]
        for shift in (0.0, 0.1)
    }
    found = recipe_dice_difference(rows[0.0], rows[0.1], "lesion", 0.25, LEVEL)
    assert found.value == pytest.approx(0.15)


def test_exams_without_a_value_are_left_out():
    rows = [a_mask("e0", "p0", None, drawn=0)]
    found = recipe_dice_difference(rows, rows, "lesion", 0.25, LEVEL)
    assert found.value is None
