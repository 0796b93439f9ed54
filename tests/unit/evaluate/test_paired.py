from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import t

from tests.unit.evaluate.makers import (
    SETTINGS,
    a_mask,
    a_prediction,
    a_study,
    numbers,
)
from voxray.evaluate.exams import ScoredExams
from voxray.evaluate.paired import auc_difference, dice_difference


def scored(rows):
    return [ScoredExams.of_class(rows, "yes")]


def width(found):
    low, _, high = numbers(found)
    return high - low


def with_scores(rows, score_of):
    return [
        replace(row, probabilities={"no": 1 - p, "yes": p})
        for row in rows
        for p in [float(score_of(row))]
    ]


def test_a_perfect_score_is_ahead_of_guessing():
    rows = a_study(np.random.default_rng(1))
    rng = np.random.default_rng(2)
    perfect = with_scores(rows, lambda r: 0.9 if r.label == "yes" else 0.1)
    guess = with_scores(rows, lambda _: rng.random())

    found = auc_difference(scored(perfect), scored(guess), SETTINGS)

    assert found.value == pytest.approx(0.5, abs=0.2)
    assert found.low is not None
    assert found.low > 0.2


def test_the_other_way_round_only_the_sign_changes():
    one = scored(a_study(np.random.default_rng(1)))
    other = scored(a_study(np.random.default_rng(2)))
    ahead = numbers(auc_difference(one, other, SETTINGS))
    behind = numbers(auc_difference(other, one, SETTINGS))
    assert ahead == tuple(-end for end in reversed(behind))


def test_a_difference_is_surer_when_scores_go_together():
    rows = a_study(np.random.default_rng(1), signal=1)
    rng = np.random.default_rng(3)
    alike = with_scores(rows, lambda r: r.probabilities["yes"] + 0.02 * rng.normal())
    unlike = a_study(np.random.default_rng(4), signal=1)
    near = auc_difference(scored(rows), scored(alike), SETTINGS)
    far = auc_difference(scored(rows), scored(unlike), SETTINGS)
    assert width(near) < 0.5 * width(far)


def test_bootstrap_and_delong_agree_where_both_hold():
    one = scored(a_study(np.random.default_rng(1), n_patients=200, n_positive=80))
    other = scored(a_study(np.random.default_rng(2), n_patients=200, n_positive=80))
    delong = auc_difference(one, other, SETTINGS)
    # two classes: always the bootstrap
    doubled = auc_difference([*one, *one], [*other, *other], SETTINGS)
    assert "DeLong" in delong.method
    assert doubled.resamples == SETTINGS.spec.resamples
    assert doubled.value == pytest.approx(delong.value)
    assert width(doubled) == pytest.approx(width(delong), rel=0.25)


def test_copied_exams_do_not_make_a_difference_surer():
    one = a_study(np.random.default_rng(1), n_patients=80, n_positive=40)
    other = a_study(np.random.default_rng(2), n_patients=80, n_positive=40)
    copied = [
        [replace(r, exam_id=f"{r.exam_id}-{n}") for r in rows for n in range(3)]
        for rows in (one, other)
    ]
    plain = auc_difference(scored(one), scored(other), SETTINGS)
    many = auc_difference(scored(copied[0]), scored(copied[1]), SETTINGS)
    assert width(many) == pytest.approx(width(plain), rel=0.05)


def test_equal_models_rarely_differ_where_folds_hold_one_ill_patient():
    """With such patients taken for sure, half of the differences were claimed."""
    claimed = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        one, other = (
            a_study(rng, n_patients=50, n_positive=15, n_folds=10, exams=2)
            for _ in range(2)
        )
        found = auc_difference(scored(one), scored(other), SETTINGS)
        claimed += not (found.low or -1) <= 0 <= (found.high or 1)
    assert claimed <= 6


def test_equal_scores_have_no_interval():
    rows = scored(a_study(np.random.default_rng(1)))
    found = auc_difference(rows, rows, SETTINGS)
    assert (found.value, found.low) == (0, None)
    assert "no spread" in found.method


def test_few_patients_give_no_interval():
    rows = a_study(np.random.default_rng(1), n_patients=16, n_positive=6)
    other = with_scores(rows, lambda _: 0.5)
    found = auc_difference(scored(rows), scored(other), SETTINGS)
    assert found.low is None
    assert "6 positive patients" in found.method


def test_folds_of_one_class_give_no_difference():
    rows = [a_prediction(f"e{n}", f"p{n}", n, "yes", 0.5) for n in range(3)]
    found = auc_difference(scored(rows), scored(rows), SETTINGS)
    assert found.value is None
    assert "no fold" in found.method


def test_other_exams_are_refused():
    rows = a_study(np.random.default_rng(1))
    with pytest.raises(ValueError, match="not the same exams: 60 and 59"):
        auc_difference(scored(rows), scored(rows[1:]), SETTINGS)


def test_dice_is_compared_within_each_patient():
    one = [a_mask(f"e{n}", f"p{n}", 0.8 + 0.01 * n) for n in range(12)]
    other = [a_mask(f"e{n}", f"p{n}", 0.5 + 0.01 * n * n) for n in range(12)]
    gaps = np.array([0.3 + 0.01 * n - 0.01 * n * n for n in range(12)])
    found, counts = dice_difference(one, other, "lesion", SETTINGS)
    half = t.ppf(0.975, 11) * gaps.std(ddof=1) / np.sqrt(12)
    mean = gaps.mean()
    assert numbers(found) == pytest.approx((mean - half, mean, mean + half))
    assert counts.n_patients == 12


def test_few_patients_give_no_interval_of_dice():
    one = [a_mask(f"e{n}", f"p{n}", 0.8 + 0.001 * n) for n in range(3)]
    other = [a_mask(f"e{n}", f"p{n}", 0.7) for n in range(3)]
    found, _ = dice_difference(one, other, "lesion", SETTINGS)
    assert found.value == pytest.approx(0.101)
    assert found.low is None
    assert "3 patients, at least 10 needed" in found.method


def test_an_empty_exam_counts_for_the_side_that_fills_it():
    one = [a_mask("e0", "p0", None, drawn=0), a_mask("e1", "p1", 0.5)]
    other = [a_mask("e0", "p0", 0.0, drawn=0), a_mask("e1", "p1", 0.5)]
    found, counts = dice_difference(one, other, "lesion", SETTINGS)
    assert (found.value, counts.n_exams) == (0.25, 2)


def test_no_exam_with_the_structure_gives_no_difference():
    rows = [a_mask("e0", "p0", None, drawn=0)]
    found, _ = dice_difference(rows, rows, "lesion", SETTINGS)
    assert found.value is None
    assert "no exam of one side has a value" in found.method


def delong_by_pairs(one, other):
    """DeLong 1988, equations 3 to 5, as loops over all pairs of exams."""

    def wins(rows):
        ill = [r.probabilities["yes"] for r in rows if r.label == "yes"]
        well = [r.probabilities["yes"] for r in rows if r.label == "no"]
        return np.array([[(i > w) + 0.5 * (i == w) for w in well] for i in ill])

    won = np.stack([wins(one), wins(other)])
    aucs = won.mean(axis=(1, 2))
    of_ill, of_well = np.cov(won.mean(axis=2)), np.cov(won.mean(axis=1))
    covariance = of_ill / won.shape[1] + of_well / won.shape[2]
    contrast = np.array([1, -1])
    error = float(np.sqrt(contrast @ covariance @ contrast))
    sides = zip((of_ill, of_well), won.shape[1:], strict=True)
    parts = [(contrast @ own @ contrast / n) ** 2 / (n - 1) for own, n in sides]
    return aucs[0] - aucs[1], error, error**4 / sum(parts)


@pytest.mark.parametrize("seed", range(20))
def test_one_fold_gives_the_interval_of_delong(seed):
    rng = np.random.default_rng(seed)
    one = a_study(rng, n_folds=1)
    other = with_scores(one, lambda r: round(r.probabilities["yes"] * rng.random(), 1))
    value, error, freedom = delong_by_pairs(one, other)

    found = numbers(auc_difference(scored(one), scored(other), SETTINGS))

    half = t.ppf(0.975, freedom) * error
    assert found == pytest.approx((value - half, value, value + half), abs=1e-12)
