import numpy as np
import pytest
import torch

from tests.unit.model.makers import a_network, a_plan, predicted
from voxray.core.specs import Plan, Target
from voxray.model import VoxrayNetwork, class_probabilities
from voxray.model.heads import OrdinalScores, class_scores, start_from_shares

GRADES = ("low", "mid", "high", "extreme")
SHARES = torch.tensor([0.1, 0.5, 0.35, 0.05])


def probabilities(scores, features, target):
    with torch.no_grad():
        return class_probabilities(scores(features), target)


def an_ordinal(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)  # noqa: TID251 - a test's own stream
        scores = OrdinalScores(6, len(GRADES))
        torch.nn.init.normal_(scores.gaps)
    return scores


@pytest.mark.parametrize("seed", range(3))
def test_probabilities_of_ordered_classes_are_positive_and_sum_to_one(seed):
    features = 30 * torch.randn(50, 6)
    said = probabilities(an_ordinal(seed), features, Target.ORDINAL)
    assert (said >= 0).all()
    torch.testing.assert_close(said.sum(dim=1), torch.ones(50))


def test_a_higher_score_never_makes_a_higher_class_less_likely():
    scores = an_ordinal()
    direction = scores.score.weight.detach() / scores.score.weight.detach().norm()
    features = torch.linspace(-20, 20, 41)[:, None] * direction
    said = probabilities(scores, features, Target.ORDINAL)
    above = said.flip(1).cumsum(1)[:, :-1]
    assert (above.diff(dim=0) >= -1e-6).all()


def test_ordered_classes_are_cumulative_logits_of_one_score():
    scores = an_ordinal()
    features = torch.randn(5, 6)
    with torch.no_grad():
        cumulative = probabilities(scores, features, Target.ORDINAL).cumsum(1)[:, :-1]
        odds = -torch.logit(cumulative.double())
    gaps = odds.diff(dim=1)  # the same thresholds for every exam: proportional odds
    torch.testing.assert_close(gaps, gaps[:1].expand(5, -1), atol=1e-4, rtol=1e-4)


def test_loss_of_ordered_classes_is_finite_however_sure_it_is():
    logits = an_ordinal()(torch.full((1, 6), 1e4))
    loss = -logits.sum()
    loss.backward()
    assert torch.isfinite(loss)


@pytest.mark.parametrize("target", [Target.EXCLUSIVE, Target.ORDINAL])
def test_before_training_probabilities_are_the_shares_of_the_classes(target):
    scores = class_scores(target, 6, len(GRADES))
    start_from_shares(scores, target, SHARES)
    said = probabilities(scores, torch.zeros(1, 6), target)[0]
    torch.testing.assert_close(said, SHARES, atol=1e-3, rtol=1e-3)


def test_before_training_probabilities_of_labels_are_their_shares():
    scores = class_scores(Target.LABELS, 6, 3)
    start_from_shares(scores, Target.LABELS, torch.tensor([0.9, 0.2, 0.0]))
    said = probabilities(scores, torch.zeros(1, 6), Target.LABELS)[0]
    torch.testing.assert_close(said, torch.tensor([0.9, 0.2, 0.01]))


def test_the_network_starts_from_the_shares_it_is_given():
    plan = a_plan("classify")
    network = VoxrayNetwork(plan, {"healthy": 0.8, "ill": 0.2})
    bias = network.state_dict()["class_head.linear.bias"]
    assert float((bias[0] - bias[1]).exp()) == pytest.approx(4)


def test_labels_are_predicted_each_by_itself():
    plan = a_plan("classify", classes=("a", "b", "c"), target=Target.LABELS)
    network = a_network(plan)
    network.state_dict()["class_head.linear.bias"].copy_(torch.tensor([8.0, 8.0, -8.0]))
    said = predicted(network, np.zeros((1, 16, 20, 12), np.float32), plan).classes
    assert said.shape == (3,)
    assert (said[:2] > 0.9).all()
    assert said[2] < 0.1


def test_ordered_classes_are_predicted_as_probabilities():
    plan = a_plan("classify", classes=GRADES, target=Target.ORDINAL)
    image = np.random.default_rng(0).normal(size=(1, 16, 20, 12)).astype(np.float32)
    said = predicted(a_network(plan), image, plan).classes
    assert said.shape == (4,)
    assert said.sum() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("target", list(Target))
def test_logits_of_classes_are_not_rounded_to_half_precision(target):
    plan = a_plan("classify", classes=GRADES, target=target)
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        logits = a_network(plan)(torch.randn(2, 1, 16, 20, 12)).class_logits
    assert logits.dtype == torch.float32
    assert (logits.bfloat16().float() != logits).any()


def test_a_plan_of_an_older_model_is_of_exclusive_classes():
    said = a_plan().model_dump(mode="json")
    del said["target"]
    assert Plan.model_validate(said).target is Target.EXCLUSIVE


def test_weights_of_older_models_keep_their_names():
    names = set(a_network(a_plan("classify")).state_dict())
    assert {"class_head.linear.weight", "class_head.linear.bias"} <= names
