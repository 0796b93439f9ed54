from dataclasses import replace

import numpy as np
import pytest
from scipy.special import logit
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from tests.unit.evaluate.makers import (
    BINARY,
    LESION,
    SPEC,
    THREE,
    a_mask,
    a_prediction,
    a_study,
    numbers,
)
from voxray.core.specs import TaskSpec
from voxray.evaluate.estimate import Estimate
from voxray.evaluate.intervals import logit_interval, wilson
from voxray.evaluate.subgroups import (
    Grouping,
    interaction_p,
    less_rest,
    subgroup_metrics,
)

LEVEL = 0.95


def parted(rows, name_of, how=""):
    """Subgroups by a function of a row, named in order of appearance."""
    of_exam = {row.exam_id: name_of(row) for row in rows}
    return Grouping(tuple(dict.fromkeys(of_exam.values())), of_exam, how)


def measured(rows, name_of, task=BINARY, how=""):
    found = subgroup_metrics(rows, [parted(rows, name_of, how)], task, SPEC, 1)
    return {(m.subset, m.metric, m.class_): m for m in found}


def number_of(row):
    return int(row.patient_id[1:])


def odd_even(row):
    return "side=L" if number_of(row) % 2 else "side=R"


def with_noise(rows, of, seed=3):
    """Scores that mean nothing for the rows that `of` holds for."""
    rng = np.random.default_rng(seed)
    return [
        replace(row, probabilities={"no": 1 - p, "yes": p}) if of(row) else row
        for row in rows
        for p in [float(rng.random())]
    ]


@pytest.mark.parametrize("seed", range(5))
def test_the_auc_of_a_subgroup_is_that_of_scikit_learn(seed):
    rows = a_study(np.random.default_rng(seed), n_patients=80, n_folds=1)
    found = measured(rows, odd_even)
    for side in ("side=L", "side=R"):
        own = [row for row in rows if odd_even(row) == side]
        truth = [row.label == "yes" for row in own]
        expected = roc_auc_score(truth, [row.probabilities["yes"] for row in own])
        assert found[side, "auc", "yes"].value == pytest.approx(expected, abs=1e-12)


def test_thresholds_are_those_of_all_exams():
    rows = [
        a_prediction(f"e{n}", f"p{n:03}", n % 2, "yes" if n < 40 else "no", p)
        for n, p in enumerate(np.linspace(0.99, 0.01, 80))
    ]
    found = measured(rows, lambda r: f"early={number_of(r) < 20}")
    everyone = measured(rows, lambda _: "all=1")["all=1", "specificity", "yes"]
    late = found["early=False", "specificity", "yes"]
    assert late.value == everyone.value
    assert found["early=True", "sensitivity", "yes"].value == 1


def test_shares_of_the_subgroups_make_up_that_of_all():
    rows = a_study(np.random.default_rng(1), n_patients=200, n_positive=100)
    found = measured(rows, odd_even)
    everyone = measured(rows, lambda _: "all=1")["all=1", "sensitivity", "yes"]
    parts = [found[f"side={s}", "sensitivity", "yes"] for s in "LR"]
    right = sum(m.value * m.n_exams for m in parts)
    assert right / sum(m.n_exams for m in parts) == pytest.approx(everyone.value)


def test_a_subgroup_where_the_score_means_nothing_differs():
    rows = a_study(np.random.default_rng(1), n_patients=200, n_positive=100, signal=2)
    found = measured(with_noise(rows, lambda r: odd_even(r) == "side=L"), odd_even)
    gap = found["side=L", "auc_less_rest", "yes"]
    assert gap.high is not None
    assert gap.high < -0.2
    assert gap.value == pytest.approx(
        found["side=L", "auc", "yes"].value - found["side=R", "auc", "yes"].value
    )
    assert "interaction p = " in gap.method


def test_two_halves_differ_by_the_same_with_the_sign_turned():
    rows = a_study(np.random.default_rng(1), n_patients=100, n_positive=50)
    found = measured(rows, odd_even)
    one = numbers(found["side=L", "auc_less_rest", "yes"])
    other = numbers(found["side=R", "auc_less_rest", "yes"])
    assert one == pytest.approx(tuple(-end for end in reversed(other)))


def test_the_number_of_comparisons_is_said():
    found = measured(a_study(np.random.default_rng(1)), odd_even)
    gaps = [m for (_, metric, _), m in found.items() if metric.endswith("_less_rest")]
    assert len(gaps) == 6
    assert all(
        "one of 6 comparisons with the rest, none adjusted" in m.method for m in gaps
    )


def test_a_subgroup_of_one_class_says_so():
    rows = a_study(np.random.default_rng(1))
    found = measured(rows, lambda r: f"ill={r.label}")
    auc = found["ill=yes", "auc", "yes"]
    assert (auc.value, auc.low) == (None, None)
    assert "not estimable: 25 positive and 0 negative patients" in auc.method
    assert found["ill=yes", "specificity", "yes"].value is None
    assert "no exam of that class" in found["ill=yes", "specificity", "yes"].method
    assert found["ill=yes", "auc_less_rest", "yes"].value is None


def test_a_small_subgroup_has_a_value_and_no_interval():
    rows = a_study(np.random.default_rng(1), n_folds=1)
    found = measured(rows, lambda r: f"few={number_of(r) in range(20, 30)}")
    auc = found["few=True", "auc", "yes"]
    assert auc.value is not None
    assert auc.low is None
    assert "5 positive patients, at least 10 needed" in auc.method
    gap = found["few=True", "auc_less_rest", "yes"]
    assert gap.low is None
    assert "the subgroup has no interval" in gap.method


def test_a_subgroup_of_all_exams_has_no_rest():
    found = measured(a_study(np.random.default_rng(1)), lambda _: "site=one")
    gap = found["site=one", "auc_less_rest", "yes"]
    assert gap.value is None
    assert "the other exams have no interval" in gap.method


def test_patients_with_exams_in_both_are_said_and_have_no_p():
    rows = a_study(np.random.default_rng(1), n_patients=80, n_positive=40, exams=2)
    found = measured(rows, lambda r: f"exam={r.exam_id[-1]}")
    gap = found["exam=0", "auc_less_rest", "yes"]
    assert "80 patients have exams in both, correlation 0." in gap.method
    assert "40 patients have" in found["exam=0", "sensitivity_less_rest", "yes"].method
    assert "interaction p" not in gap.method
    low, value, high = numbers(gap)
    assert low < value < high


def width(metric):
    low, _, high = numbers(metric)
    return high - low


def test_exams_that_go_together_make_a_difference_surer():
    rows = a_study(np.random.default_rng(1), n_patients=80, n_positive=40)
    again = [replace(r, exam_id=f"{r.exam_id}-2") for r in with_jitter(rows)]
    strangers = [replace(r, patient_id=f"{r.patient_id}9") for r in again]

    def second(row):
        return f"second={row.exam_id.endswith('-2')}"

    key = "second=True", "auc_less_rest", "yes"
    shared = measured([*rows, *again], second)[key]
    apart = measured([*rows, *strangers], second)[key]
    assert width(shared) < 0.6 * width(apart)


def with_jitter(rows):
    rng = np.random.default_rng(7)
    odds = [np.log(r.probabilities["yes"] / r.probabilities["no"]) for r in rows]
    shares = 1 / (1 + np.exp(-(np.array(odds) + 0.1 * rng.normal(size=len(rows)))))
    return [
        replace(r, probabilities={"no": 1 - p, "yes": p})
        for r, p in zip(rows, map(float, shares), strict=True)
    ]


def test_dice_of_the_same_patients_is_compared_within_them():
    rng = np.random.default_rng(1)
    base = rng.uniform(0.3, 0.9, 40)
    rows = [
        a_mask(f"e{n}-{exam}", f"p{n:03}", float(base[n] + 0.05 * exam))
        for n in range(40)
        for exam in (0, 1)
    ]
    varied = [
        replace(r, dice={"lesion": (r.dice["lesion"] or 0) + 0.01 * rng.normal()})
        for r in rows
    ]
    found = measured(varied, lambda r: f"exam={r.exam_id[-1]}", LESION)
    low, value, high = numbers(found["exam=1", "dice_less_rest", "lesion"])
    assert value == pytest.approx(0.05, abs=0.01)
    assert 0.04 < low < high < 0.06


def test_how_a_column_was_parted_stands_in_the_method():
    found = measured(
        a_study(np.random.default_rng(1)), odd_even, how="parted at thirds"
    )
    assert found["side=L", "auc", "yes"].method.startswith("parted at thirds; ")


def test_dice_is_the_mean_over_the_patients_of_the_subgroup():
    rows = [a_mask(f"e{n}", f"p{n}", 0.5 + 0.01 * n) for n in range(30)]
    found = measured(rows, lambda r: f"big={number_of(r) >= 18}", LESION)
    assert found["big=True", "dice", "lesion"].value == pytest.approx(0.5 + 0.235)
    assert found["big=True", "dice", "lesion"].n_patients == 12
    gap = numbers(found["big=True", "dice_less_rest", "lesion"])
    assert gap[1] == pytest.approx(0.15)
    assert gap[0] > 0


def test_dice_of_few_patients_has_no_interval():
    rows = [a_mask(f"e{n}", f"p{n}", 0.5 + 0.01 * n) for n in range(30)]
    found = measured(rows, lambda r: f"first={number_of(r) < 9}", LESION)
    dice = found["first=True", "dice", "lesion"]
    assert dice.value == pytest.approx(0.54)
    assert dice.low is None
    assert "9 patients, at least 10 needed" in dice.method


def test_three_classes_have_the_mean_auc():
    rng = np.random.default_rng(1)
    rows = []
    for n in range(120):
        shares = rng.dirichlet(np.ones(3) + 2 * (np.arange(3) == n % 3))
        row = a_prediction(f"e{n}", f"p{n}", 0, "abc"[n % 3], 0.5)
        named = dict(zip("abc", map(float, shares), strict=True))
        rows.append(replace(row, probabilities=named))
    found = measured(rows, lambda r: f"late={number_of(r) >= 60}", THREE)
    own = [row for row in rows if number_of(row) >= 60]
    expected = roc_auc_score(
        [row.label for row in own],
        [[row.probabilities[c] for c in "abc"] for row in own],
        multi_class="ovr",
    )
    assert found["late=True", "auc", "macro"].value == pytest.approx(expected)
    assert {metric for _, metric, _ in found} == {"auc", "auc_less_rest"}


def test_labels_are_judged_on_the_exams_that_state_them():
    task = TaskSpec.model_validate({"classify": {"columns": ["x", "y"]}})
    rng = np.random.default_rng(1)
    rows = []
    for n in range(120):
        labels = {"x": n % 2, **({"y": (n // 2) % 2} if n % 3 else {})}
        row = a_prediction(f"e{n}", f"p{n}", n % 2, None, 0.5)
        shares = {"x": float(rng.random()), "y": float(rng.random())}
        rows.append(replace(row, labels=labels, probabilities=shares))
    found = measured(rows, lambda r: f"late={number_of(r) >= 60}", task)
    assert found["late=True", "auc", "x"].n_exams == 60
    assert found["late=True", "auc", "y"].n_exams == 40


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((6, 7), (2, 7), (0.0582, 0.8062)),
    ],
)
def test_square_and_add_gives_the_intervals_that_newcombe_printed(one, other, expected):
    """Newcombe 1998, Statistics in Medicine 17:873, table II, method 10."""
    own, rest = (Estimate(k / n, *wilson(k / n, n, LEVEL), "") for k, n in (one, other))
    low, value, high = numbers(less_rest(own, rest, LEVEL))
    assert value == pytest.approx(one[0] / one[1] - other[0] / other[1])
    assert (low, high) == pytest.approx(expected, abs=5e-5)


def test_correlation_changes_the_difference_as_the_variance_of_one():
    """For symmetric intervals: var(a - b) = var(a) + var(b) - 2 r sd(a) sd(b)."""
    one, other = Estimate(0.8, 0.7, 0.9, ""), Estimate(0.6, 0.4, 0.8, "")
    for r in (-0.5, 0.0, 0.9):
        low, value, high = numbers(less_rest(one, other, LEVEL, 7, r))
        half = np.sqrt(0.1**2 + 0.2**2 - 2 * r * 0.1 * 0.2)
        assert (low, value, high) == pytest.approx((0.2 - half, 0.2, 0.2 + half))


def test_a_share_of_0_keeps_the_width_of_its_interval():
    rows = a_study(np.random.default_rng(1), n_patients=80, n_positive=40, exams=2)
    sure = [
        replace(r, probabilities={"no": 0.01, "yes": 0.99})
        if r.label == "no" and r.exam_id.endswith("-0")
        else r
        for r in rows
    ]
    found = measured(sure, lambda r: f"exam={r.exam_id[-1]}")
    own = found["exam=0", "specificity", "yes"]
    gap = found["exam=0", "specificity_less_rest", "yes"]
    assert own.value == 0
    assert width(gap) > own.high


def an_estimate(value, error):
    return Estimate(value, *logit_interval(value, error, norm.ppf(0.975)), "")


@pytest.mark.parametrize("seed", range(5))
def test_p_is_that_of_the_difference_of_two_logits(seed):
    rng = np.random.default_rng(seed)
    values, errors = rng.uniform(0.6, 0.95, 2), rng.uniform(0.01, 0.05, 2)
    on_logit = errors / (values * (1 - values))
    z = (logit(values[0]) - logit(values[1])) / np.hypot(*on_logit)
    own, rest = (an_estimate(v, e) for v, e in zip(values, errors, strict=True))
    found = interaction_p(own, rest, LEVEL)
    assert found == pytest.approx(2 * norm.cdf(-abs(z)), rel=1e-9)


def test_there_is_no_p_at_the_edge_of_the_scale():
    assert interaction_p(Estimate(1, 0.9, 1, ""), an_estimate(0.8, 0.02), LEVEL) is None
