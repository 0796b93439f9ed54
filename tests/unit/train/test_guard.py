from itertools import pairwise

import numpy as np
import pytest

from voxray.train.guard import LossGuard


def alarms(losses):
    guard = LossGuard()
    return [n for n, loss in enumerate(losses) if guard.explodes(loss)]


def falling(n, seed=0, noise=0.3):
    rng = np.random.default_rng(seed)
    return (0.2 + np.exp(-np.arange(n) / 40)) * np.exp(rng.normal(0, noise, n))


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_no_explosion(seed):
    assert alarms(falling(2000, seed)) == []


def test_a_few_hard_exams_are_no_explosion():
    losses = falling(1000)
    losses[::10] = 30
    assert alarms(losses) == []


@pytest.mark.parametrize("level", [1.2, 50.0])
def test_a_loss_that_stays_high_is_one_within_twenty_steps(level):
    losses = np.concatenate([falling(300), np.full(40, level)])
    found = alarms(losses)
    assert found
    assert 300 <= found[0] <= 320


def test_the_beginning_is_never_one():
    assert alarms(np.linspace(0.1, 9, 79)) == []


def test_a_guard_that_is_restored_goes_on_as_it_was():
    losses = np.concatenate([falling(150), np.full(40, 5.0)])
    guard, torn = LossGuard(), LossGuard()
    for loss, following in pairwise(losses):
        torn = LossGuard(list(torn.beginning), list(torn.recent))
        assert guard.explodes(loss) == torn.explodes(loss)
        assert following > 0
