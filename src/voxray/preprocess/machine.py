"""How much memory the machine that plans has."""

import os
from pathlib import Path

import torch

from voxray.model import Compute
from voxray.preprocess.budget import Machine

_CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")


def this_machine(compute: Compute) -> Machine:
    """Memory of the GPU, or what this process may take of the computer's."""
    if compute.device == "cuda":
        total = torch.cuda.get_device_properties(compute.torch_device).total_memory
        return Machine("cuda", total / 1e9)
    return Machine("cpu", memory_bytes() / 1e9)


def memory_bytes() -> int:
    """What this process may take of the computer's memory."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min(total, _container_limit(_CONTAINER_LIMIT, total))


def _container_limit(path: Path, otherwise: int) -> int:
    """Bytes a container allows; `otherwise` without a limit."""
    if not path.is_file():
        return otherwise
    said = path.read_text(encoding="ascii").strip()
    return int(said) if said.isdigit() else otherwise
