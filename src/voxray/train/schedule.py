"""A fixed number of steps, how it was changed on the way, and the learning rate."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path

from voxray.core.files import read_json, write_json
from voxray.core.specs import TrainSpec
from voxray.train.recipe import (
    LONGEST_EPOCH,
    SHORTEST_EPOCH,
    TIMED_STEPS,
    WARM_UP_STEPS,
)


@dataclass(frozen=True, slots=True)
class Segment:
    """What holds from a step on, until the next segment.

    Attributes:
        from_step: Steps done when it begins.
        steps: Steps in all; None while the first ones are timed.
        rate: Factor on the learning rate.
        micro_batch: Exams that go through the network at once; a step adds up the
            gradients of as many as the plan's batch has.
        why: For a person.
    """

    from_step: int
    steps: int | None
    rate: float
    micro_batch: int
    why: str


@dataclass(frozen=True, slots=True)
class Schedule:
    """How a fold is trained. Each change is on disk before it is followed.

    Attributes:
        steps: Optimiser steps in all; None while the first ones are timed.
        steps_per_epoch: Steps between two rows of the history.
        step_seconds: Measured on the first steps; 0 when the steps were given.
        basis: Where the number of steps comes from, in words.
        first_epoch: Steps of the first epoch; None while they are timed.
        segments: From which step what holds; the first begins at 0.
    """

    steps: int | None
    steps_per_epoch: int
    step_seconds: float
    basis: str
    first_epoch: int | None
    segments: tuple[Segment, ...]

    @property
    def now(self) -> Segment:
        """The last segment."""
        return self.segments[-1]

    def finished(self, step: int) -> bool:
        """Whether `step` steps are all."""
        return self.steps is not None and step >= self.steps

    def epoch_end(self, step: int) -> int:
        """Where the epoch ends that begins after `step` steps."""
        first = self.first_epoch or TIMED_STEPS
        passed = max(0, step - first) // self.steps_per_epoch + 1
        end = first if step < first else first + passed * self.steps_per_epoch
        return end if self.steps is None else min(end, self.steps)

    def learning_rate(self, step: int, peak: float) -> float:
        """Linear warm-up, then half a cosine; times the segment's rate.

        It is zero at the last step, and does not jump when the number of steps changes.
        """
        warm_up = min(1.0, (step + 1) / self._warm_up)
        cosine = 0.5 * (1 + math.cos(math.pi * self.progress(step)))
        return peak * warm_up * cosine * self.segment(step).rate

    def segment(self, step: int) -> Segment:
        """What holds for the step after `step` steps."""
        return [s for s in self.segments if s.from_step <= step][-1]

    def progress(self, step: int) -> float:
        """Share of the way from the end of the warm-up to the last step.

        Each segment divides what the ones before left evenly among its own steps.
        """
        done = 0.0
        for segment, until in self._spans(step):
            if segment.steps is not None:
                begin = max(segment.from_step, self._warm_up)
                whole = max(1, segment.steps - begin)
                done += (1 - done) * min(1.0, max(0, until - begin) / whole)
        return done

    def _spans(self, step: int) -> list[tuple[Segment, int]]:
        """Segments that began by `step`, each with where it ends or `step` is."""
        begun = [s for s in self.segments if s.from_step <= step]
        ends = [after.from_step for _, after in pairwise(begun)]
        return list(zip(begun, [*ends, step], strict=True))

    @property
    def _warm_up(self) -> int:
        """Steps of it: fixed by the first segment, so that no later change moves it."""
        steps = self.segments[0].steps
        return (
            WARM_UP_STEPS if steps is None else min(WARM_UP_STEPS, max(1, steps // 3))
        )


def steps_per_epoch(n_exams: int, batch_size: int) -> int:
    """Steps that see each exam about equally often: 20 to 100."""
    once = math.ceil(n_exams / batch_size)
    return min(LONGEST_EPOCH, once * math.ceil(SHORTEST_EPOCH / once))


def first_schedule(
    spec: TrainSpec, n_exams: int, batch_size: int, micro_batch: int
) -> Schedule:
    """The schedule a fold begins with; with a time budget its steps are still open."""
    per_epoch = steps_per_epoch(n_exams, batch_size)
    steps, basis = None, f"train.budget_minutes: {spec.minutes:g}"
    if spec.steps is not None:
        steps, basis = spec.steps, f"train.steps: {spec.steps}"
    elif spec.epochs is not None:
        steps = spec.epochs * math.ceil(n_exams / batch_size)
        basis = f"train.epochs: {spec.epochs}"
    why = "timing the first steps" if steps is None else basis
    first = None if steps is None else per_epoch
    segment = Segment(0, steps, 1.0, micro_batch, why)
    return Schedule(steps, per_epoch, 0.0, basis, first, (segment,))


def with_steps(schedule: Schedule, from_step: int, steps: int, why: str) -> Schedule:
    """The same with another number of steps in all."""
    return _with(
        schedule, replace(schedule.now, from_step=from_step, steps=steps, why=why)
    )


def gone_back(
    schedule: Schedule, to_step: int, why: str, rate: float, micro_batch: int
) -> Schedule:
    """The same after a return to an earlier step.

    Segments that began later are forgotten, since they are not followed; the number of
    steps they left stays.
    """
    kept = tuple(s for s in schedule.segments if s.from_step <= to_step)
    segment = Segment(to_step, schedule.steps, rate, micro_batch, why)
    return _with(replace(schedule, segments=kept), segment)


def _with(schedule: Schedule, segment: Segment) -> Schedule:
    segments = (*schedule.segments, segment)
    return replace(schedule, steps=segment.steps, segments=segments)


def write_schedule(path: Path, schedule: Schedule) -> None:
    """Write `schedule.json`."""
    write_json(path, asdict(schedule))


def read_schedule(path: Path) -> Schedule:
    """Read `schedule.json`.

    Raises:
        ManifestError: If it is missing or broken.
    """
    values = read_json(path)
    del values["schema_version"]
    said: Sequence[dict[str, object]] = values.pop("segments")
    return Schedule(**values, segments=tuple(Segment(**s) for s in said))  # type: ignore[arg-type]
