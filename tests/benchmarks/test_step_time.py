"""What a training step costs with other normalisation, layout and precision: ratios.

    pytest -m bench -s tests/benchmarks/test_step_time.py

The hippocampus network and input, batch of 2, forward and backward; the smallest of 6.
"""

import time
from itertools import product

import pytest
import torch
from torch import nn

from voxray.core.specs import NetworkPlan, Plan
from voxray.model import VoxrayNetwork

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]

SHAPE = (36, 56, 36)
PLAN = Plan(
    channels=("t1",),
    modality=("",),
    spacing_mm=(1.0, 1.0, 1.0),
    input_shape=SHAPE,
    whole_volume=True,
    normalisation={"t1": "zscore"},
    structures=("anterior", "posterior"),
    mask_values=(1, 2),
    network=NetworkPlan(
        features=(16, 32, 64, 128),
        strides=((1, 1, 1), (2, 2, 2), (2, 2, 2), (1, 2, 1)),
        kernels=((3, 3, 3),) * 4,
    ),
    batch_size=2,
    reasons={},
)


def with_instance_norm(network: nn.Module) -> nn.Module:
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.GroupNorm):
                setattr(
                    parent, name, nn.InstanceNorm3d(child.num_channels, affine=True)
                )
    return network


def step_s(norm: str, layout: torch.memory_format, dtype: torch.dtype) -> float:
    network = VoxrayNetwork(PLAN)
    if norm == "instance":
        with_instance_norm(network)
    for weight in network.parameters():
        if weight.dim() == 5:
            weight.data = weight.data.contiguous(memory_format=layout)
    image = torch.randn(2, 1, *SHAPE).contiguous(memory_format=layout)
    times = []
    for _ in range(6):
        began = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype is torch.bfloat16):
            logits = network(image).mask_logits
        logits.float().logsumexp(1).mean().backward()
        times.append(time.perf_counter() - began)
    return min(times)


def test_cost_of_a_step_against_what_voxray_does():
    layouts = {"channels last": torch.channels_last_3d}
    layouts["contiguous"] = torch.contiguous_format
    dtypes = {"32-bit": torch.float32, "bfloat16 autocast": torch.bfloat16}
    own = step_s("group", torch.channels_last_3d, torch.float32)
    print(f"\ngroup, channels last, 32-bit: {own:.3f} s a step = 1.00")
    for norm, layout, dtype in product(("group", "instance"), layouts, dtypes):
        ratio = step_s(norm, layouts[layout], dtypes[dtype]) / own
        print(f"{norm}, {layout}, {dtype}: {ratio:.2f}")
        assert ratio > 0
