"""From minutes to a fixed number of steps, and the learning rate over them."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from voxray.core.files import read_json, write_json
from voxray.core.specs import TrainSpec

TIMED_STEPS = 20
_WARM_UP_STEPS = 30
_FEWEST_STEPS = 3 * _WARM_UP_STEPS
_LONGEST_EPOCH = 100  # steps; a killed run loses at most one epoch


@dataclass(frozen=True, slots=True)
class Schedule:
    """How a fold is trained. Fixed before it is followed, so that a resumed run agrees.

    Attributes:
        steps: Optimiser steps in all.
        steps_per_epoch: Steps between two checkpoints.
        step_seconds: Measured on the first steps; 0 when the steps were given.
        basis: Where the number of steps comes from, in words.
    """

    steps: int
    steps_per_epoch: int
    step_seconds: float
    basis: str

    def steps_of(self, step: int) -> int:
        """Steps of the epoch that starts after `step` steps."""
        return min(epoch_length(step, self.steps_per_epoch), self.steps - step)

    def learning_rate(self, step: int, peak: float) -> float:
        """Linear warm-up, then half a cosine down to zero at the last step."""
        return peak * rate_factor(step, self.steps)


@dataclass(frozen=True, slots=True)
class FirstEpoch:
    """What the first epoch took.

    Attributes:
        steps: Steps in it.
        step_s: Duration of a step.
        rest_s: Validation and checkpoint.
    """

    steps: int
    step_s: float
    rest_s: float


def median_step_s(step_ends_s: Sequence[float]) -> float:
    """Duration of a typical step, from the times at which the first ones ended.

    The median: the first steps are slow, and a machine may be busy for a moment.
    """
    return float(np.median(np.diff(step_ends_s)))


def rate_factor(step: int, steps: int) -> float:
    """Share of the peak learning rate at a step that counts from 0."""
    warm_up = min(_WARM_UP_STEPS, max(1, steps // 3))
    if step < warm_up:
        return (step + 1) / warm_up
    progress = (step - warm_up) / max(1, steps - warm_up)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def steps_per_epoch(n_exams: int, batch_size: int) -> int:
    """Steps that see each exam about once, at most 100."""
    return max(1, min(_LONGEST_EPOCH, math.ceil(n_exams / batch_size)))


def epoch_length(step: int, per_epoch: int) -> int:
    """Steps of an epoch; the first holds all the steps that are timed."""
    return per_epoch if step else per_epoch * math.ceil(TIMED_STEPS / per_epoch)


def given_schedule(spec: TrainSpec, per_epoch: int) -> Schedule | None:
    """The schedule of `train.steps` or `train.epochs`; None with a time budget."""
    if spec.steps is not None:
        return Schedule(spec.steps, per_epoch, 0.0, f"train.steps: {spec.steps}")
    if spec.epochs is not None:
        steps = spec.epochs * per_epoch
        return Schedule(steps, per_epoch, 0.0, f"train.epochs: {spec.epochs}")
    return None


def budgeted_schedule(
    budget_s: float, elapsed_s: float, first: FirstEpoch, per_epoch: int
) -> Schedule:
    """Fill a time budget.

    Args:
        budget_s: Wall time of the fold.
        elapsed_s: Spent so far, the timed steps included.
        first: What the first epoch took.
        per_epoch: Steps in a later epoch.
    """
    left_s = max(0.0, budget_s - elapsed_s)
    more = int(left_s / (first.step_s + first.rest_s / per_epoch))
    steps = max(first.steps + more, _FEWEST_STEPS)
    basis = (
        f"train.budget_minutes: {budget_s / 60:g}; a step takes {first.step_s:.3f} s, "
        f"an epoch of {per_epoch} steps {first.rest_s:.2f} s more"
    )
    return Schedule(steps, per_epoch, round(first.step_s, 4), basis)


def write_schedule(path: Path, schedule: Schedule) -> None:
    """Write `schedule.json`."""
    write_json(path, asdict(schedule))


def read_schedule(path: Path) -> Schedule:
    """Read `schedule.json`."""
    values = read_json(path)
    del values["schema_version"]
    return Schedule(**values)
