from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import logit
from scipy.stats import binomtest, t

from voxray.evaluate.intervals import (
    jeffreys,
    logit_interval,
    newcombe_auc,
    normal_quantile,
    positive_interval,
    t_interval,
    wilson,
)


def test_normal_quantile_of_95_percent_is_1_96():
    assert normal_quantile(0.95) == pytest.approx(1.959964, abs=1e-6)


@settings(deadline=None, max_examples=100)
@given(st.integers(1, 300), st.data(), st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_with_whole_n_is_scipys(n, data, level):
    k = data.draw(st.integers(0, n))
    oracle = binomtest(k, n).proportion_ci(level, method="wilson")

    assert wilson(k / n, n, level) == pytest.approx(
        (oracle.low, oracle.high), abs=1e-12
    )


def test_wilson_is_wider_with_fewer_effective_exams():
    narrow, wide = wilson(0.8, 50, 0.95), wilson(0.8, 12.5, 0.95)

    assert wide[0] < narrow[0] < 0.8 < narrow[1] < wide[1]


@pytest.mark.parametrize(("k", "n"), [(1, 20), (12, 30), (38, 40), (200, 400)])
def test_jeffreys_leaves_a_fortieth_of_the_posterior_on_each_side(k, n):
    def mass(start, end):
        density = partial(power_of_chances, k - 0.5, n - k - 0.5)
        return quad(density, start, end, points=[k / n], limit=200)[0]

    low, high = jeffreys(k / n, n, 0.95)

    whole = mass(0, 1)
    assert mass(0, low) / whole == pytest.approx(0.025, abs=1e-6)
    assert mass(high, 1) / whole == pytest.approx(0.025, abs=1e-6)


def power_of_chances(a, b, p):
    """Scaled to about 1 at its top, so that no integral runs out of digits."""
    top = a / (a + b)
    return np.exp(a * np.log(p / top) + b * np.log((1 - p) / (1 - top)))


@pytest.mark.parametrize("n", [5, 40, 40.5])
def test_jeffreys_is_exact_where_all_or_none_are_right(n):
    assert jeffreys(1.0, n, 0.95) == pytest.approx((0.025 ** (1 / n), 1.0))
    assert jeffreys(0.0, n, 0.95) == pytest.approx((0.0, 1 - 0.025 ** (1 / n)))


def test_jeffreys_ends_rise_with_the_share_up_to_the_last_exam():
    ends = np.array([jeffreys(share, 40, 0.95) for share in np.linspace(0, 1, 401)])

    assert (np.diff(ends, axis=0) >= -1e-12).all()


def test_logit_interval_is_symmetric_on_the_logit_scale_and_inside_0_and_1():
    low, high = logit_interval(0.97, 0.05, 1.96)

    assert 0 < low < 0.97 < high < 1
    assert logit(high) - logit(0.97) == pytest.approx(logit(0.97) - logit(low))


def test_newcombe_of_a_perfect_auc_solves_its_equation():
    low, high = newcombe_auc(1.0, 20, 30, 0.95)

    extra = 24 * ((1 - low) / (2 - low) + low / (1 + low))
    variance = low * (1 - low) / 600 * (1 + extra)
    assert high == 1.0
    assert 1 - low == pytest.approx(1.959964 * np.sqrt(variance), rel=1e-5)


def test_newcombe_mirrors_and_narrows_with_patients():
    low, high = newcombe_auc(0.8, 20, 30, 0.95)

    assert newcombe_auc(0.2, 20, 30, 0.95) == pytest.approx((1 - high, 1 - low))
    assert newcombe_auc(0.0, 20, 30, 0.95)[0] == 0.0
    assert newcombe_auc(1.0, 200, 300, 0.95)[0] > newcombe_auc(1.0, 20, 30, 0.95)[0]
    assert low < 0.8 < high


def test_t_interval_is_scipys_when_values_have_no_bounds():
    values = np.array([-1.0, 0.5, 2.0, 7.0])
    oracle = t.interval(0.9, 3, values.mean(), values.std(ddof=1) / 2)

    mean, error = values.mean(), values.std(ddof=1) / 2
    assert t_interval(mean, error, 4, 0.9, share=False) == pytest.approx(oracle)


def test_t_interval_of_shares_stays_inside_0_and_1():
    ends = t_interval(0.7233, 0.26, 3, 0.95, share=True)

    assert ends is not None
    assert 0 < ends[0] < 0.7233 < ends[1] < 1


@pytest.mark.parametrize(("n", "error"), [(1, 0.1), (3, 0.0)])
def test_no_spread_no_interval(n, error):
    assert t_interval(0.9, error, n, 0.95, share=True) is None
    assert t_interval(0.9, error, n, 0.95, share=False) is None
    assert positive_interval(0.9, error, n, 0.95) is None


def test_an_interval_of_distances_stays_above_zero():
    low, high = positive_interval(2.6, 2.5, 20, 0.95) or (0, 0)
    assert 0 < low < 2.6 < high


def test_a_share_at_the_end_of_its_range_has_no_interval():
    assert t_interval(0.0, 0.1, 12, 0.95, share=True) is None
    assert t_interval(1.0, 0.1, 12, 0.95, share=True) is None
