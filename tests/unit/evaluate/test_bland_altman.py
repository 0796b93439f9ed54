import math

import numpy as np
import pytest
from scipy.stats import nct

from tests.unit.evaluate.makers import LESION, SPEC, a_mask, by_name, numbers
from voxray.evaluate import evaluate_oof
from voxray.evaluate.bland_altman import limits_of_agreement


def singles(values):
    return [np.array([value]) for value in values]


def exact_upper_limit(values, level):
    """Interval of mean + 1.96 SD by the noncentral t distribution (Carkeet 2015)."""
    n, z = len(values), 1.959963984540054
    mean, sd = np.mean(values), np.std(values, ddof=1)
    tails = ((1 - level) / 2, (1 + level) / 2)
    factors = [nct.ppf(tail, n - 1, z * math.sqrt(n)) / math.sqrt(n) for tail in tails]
    return mean + factors[0] * sd, mean + factors[1] * sd


def test_limits_are_bias_and_standard_deviations():
    values = np.random.default_rng(1).normal(2, 3, 30)
    low, high = limits_of_agreement(singles(values), 0.95)

    assert low.value == pytest.approx(
        values.mean() - 1.96 * values.std(ddof=1), abs=1e-3
    )
    assert high.value == pytest.approx(
        values.mean() + 1.96 * values.std(ddof=1), abs=1e-3
    )
    outer, value, _ = numbers(low)
    assert value - outer == pytest.approx(numbers(high)[2] - numbers(high)[1])


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_intervals_are_near_the_exact_ones(level):
    differences = []
    for seed in range(20):
        values = np.random.default_rng(seed).normal(0, 1, 20 + 10 * seed)
        _, high = limits_of_agreement(singles(values), level)
        exact = exact_upper_limit(values, level)
        differences += np.abs(np.subtract(numbers(high)[::2], exact)).tolist()

    assert max(differences) < 0.06  # of a standard deviation


def test_intervals_cover_as_often_as_they_say():
    """Patients with one to four exams each, that are alike."""
    generator = np.random.default_rng(2)
    truth = 1 + 1.959963984540054 * math.hypot(2, 1)
    inside = 0
    for _ in range(400):
        patients = [
            generator.normal(1, 2) + generator.normal(0, 1, generator.integers(1, 5))
            for _ in range(40)
        ]
        low, _, high = numbers(limits_of_agreement(patients, 0.95)[1])
        inside += low <= truth <= high

    assert 0.92 < inside / 400 < 0.98


def test_spread_within_patients_widens_the_limits():
    generator = np.random.default_rng(3)
    patients = [generator.normal(0, 0.1) + generator.normal(0, 5, 4) for _ in range(50)]

    _, high = limits_of_agreement(patients, 0.95)

    assert high.value == pytest.approx(1.96 * 5, rel=0.15)


def test_few_patients_have_limits_without_an_interval():
    low, high = limits_of_agreement(singles([1.0, 2.0, 4.0]), 0.95)

    assert low.value is not None
    assert (low.low, high.high) == (None, None)
    assert "not estimable: 3 patients, at least 10 needed" in high.method


def test_one_patient_has_no_limits():
    low, _ = limits_of_agreement([np.array([1.0, 2.0])], 0.95)

    assert low.value is None
    assert "1 patients, no spread" in low.method


def test_equal_differences_are_limits_without_width():
    low, high = limits_of_agreement(singles([1.5] * 12), 0.95)

    assert (low.low, low.value, high.value, high.high) == (1.5, 1.5, 1.5, 1.5)


def test_volumes_of_a_structure_have_bias_and_limits():
    drawn = np.random.default_rng(4).uniform(1, 9, 25)
    rows = [
        a_mask(f"e{n}", f"p{n}", 0.8, drawn=float(ml), predicted=float(ml + 1 + n % 3))
        for n, ml in enumerate(drawn)
    ]
    rows.append(a_mask("empty", "p99", None, drawn=0.0, predicted=0.0))

    metrics = by_name(evaluate_oof(rows, LESION, SPEC, seed=1))

    bias = numbers(metrics["volume_error_ml"])[1]
    assert bias == pytest.approx(np.mean([1 + n % 3 for n in range(25)]))
    lower, upper = (
        numbers(metrics[f"volume_{side}_limit_ml"]) for side in ("lower", "upper")
    )
    assert lower[1] < bias < upper[1]
    assert (lower[1] + upper[1]) / 2 == pytest.approx(bias)
    assert metrics["volume_upper_limit_ml"].n_exams == 25
