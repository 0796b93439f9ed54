"""The loop over the epochs of one fold: steps, rows, checkpoints, and ways back."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass

import torch

from voxray.core.errors import DatasetError, ManifestError
from voxray.core.progress import Listener, Progress
from voxray.model import Compute, is_out_of_memory
from voxray.train.batches import Batch, epoch_batches, store_exams
from voxray.train.budget import Pace, fix_steps, shortage, timing_is_over
from voxray.train.checkpoint import (
    TrainingState,
    drop_torn_files,
    is_worth_it,
    load_state,
    save_state,
)
from voxray.train.guard import LossGuard
from voxray.train.job import EpochRow, FoldJob
from voxray.train.learner import Drawing, Learner
from voxray.train.prefetch import prefetched
from voxray.train.recipe import augmentation_strength
from voxray.train.room import find_room, no_room
from voxray.train.schedule import (
    Schedule,
    first_schedule,
    gone_back,
    read_schedule,
    write_schedule,
)
from voxray.train.stopwatch import Stopwatch
from voxray.train.validation import plan_validation, validate

SCHEDULE_FILE = "schedule.json"
_WATCHED = 20  # of so many steps one is timed where work runs beside the processor
_READ = 10  # steps between two looks at the loss there
_RETURNS_IN_A_ROW = 3
_LOWEST_RATE = 0.5**8


@dataclass(frozen=True, slots=True)
class Audience:
    """Who hears of a fold.

    Attributes:
        listen: Gets loss, last validation score and steps.
        on_kept: Gets the history at each checkpoint: what nothing undoes any more.
        say: Gets what a person should read.
    """

    listen: Listener
    on_kept: Callable[[Sequence[EpochRow]], None]
    say: Callable[[str], None]


class _DivergedError(Exception):
    """Training went off the rails; says how."""


class Loop:
    """State of one fold in training: everything that epochs change."""

    def __init__(self, job: FoldJob, compute: Compute, audience: Audience) -> None:
        self.job, self.compute, self.audience = job, compute, audience
        self._zero_s = time.monotonic()
        drop_torn_files(job.folder)
        self.watch = Stopwatch(compute.wait, _WATCHED if compute.runs_beside else 1)
        self.learner = Learner(job, compute)
        self.stored = store_exams(job.training, job.plan, job.values, job.folder)
        self.epoch, self.step = 0, 0
        self.history: list[dict[str, float]] = []
        self.guard = LossGuard()
        self.pace = Pace(job.spec.minutes * 60)
        self.scores: dict[str, float] = {}
        self._ends_s: list[float] = []
        self._saved_s, self._save_took_s = 0.0, 0.0
        self.schedule, self.resumed_at = self._begin()

    @property
    def spent_s(self) -> float:
        """Wall time that went into this fold; what a kill undid is not counted."""
        return time.monotonic() - self._zero_s

    def run(self) -> None:
        """To the end of the schedule."""
        while not self.schedule.finished(self.step):
            try:
                shortage_of_memory = self._try_epoch()
            except _DivergedError as error:
                self._check_returns(str(error))
                self._go_back(str(error), rate=0.5)
                continue
            if shortage_of_memory is not None:
                self._make_room(shortage_of_memory)

    def _try_epoch(self) -> str | None:
        """Train one epoch; returns what was said when memory ran out.

        The error ends here: it holds all that was computed when it was raised, and the
        way back needs memory too.
        """
        try:
            self._run_epoch()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return str(error)
        return None

    def _begin(self) -> tuple[Schedule, int | None]:
        """Continue a killed run, or begin and make that its first checkpoint."""
        state = load_state(self.job.folder, self.job.sha256)
        path = self.job.folder / SCHEDULE_FILE
        if state is not None and path.is_file():
            self._restore(state)
            self._zero_s -= state.spent_s
            self.watch.seconds.update(state.seconds)
            return read_schedule(path), state.epoch or None
        path.unlink(missing_ok=True)
        self._save()
        schedule = self.job.follow or self._first_schedule()
        write_schedule(path, schedule)
        return schedule, None

    def _first_schedule(self) -> Schedule:
        job = self.job
        room = find_room(job.plan, job.spec.memory_gb, self.compute)
        if room.problem:
            self.audience.say(f"{job.name}: {room.problem}")
        size = job.plan.batch_size
        return first_schedule(job.spec, len(job.training), size, room.micro_batch)

    def _run_epoch(self) -> None:
        """Train one epoch, validate when due, write row and checkpoint."""
        began_s, before = self.spent_s, self.step
        losses = self._train_epoch()
        self.epoch += 1
        self._settle_steps()
        self.watch.restart()
        scores = self._validated(before)
        self.watch.lap("validation")
        row = {
            "epoch": self.epoch,
            "step": self.step,
            "loss": sum(losses) / len(losses),
            "learning_rate": self._rate(self.step - 1),
            "augmentation": self._strength(self.step - 1),
            **scores,
            "seconds": round(self.spent_s - began_s, 3),
        }
        self.history.append(row)
        self._save_if_worth_it()
        self.watch.lap("checkpoint")

    def _train_epoch(self) -> list[float]:
        seed = self.job.seed
        seed.seed_process(self.epoch + 1)
        noise = seed.noise(self.epoch, self.compute.device)
        drawing = Drawing(seed.torch(self.epoch), noise)
        self.learner.network.train()
        losses: list[float] = []
        pending: list[torch.Tensor] = []
        self.watch.begin_step(self.step)
        with closing(prefetched(self._batches())) as batches:
            for batch in batches:
                pending.append(self._train_step(batch, drawing))
                self.step += 1
                if self._must_look():
                    losses += self._read(pending)
                if self._timed_enough():
                    break
                self.watch.begin_step(self.step)
        return losses + self._read(pending)

    def _batches(self) -> Iterator[Batch]:
        job = self.job
        n_steps = self.schedule.epoch_end(self.step) - self.step
        rng = job.seed.numpy(self.epoch)
        batches = epoch_batches(
            job.training, job.plan, job.values, n_steps, rng, self.stored
        )
        return (batch.each(self.compute.pin) for batch in batches)

    def _train_step(self, batch: Batch, drawing: Drawing) -> torch.Tensor:
        self.watch.lap("data")
        batch = self.learner.augmented(batch, drawing, self._strength(self.step))
        self.watch.lap("augmentation")
        micro_batch = self.schedule.segment(self.step).micro_batch
        return self.learner.train_step(
            batch, self._rate(self.step), micro_batch, self.step, self.watch
        )

    def _strength(self, step: int) -> float:
        """Of augmentation, by the steps that hold then; none are known while timed."""
        steps = self.schedule.segment(step).steps or 0
        views = steps * self.job.views_a_step
        return augmentation_strength(self.job.spec.augmentation, views)

    def _must_look(self) -> bool:
        """Whether to wait for the loss now: also while steps are timed."""
        timed = self.schedule.steps is None
        return timed or not self.compute.runs_beside or self.step % _READ == 0

    def _read(self, pending: list[torch.Tensor]) -> list[float]:
        """Wait for the losses, judge and report them; empties the list."""
        if not pending:
            return []
        values: list[float] = torch.stack(pending).tolist()
        first = self.step - len(pending) + 1
        pending.clear()
        for step, value in enumerate(values, start=first):
            if not abs(value) < float("inf"):
                msg = f"the loss or its gradient is not finite at step {step}"
                raise _DivergedError(msg)
            if self.guard.explodes(value):
                msg = f"the loss rose to {value:.3g} by step {step}"
                raise _DivergedError(msg)
        shown = {"loss": values[-1], **self.scores}
        self.audience.listen(
            Progress(self.job.name, self.step, self.schedule.steps, shown)
        )
        return values

    def _timed_enough(self) -> bool:
        if self.schedule.steps is not None:
            return False
        if not self._ends_s:
            self._ends_s.append(0.0)
        self._ends_s.append(self.spent_s)
        return timing_is_over(self._ends_s, self.pace.budget_s)

    def _settle_steps(self) -> None:
        """With a time budget, fix the steps, or fix them anew when the load changed."""
        spec = self.job.spec
        if self.job.follow is not None or spec.steps or spec.epochs:
            return
        if self.schedule.steps is None:
            fixed = fix_steps(
                self.schedule, self._ends_s, self.spent_s, self.pace.budget_s
            )
            n_exams, size = len(self.job.training), self.job.plan.batch_size
            short = shortage(fixed, size, n_exams, self.pace.budget_s)
            if short:
                self.audience.say(f"warning: {self.job.name}: {short}")
            self._adopt(fixed)
            self.pace.restart(self.step, self.spent_s)
            return
        revised = self.pace.revised(self.schedule, self.step, self.spent_s)
        if revised is not None:
            self.audience.say(
                f"{self.job.name}: the load of the machine changed: {revised.steps} "
                f"instead of {self.schedule.steps} steps fill "
                f"{self.pace.budget_s / 60:g} minutes"
            )
            self._adopt(revised)

    def _adopt(self, schedule: Schedule) -> None:
        write_schedule(self.job.folder / SCHEDULE_FILE, schedule)
        self.schedule = schedule

    def _validated(self, before: int) -> dict[str, float]:
        job, steps = self.job, self.schedule.steps
        assert steps is not None  # settled after each epoch
        wanted = plan_validation(len(job.validation), steps, job.plan)
        if not job.validation or not wanted.due(before, self.step, steps):
            return {}
        exams = job.validation[: wanted.n_exams]
        network = self.learner.average.eval()
        self.scores = validate(network, exams, job.plan, job.values, self.compute)
        return self.scores

    def _rate(self, step: int) -> float:
        return self.schedule.learning_rate(step, self.job.spec.learning_rate)

    def _make_room(self, problem: str) -> None:
        """After running out of memory: fewer exams at once."""
        self.compute.release()
        now = self.schedule.segment(self.step).micro_batch
        if now == 1:
            job = self.job
            nothing = no_room(job.plan, job.spec.memory_gb, self.compute)
            msg = f"{job.name}: {nothing} ({problem})"
            raise DatasetError(msg)
        why = f"out of memory with {now} exams at once"
        self._go_back(why, micro_batch=-(-now // 2))

    def _go_back(
        self, why: str, rate: float = 1.0, micro_batch: int | None = None
    ) -> None:
        """Return to the last checkpoint, and go on from there with other settings."""
        state = load_state(self.job.folder, self.job.sha256)
        if state is None:
            msg = f"{self.job.name}: {why}, and its checkpoint is gone; run it again"
            raise ManifestError(msg)
        now = self.schedule.segment(state.step)
        rate, micro_batch = now.rate * rate, micro_batch or now.micro_batch
        self.audience.say(
            f"{self.job.name}: {why}; back to step {state.step}, "
            f"{rate:g} of the learning rate, {micro_batch} exams at once"
        )
        self._adopt(gone_back(self.schedule, state.step, why, rate, micro_batch))
        self._restore(state)
        self._ends_s = []
        self.pace.restart(self.step, self.spent_s)

    def _check_returns(self, why: str) -> None:
        """Give up when half the learning rate helped too often in vain."""
        last = self.schedule.now
        here = {s.rate for s in self.schedule.segments if s.from_step == last.from_step}
        if len(here - {1.0}) >= _RETURNS_IN_A_ROW or last.rate <= _LOWEST_RATE:
            msg = (
                f"{self.job.name}: {why}, with {last.rate:g} of the learning rate too; "
                "lower train.learning_rate, or look for extreme intensities"
            )
            raise DatasetError(msg)

    def _restore(self, state: TrainingState) -> None:
        values = {
            n: getattr(state, n) for n in ("network", "average", "optimizer", "scaler")
        }
        self.learner.restore(values)
        self.epoch, self.step = state.epoch, state.step
        self.history = list(state.history)
        self.guard = LossGuard(**state.losses)

    def _save_if_worth_it(self) -> None:
        """At the end always, so that a caller may come back for the result."""
        since_s = self.spent_s - self._saved_s
        done = self.schedule.finished(self.step)
        if done or is_worth_it(since_s, self._save_took_s):
            self._save()

    def _save(self) -> None:
        began_s = self.spent_s
        state = TrainingState(
            epoch=self.epoch,
            step=self.step,
            history=self.history,
            losses=asdict(self.guard),
            spent_s=began_s,
            seconds=self.watch.seconds,
            **self.learner.state(),
        )
        save_state(self.job.folder, state, self.job.sha256)
        self._saved_s = self.spent_s
        self._save_took_s = self._saved_s - began_s
        self.audience.on_kept(tuple(self.history))
