import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxray.model import windows
from voxray.model.windows import slide

SHARES = np.random.default_rng(0).random((2, 30, 25, 28)).astype(np.float32)


def known(part):
    return SHARES[(slice(None), *part)]


@pytest.mark.parametrize("window", [(8, 8, 8), (30, 25, 28), (40, 6, 9), (7, 40, 40)])
def test_windows_that_agree_give_what_they_agree_on(window):
    shares = slide(known, (30, 25, 28), window, _halves(window), 2)
    assert shares.dtype == np.float32
    np.testing.assert_allclose(shares, SHARES, atol=1e-6)


SIDES = st.tuples(*[st.integers(1, 20)] * 3)


@given(SIDES, SIDES, SIDES)
@settings(deadline=None, max_examples=40)
def test_every_voxel_is_in_some_window(shape, window, overlap):
    ones = lambda part: np.ones((1, *_lengths(part)))  # noqa: E731 - one line
    shares = slide(ones, shape, window, overlap, 1)
    assert shares.shape == (1, *shape)
    np.testing.assert_allclose(shares, 1, atol=1e-6)


def _lengths(part):
    return [s.stop - s.start for s in part]


def _halves(window):
    return tuple(side // 2 for side in window)


def test_the_middle_of_a_window_counts_more_than_its_border():
    answers = iter([0.0, 1.0])
    shares = slide(
        lambda _: np.full((1, 8, 1, 1), next(answers)),
        (12, 1, 1),
        (8, 1, 1),
        (4, 1, 1),
        1,
    )
    line = shares[0, :, 0, 0]
    assert (line[:4] == 0).all()
    assert (line[8:] == 1).all()
    assert (np.diff(line) >= 0).all()


def test_many_shares_are_kept_in_16_bits(monkeypatch):
    monkeypatch.setattr(windows, "_LARGE", 1000)
    shares = slide(known, (30, 25, 28), (8, 8, 8), (4, 4, 4), 2)
    assert shares.dtype == np.float16
    np.testing.assert_allclose(shares, SHARES, atol=5e-4)
