import math

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss as sklearn_log_loss
from torch.nn import functional

from voxray.core.specs import Target
from voxray.train.class_loss import class_loss, log_loss, smoothing_target

NAN = math.nan


def even(n: int) -> torch.Tensor:
    return torch.full((n,), 1 / n)


def test_even_classes_cost_the_smoothed_cross_entropy_of_their_number():
    logits = torch.randn(5, 3)
    numbers = torch.tensor([0, 2, 1, 1, 0])
    wanted = functional.one_hot(numbers, 3).float()
    loss = class_loss(logits, wanted, even(3), Target.EXCLUSIVE)
    wanted = functional.cross_entropy(logits, numbers, label_smoothing=0.05)
    torch.testing.assert_close(loss, wanted)


def test_one_label_costs_what_two_exclusive_classes_of_the_same_odds_cost():
    odds, there = torch.randn(6, 1), torch.tensor([[1.0, 0, 1, 1, 0, 0]]).T
    share = torch.tensor([0.3])
    towards = smoothing_target(share, Target.LABELS)
    label = class_loss(odds, there, towards, Target.LABELS)
    pair = torch.cat([torch.zeros_like(odds), odds], dim=1)
    classes = torch.cat([1 - there, there], dim=1)
    both = torch.tensor([0.7, 0.3])
    towards = smoothing_target(both, Target.EXCLUSIVE)
    alike = class_loss(pair, classes, towards, Target.EXCLUSIVE)
    torch.testing.assert_close(label, alike)


BOTH = pytest.mark.parametrize("target", [Target.EXCLUSIVE, Target.LABELS])


@BOTH
@pytest.mark.parametrize("rare", [0.002, 0.02, 0.1])
def test_what_costs_least_is_near_how_frequent_a_rare_class_is(target, rare):
    share = torch.tensor([1 - rare, rare])
    towards = smoothing_target(share, target)
    logits = share.log() if target is Target.EXCLUSIVE else torch.logit(share)
    wanted = torch.eye(2).repeat_interleave(torch.tensor([998, 2]), dim=0)
    if rare == 0.002:  # the least is where the mean of what is wanted lies
        mean = 0.95 * share + 0.05 * towards
        at_mean = mean.log() if target is Target.EXCLUSIVE else torch.logit(mean)
        cost = [
            class_loss(said.expand(1000, 2), wanted, towards, target)
            for said in (at_mean, logits, at_mean + torch.tensor([0.0, 0.7]))
        ]
        assert cost[0] == min(cost)
    assert rare <= 0.95 * rare + 0.05 * towards[1] <= 1.126 * rare
    assert towards.sum() == pytest.approx(1)


@BOTH
@pytest.mark.parametrize("share", [[0.5, 0.5], [0.73, 0.27], [0.2, 0.8]])
def test_smoothing_is_even_where_no_class_is_rare(target, share):
    torch.testing.assert_close(smoothing_target(torch.tensor(share), target), even(2))


def test_a_label_that_nobody_stated_costs_nothing_and_teaches_nothing():
    logits = torch.randn(2, 2, requires_grad=True)
    loss = class_loss(
        logits, torch.tensor([[1.0, NAN], [0.0, 1.0]]), even(2), Target.LABELS
    )
    loss.backward()
    assert torch.isfinite(loss)
    assert logits.grad is not None
    assert logits.grad[0, 1] == 0
    assert (logits.grad.flatten()[[0, 2, 3]] != 0).all()


def test_a_batch_without_any_label_costs_nothing():
    loss = class_loss(
        torch.randn(2, 2), torch.full((2, 2), NAN), even(2), Target.LABELS
    )
    assert loss == 0


def test_log_loss_is_that_of_scikit_learn():
    shares = np.array([0.2, 0.7, 0.1], np.float32)
    said = log_loss(shares, np.array([0.0, 1, 0]), Target.EXCLUSIVE)
    assert said == pytest.approx(sklearn_log_loss([1], [shares], labels=[0, 1, 2]))


def test_log_loss_of_labels_is_the_mean_over_those_that_are_stated():
    shares = np.array([0.2, 0.7, 0.9], np.float32)
    said = log_loss(shares, np.array([0.0, NAN, 1.0]), Target.LABELS)
    assert said == pytest.approx(-(math.log(0.8) + math.log(0.9)) / 2)


def test_log_loss_of_a_sure_mistake_is_finite():
    assert log_loss(np.array([0.0, 1.0], np.float32), np.eye(2)[0], Target.LABELS) < 20
