"""How many voxels a machine takes: at once, in a step, and of a whole scan."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

_BYTES_PER_FEATURE = 50
"""Peak of a training step: bytes per voxel and feature of the finest level, measured on
a CPU in 32-bit floats; half of it on a GPU, which computes in 16 bits."""
_FIXED_GB = 1.0
"""Libraries, weights, optimiser, and the batches that are made ahead."""
_SHARE_FREE = 0.6
"""Of a machine's memory: other programs and the file cache need the rest."""
_SMALLEST_STEP = 2 * 16**3
_VIEWS = 4
"""Along an axis a scan is at most so many times as long as the input: a shorter one
shows too little around it, and a prediction takes minutes."""
_SHORT_VIEW = 8  # voxels; an axis of 16 has no more than two views


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a plan will be trained.

    Attributes:
        device: "cpu" or "cuda".
        memory_gb: Memory of that device.
    """

    device: Literal["cpu", "cuda"]
    memory_gb: float


@dataclass(frozen=True, slots=True)
class Budget:
    """What a step may hold.

    Attributes:
        input_voxels: The network sees at once.
        class_voxels: The same where only a class is learned, which gains more from
            several exams a step.
        step_voxels: A step sees over all exams of a batch.
        class_step_voxels: The same where only a class is learned, which is standardised
            over the exams of a batch.
        features: Per level, finest first; a network uses the first ones.
        reason: Why, for a person.
    """

    input_voxels: int
    class_voxels: int
    step_voxels: int
    class_step_voxels: int
    features: tuple[int, ...]
    reason: str

    def scan_voxels(self, sizes: Sequence[float]) -> int:
        """A scan of about these sides should have no more at the plan's spacing."""
        views = math.prod(min(_VIEWS, max(1.0, n / _SHORT_VIEW)) for n in sizes)
        return round(views * self.input_voxels)


_CPU = Budget(100_000, 100_000, 150_000, 900_000, (16, 32, 64, 128, 256, 256), "")
_GPU_FEATURES = (32, 64, 128, 256, 320, 320)
_GPU = Budget(2_100_000, 525_000, 4_200_000, 8_400_000, _GPU_FEATURES, "")
_WHY = {
    "cpu": "keeps a step on a CPU near a second",
    "cuda": "two inputs of 128 x 128 x 128 fill a step on a GPU",
}


def find_budget(machine: Machine, memory_gb: float | None) -> Budget:
    """Fewer voxels where the memory does not hold the usual ones.

    Args:
        machine: Where it will be trained.
        memory_gb: What training may take; None: a share of the machine's memory.
    """
    usual = _GPU if machine.device == "cuda" else _CPU
    given = memory_gb if memory_gb is not None else machine.memory_gb * _SHARE_FREE
    held = _voxels_in(given, machine, usual.features[0])
    class_step = min(usual.class_step_voxels, max(_SMALLEST_STEP, held))
    usual = replace(usual, class_step_voxels=class_step)
    if held >= usual.step_voxels:
        return replace(usual, reason=_WHY[machine.device])
    step = max(_SMALLEST_STEP, held)
    return replace(
        usual,
        input_voxels=min(usual.input_voxels, step // 2),
        class_voxels=min(usual.class_voxels, step // 2),
        step_voxels=step,
        reason=f"{given:.1f} GB of memory hold about {step:,} voxels a step",
    )


def _voxels_in(memory_gb: float, machine: Machine, features: int) -> int:
    """How many voxels a training step may hold."""
    half = 2 if machine.device == "cuda" else 1
    free = max(0.0, memory_gb - (0 if machine.device == "cuda" else _FIXED_GB)) * 1e9
    return int(free * half / (_BYTES_PER_FEATURE * features))
