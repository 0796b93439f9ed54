import pytest
import torch

from tests.unit.model.makers import a_network, a_network_plan, a_plan
from voxray.model import VoxrayNetwork


@pytest.mark.parametrize(
    ("task", "has_classes", "has_masks"),
    [("classify", True, False), ("segment", False, True), ("both", True, True)],
)
def test_each_task_has_its_heads(task, has_classes, has_masks):
    said = a_network(a_plan(task))(torch.randn(3, 1, 16, 20, 12))
    assert (said.class_logits is not None) == has_classes
    assert (said.mask_logits is not None) == has_masks
    if has_classes:
        assert said.class_logits.shape == (3, 2)
    if has_masks:
        assert said.mask_logits.shape == (3, 2, 16, 20, 12)


@pytest.mark.parametrize("task", ["classify", "segment", "both"])
def test_flat_data_pass_through_kernels_of_one_along_k(task):
    plan = a_plan(task, input_shape=(16, 20, 1), network=a_network_plan(flat=True))
    network = a_network(plan)
    said = network(torch.randn(2, 1, 16, 20, 1))
    kernels = [p.shape[-1] for p in network.encoder.parameters() if p.dim() == 5]
    assert set(kernels) == {1}
    if said.mask_logits is not None:
        assert said.mask_logits.shape == (2, 2, 16, 20, 1)


def test_strides_may_differ_between_axes():
    network = a_network_plan().model_copy(
        update={"strides": ((1, 1, 1), (2, 2, 1)), "kernels": ((3, 3, 1), (3, 3, 3))}
    )
    said = a_network(a_plan(network=network))(torch.randn(1, 1, 16, 20, 3))
    assert said.mask_logits.shape == (1, 2, 16, 20, 3)


def test_the_class_does_not_teach_the_mask():
    network = VoxrayNetwork(a_plan("both"))
    network(torch.randn(2, 1, 16, 20, 12)).class_logits.sum().backward()
    assert network.decoder is not None
    assert all(p.grad is None for p in network.decoder.parameters())
    assert any(p.grad is not None for p in network.encoder.parameters())


def test_a_batch_of_one_can_be_trained_on():
    said = VoxrayNetwork(a_plan("both")).train()(torch.randn(1, 1, 16, 20, 12))
    (said.class_logits.sum() + said.mask_logits.sum()).backward()
    assert torch.isfinite(said.class_logits).all()


@pytest.mark.parametrize("task", ["classify", "both"])
def test_a_network_of_one_level_decides_from_it(task):
    one = {"features": (16,), "strides": ((1, 1, 1),), "kernels": ((3, 3, 3),)}
    network = a_network_plan().model_copy(update=one)
    said = a_network(a_plan(task, network=network))(torch.randn(2, 1, 3, 3, 2))
    assert said.class_logits.shape == (2, 2)
