"""How much memory a training step takes, and how much there is."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from voxray.core.specs import Plan
from voxray.model.device import Compute
from voxray.model.networks import VoxrayNetwork

GB = 10**9
SHARE = 0.7
"""Of the memory that is available, when `train.memory_gb` does not say how much."""

_FIXED = 0.8 * GB
"""Libraries and buffers: what a process takes that trains a tiny network."""

_GIVEN_UP = {"inactive_file", "active_file"}
_COPIES = 5  # weights, gradients, two moments, average
_WORKSPACE = 1.6
"""Peak over what is kept for the backward pass: gradients, convolution buffers."""


@dataclass(frozen=True, slots=True)
class StepMemory:
    """Estimate for one training step, in bytes.

    Attributes:
        fixed: Whatever the batch.
        per_exam: For each exam that goes through the network at once.
    """

    fixed: float
    per_exam: float


def step_memory(plan: Plan) -> StepMemory:
    """Estimate from what the backward pass keeps; no voxel is allocated for it.

    In 32-bit floats, so that it is an upper bound in mixed precision.
    """
    with torch.device("meta"):
        network = VoxrayNetwork(plan)
        image = torch.empty((1, len(plan.inputs), *plan.input_shape))
    weights = sum(p.numel() * p.element_size() for p in network.parameters())
    kept = _kept_bytes(network, image)
    return StepMemory(_FIXED + _COPIES * weights, _WORKSPACE * kept)


def _kept_bytes(network: nn.Module, image: torch.Tensor) -> int:
    own = {p.untyped_storage()._cdata for p in network.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = network(image)
    del output
    return sum(kept.values())


def memory_limit(memory_gb: float | None, compute: Compute) -> float:
    """Bytes that training may take: as set, else a share of what is available."""
    if memory_gb is not None:
        return memory_gb * GB
    if compute.runs_beside:
        free, _ = torch.cuda.mem_get_info()
        return SHARE * free
    return SHARE * available_bytes()


def available_bytes(root: Path = Path("/")) -> float:
    """Memory that this process may still take, by the system and by its control group.

    Args:
        root: Where `proc` and `sys` are.
    """
    found = [_meminfo(root), _control_group(root)]
    known = [n for n in found if n is not None]
    return min(known) if known else 8.0 * GB


def _meminfo(root: Path) -> float | None:
    path = root / "proc" / "meminfo"
    if not path.is_file():
        return None
    for line in path.read_text(encoding="ascii", errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return float(value.split()[0]) * 1024
    return None


def _control_group(root: Path) -> float | None:
    folder = root / "sys" / "fs" / "cgroup"
    limit, used = folder / "memory.max", folder / "memory.current"
    if not limit.is_file() or not used.is_file():
        return None
    text = limit.read_text(encoding="ascii").strip()
    if text == "max":
        return None
    return float(text) - float(used.read_text(encoding="ascii")) + _file_cache(folder)


def _file_cache(folder: Path) -> float:
    """Bytes of read files that a control group counts, and gives up when asked."""
    path = folder / "memory.stat"
    text = path.read_text(encoding="ascii") if path.is_file() else ""
    rows = [line.split() for line in text.splitlines()]
    return sum(float(n) for name, n in rows if name in _GIVEN_UP)


def fitting_exams(memory: StepMemory, limit: float, batch_size: int) -> int:
    """Exams of a batch that may go through the network at once; 0 if not even one."""
    room = int((limit - memory.fixed) // max(memory.per_exam, 1))
    return max(0, min(batch_size, room))
