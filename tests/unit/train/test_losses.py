import pytest
import torch

from tests.unit.model.makers import a_plan
from voxray.core.specs import FoldValues, Target
from voxray.model import NetworkOutput
from voxray.train.batches import Batch
from voxray.train.losses import TaskLoss, structure_weights

SHAPE = (2, 1, 6, 6, 4)


def a_loss(plan):
    return TaskLoss(plan, FoldValues(n_exams=1), torch.device("cpu"))


def a_batch(mask=None, classes=None):
    return Batch(torch.zeros(SHAPE), mask, classes)


def logits_of(mask, size=20.0):
    """Very sure logits of this mask."""
    return torch.cat([-size * (mask - 0.5), size * (mask - 0.5)], dim=1)


def a_mask(value=1.0):
    mask = torch.zeros(SHAPE)
    mask[:, :, 2:4, 2:4, 1:3] = value
    return mask


@pytest.mark.parametrize("said", [a_mask(0.0), a_mask(1.0)])
def test_the_loss_is_finite_when_no_exam_has_the_structure(said):
    loss = a_loss(a_plan("segment"))(
        NetworkOutput(None, logits_of(said).requires_grad_()), a_batch(a_mask(0.0))
    )
    assert torch.isfinite(loss)


def test_a_right_mask_costs_almost_nothing_and_a_wrong_one_much():
    loss, mask = a_loss(a_plan("segment")), a_mask()
    right = loss(NetworkOutput(None, logits_of(mask)), a_batch(mask))
    wrong = loss(NetworkOutput(None, logits_of(1 - mask)), a_batch(mask))
    assert right < 0.05
    assert wrong > 1


def test_both_heads_add_up():
    mask, classes = a_mask(), torch.eye(2)
    output = NetworkOutput(torch.randn(2, 2), logits_of(mask, 1.0))
    both = a_loss(a_plan("both"))(output, a_batch(mask, classes))
    alone = [
        a_loss(a_plan("both"))(
            NetworkOutput(output.class_logits, None), a_batch(None, classes)
        ),
        a_loss(a_plan("both"))(NetworkOutput(None, output.mask_logits), a_batch(mask)),
    ]
    torch.testing.assert_close(both, alone[0] + alone[1])


def test_the_right_class_costs_less():
    loss, batch = a_loss(a_plan("classify")), a_batch(None, torch.eye(2))
    sure = torch.tensor([[4.0, -4.0], [-4.0, 4.0]])
    right = loss(NetworkOutput(sure, None), batch)
    assert right < loss(NetworkOutput(-sure, None), batch)


def test_the_weight_of_a_structure_grows_as_it_gets_rarer_within_limits():
    names = ("common", "rare", "rarer", "absent")
    plan = a_plan("segment", structures=names, mask_values=(1, 2, 3, 4))
    shares = {"common": 0.3, "rare": 1e-3, "rarer": 3e-4, "absent": 0.0}
    weights = structure_weights(plan, FoldValues(structure_share=shares, n_exams=1))
    assert weights[0] == weights[1] == 1
    assert weights.tolist() == sorted(weights.tolist())
    assert 1 < weights[2] < weights[3] < weights[4] < 100


def test_without_shares_every_structure_counts_alike():
    weights = structure_weights(a_plan("segment"), FoldValues(n_exams=1))
    assert weights.tolist() == [1, 1]


def test_several_labels_and_a_mask_are_learned_together():
    names = ("a", "b", "c")
    plan = a_plan("both", classes=names, target=Target.LABELS)
    logits = torch.zeros(2, 3, requires_grad=True)
    targets = torch.tensor([[1.0, 0, float("nan")], [float("nan"), 1, 0]])
    mask = a_mask()
    loss = a_loss(plan)(NetworkOutput(logits, logits_of(mask)), a_batch(mask, targets))
    loss.backward()
    assert torch.isfinite(loss)
    assert logits.grad is not None
    assert logits.grad.ne(0).tolist() == [[True, True, False], [False, True, True]]
