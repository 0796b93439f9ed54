"""From minutes to steps: once the first steps are timed, and when the load changes."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from voxray.core.errors import DatasetError
from voxray.train.recipe import FEWEST_STEPS, TIMED_STEPS
from voxray.train.schedule import Schedule, with_steps

_FEWEST_TIMED = 4
_TIMING_SHARE = 0.2  # of the budget may go into timing
_OVERHEAD = 1.03  # validation and checkpoints
_TOLERANCE = 0.1  # of the budget, until the steps are fixed anew
_WINDOW = 0.05  # of the budget: a shorter moment says little about the load
_LONGEST_OVERRUN = 3.0  # times the budget
_ALWAYS_ALLOWED_S = 120.0
_LAST_STEPS = 10  # fewest to bring the learning rate down in


def timing_is_over(step_ends_s: Sequence[float], budget_s: float) -> bool:
    """Whether enough steps were timed; slow ones must not eat the budget.

    Args:
        step_ends_s: Time since the fold began, at its beginning and after each step.
        budget_s: Wall time of the fold.
    """
    n_steps = len(step_ends_s) - 1
    spent_s = step_ends_s[-1]
    late = n_steps >= _FEWEST_TIMED and spent_s > _TIMING_SHARE * budget_s
    return late or n_steps >= TIMED_STEPS


def median_step_s(step_ends_s: Sequence[float]) -> float:
    """Duration of a typical step, from the times at which the first ones ended.

    The median, without the first step: it is slow, and a machine may be busy for a
    moment.
    """
    return float(np.median(np.diff(step_ends_s[1:])))


def fix_steps(
    schedule: Schedule, step_ends_s: Sequence[float], spent_s: float, budget_s: float
) -> Schedule:
    """Fill a time budget after the first epoch, whose steps were timed.

    Whether that is possible at all is judged by the quickest step: it says most about
    the network, and least about what else the machine does at the moment.

    Args:
        schedule: Without a number of steps.
        step_ends_s: As in `timing_is_over`.
        spent_s: Wall time so far.
        budget_s: Wall time of the fold.

    Raises:
        DatasetError: If the fewest steps that are worth it would take far longer.
    """
    done, step_s = len(step_ends_s) - 1, median_step_s(step_ends_s)
    more = int(max(0.0, budget_s - spent_s) / (step_s * _OVERHEAD))
    steps = max(done + more, FEWEST_STEPS)
    quickest_s = float(np.diff(step_ends_s[1:]).min())
    needed_s = spent_s + (steps - done) * quickest_s * _OVERHEAD
    if needed_s > max(_LONGEST_OVERRUN * budget_s, _ALWAYS_ALLOWED_S):
        msg = (
            f"train.budget_minutes: {budget_s / 60:g} is too short: a step takes "
            f"{quickest_s:.1f} s, and at least {FEWEST_STEPS} are needed; give "
            f"{needed_s / 60:.0f} minutes, or a smaller train.input_shape"
        )
        raise DatasetError(msg)
    basis = f"{schedule.basis}; a step takes {step_s:.3f} s"
    fixed = replace(
        schedule, step_seconds=round(step_s, 4), basis=basis, first_epoch=done
    )
    return with_steps(fixed, done, steps, f"{step_s:.3f} s a step")


def shortage(
    schedule: Schedule, batch_size: int, n_exams: int, budget_s: float
) -> str | None:
    """What a person should know about a budget that is too short; None if it is not."""
    steps = schedule.steps or 0
    needed_s = steps * schedule.step_seconds * _OVERHEAD
    if steps <= FEWEST_STEPS and needed_s > budget_s:
        return (
            f"train.budget_minutes: {budget_s / 60:g} is too short for {steps} steps, "
            f"the fewest that are worth it; they take about {needed_s / 60:.1f} minutes"
        )
    if steps * batch_size < n_exams:
        return (
            f"train.budget_minutes: {budget_s / 60:g} is enough for {steps} steps of "
            f"{batch_size} exams; of {n_exams} training exams not each is seen once"
        )
    return None


@dataclass(slots=True)
class Pace:
    """How fast training goes lately.

    Attributes:
        budget_s: Wall time of the fold.
        marks: Steps and seconds spent, at the ends of epochs that this process saw.
    """

    budget_s: float
    marks: list[tuple[int, float]] = field(default_factory=list)

    def revised(self, schedule: Schedule, step: int, spent_s: float) -> Schedule | None:
        """The schedule with other steps, when the end is projected off the budget.

        Args:
            schedule: Followed so far.
            step: Steps done, at the end of an epoch.
            spent_s: Wall time spent on them.

        Returns:
            None while the end deviates by less than a tenth of the budget, or what
            was seen since the last change is too short to say.
        """
        step_s = self._step_s(step, spent_s)
        self.marks.append((step, spent_s))
        if step_s is None or schedule.steps is None or schedule.finished(step):
            return None
        end_s = spent_s + (schedule.steps - step) * step_s
        if abs(end_s - self.budget_s) <= _TOLERANCE * self.budget_s:
            return None
        left = int(max(0.0, self.budget_s - spent_s) / step_s)
        steps = max(step + max(left, _LAST_STEPS), FEWEST_STEPS)
        if end_s > self.budget_s:  # late: never later
            steps = min(steps, schedule.steps)
        if steps == schedule.steps or step <= schedule.now.from_step:
            return None
        self.restart(step, spent_s)
        return with_steps(schedule, step, steps, f"{step_s:.3f} s a step now")

    def restart(self, step: int, spent_s: float) -> None:
        """Forget what was seen: steps changed, or were made in vain."""
        self.marks = [(step, spent_s)]

    def _step_s(self, step: int, spent_s: float) -> float | None:
        """Over the latest stretch that is long enough; checkpoints and all included."""
        for begin, began_s in reversed(self.marks):
            if spent_s - began_s >= _WINDOW * self.budget_s and step > begin:
                return (spent_s - began_s) / (step - begin)
        return None
