"""The networks on a CUDA device: same answers, and a step that learns."""

import numpy as np
import pytest
import torch

from tests.unit.model.makers import PLAIN_CPU, a_network, a_plan
from voxray.model import choose_compute, predict

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings(
        "default"
    ),  # the compiler of torch warns of its own code
]

BFLOAT16_SHARE = 0.02


def an_image(n_channels, shape=(16, 20, 12)):
    rng = np.random.default_rng(5)
    return rng.normal(size=(n_channels, *shape)).astype(np.float32)


def two_channels(task, **changes):
    channels = ("t1", "flair")
    normalisation = dict.fromkeys(channels, "zscore")
    return a_plan(task, channels=channels, normalisation=normalisation, **changes)


@pytest.mark.parametrize("shape", [(16, 20, 12), (40, 44, 36), (10, 12, 8)])
def test_the_device_predicts_what_the_processor_does(shape):
    plan, compute = two_channels("both"), choose_compute("cuda")
    image = an_image(2, shape)

    on_cpu = predict(PLAIN_CPU.place(a_network(plan)), image, plan, PLAIN_CPU)
    on_gpu = predict(compute.place(a_network(plan)), image, plan, compute)

    assert on_gpu.classes is not None
    assert on_cpu.classes is not None
    assert on_gpu.masks is not None
    assert on_cpu.masks is not None
    np.testing.assert_allclose(on_gpu.classes, on_cpu.classes, atol=BFLOAT16_SHARE)
    np.testing.assert_allclose(on_gpu.masks, on_cpu.masks, atol=BFLOAT16_SHARE)


def test_steps_on_the_device_lower_the_loss():
    plan, compute = two_channels("classify"), choose_compute("cuda")
    network = compute.place(a_network(plan)).train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-2)
    batch = compute.send(torch.from_numpy(np.stack([an_image(2), -an_image(2)])))
    wanted = torch.tensor([0, 1], device=compute.torch_device)

    losses = []
    for _ in range(20):
        with compute.autocast():
            logits = network(batch).class_logits
        loss = torch.nn.functional.cross_entropy(logits.float(), wanted)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())

    assert losses[-1] < 0.5 * losses[0]
