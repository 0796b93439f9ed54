"""How many exams go through the network at once, so that a step fits into memory."""

from dataclasses import dataclass

from voxray.core.errors import DatasetError
from voxray.core.specs import Plan
from voxray.model import Compute, fitting_exams, memory_limit, step_memory

_GB = 1e9


@dataclass(frozen=True, slots=True)
class Room:
    """What fits.

    Attributes:
        micro_batch: Exams at once, at least 1.
        problem: What a person should know; None when the whole batch fits.
    """

    micro_batch: int
    problem: str | None


def find_room(plan: Plan, memory_gb: float | None, compute: Compute) -> Room:
    """Estimate how much of a batch fits.

    Raises:
        DatasetError: If one exam needs more than `memory_gb`, which a person set.
    """
    memory, limit = step_memory(plan), memory_limit(memory_gb, compute)
    n_fit = fitting_exams(memory, limit, plan.batch_size)
    if n_fit >= plan.batch_size:
        return Room(plan.batch_size, None)
    if n_fit:
        text = f"{n_fit} of {plan.batch_size} exams go through the network at once, to"
        return Room(n_fit, f"{text} stay within {limit / _GB:.1f} GB of memory")
    needed_gb = (memory.fixed + memory.per_exam) / _GB
    problem = (
        f"one exam of {_voxels(plan)} voxels needs about {needed_gb:.1f} GB of memory "
        f"to train on, and {limit / _GB:.1f} GB may be taken"
    )
    if memory_gb is not None:
        msg = f"{problem}; raise train.memory_gb or lower train.input_shape"
        raise DatasetError(msg)
    return Room(1, f"warning: {problem}; trying it")


def no_room(plan: Plan, memory_gb: float | None, compute: Compute) -> str:
    """What to say when memory runs out with a single exam."""
    limit = memory_limit(memory_gb, compute)
    return (
        f"memory runs out with one exam of {_voxels(plan)} voxels, where "
        f"{limit / _GB:.1f} GB may be taken; lower train.input_shape, or make "
        "train.spacing_mm larger"
    )


def _voxels(plan: Plan) -> str:
    return " x ".join(map(str, plan.input_shape))
