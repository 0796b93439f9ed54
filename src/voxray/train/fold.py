"""Train the network of one fold."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch.optim.swa_utils import AveragedModel

from voxray.core.errors import DatasetError
from voxray.core.files import read_json, write_json
from voxray.core.hashing import sha256_json
from voxray.core.progress import Listener, Progress, ignore_progress
from voxray.core.specs import FoldValues, Plan, TrainSpec
from voxray.model import Compute, VoxrayNetwork, save_network
from voxray.train.augment import apply_to_image, apply_to_mask, draw
from voxray.train.batches import Batch, TrainingExam, epoch_batches
from voxray.train.checkpoint import TrainingState, load_state, save_state
from voxray.train.losses import TaskLoss
from voxray.train.schedule import (
    FirstEpoch,
    Schedule,
    budgeted_schedule,
    epoch_length,
    given_schedule,
    median_step_s,
    rate_factor,
    read_schedule,
    steps_per_epoch,
    write_schedule,
)
from voxray.train.seeding import FoldSeed
from voxray.train.validation import validate

NETWORK_FILE = "network.safetensors"
HISTORY_FILE = "history.json"
SCHEDULE_FILE = "schedule.json"
_CLIP_NORM = 5.0
_EMA_DECAY = 0.99

EpochRow = Mapping[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class FoldJob:
    """All that decides how a fold is trained.

    Attributes:
        training: Exams of the patients that are trained on.
        validation: Exams of training patients that only watch.
        values: Learned from `training`.
        folder: `train/fold_k`; weights, schedule, history and checkpoint go there.
        inputs_sha256: Hash of plan, folds and arrays; a checkpoint of other inputs is
            not continued.
    """

    plan: Plan
    spec: TrainSpec
    seed: FoldSeed
    training: Sequence[TrainingExam]
    validation: Sequence[TrainingExam]
    values: FoldValues
    folder: Path
    inputs_sha256: str
    name: str = field(default="fold")

    @property
    def sha256(self) -> str:
        """Hash of what training depends on."""
        said = (
            self.plan.model_dump(mode="json"),
            self.spec.model_dump(mode="json"),
            [self.seed.seed, self.seed.repeat, self.seed.fold],
            [exam.exam_id for exam in self.training],
            self.values.model_dump(mode="json"),
            self.inputs_sha256,
        )
        return sha256_json(said)


@dataclass(frozen=True, slots=True)
class FoldResult:
    """What came of a fold.

    Attributes:
        history: One row per epoch: epoch, step, loss, learning_rate, seconds and what
            `validate` gives.
        resumed_at_epoch: Where a killed run continued; None if it ran in one go.
    """

    schedule: Schedule
    history: tuple[EpochRow, ...]
    resumed_at_epoch: int | None


def fit_fold(
    job: FoldJob,
    compute: Compute,
    listen: Listener = ignore_progress,
    on_epoch: Callable[[EpochRow], None] = lambda _row: None,
) -> FoldResult:
    """Train to the end of the schedule and write the averaged weights.

    A killed run continues at the last finished epoch; with the same schedule the result
    is the same to the last bit on a CPU. No epoch is chosen: the last one counts. The
    checkpoint stays until `drop_state`, so that a caller can first record the result.

    Args:
        job: What to train on and how.
        compute: Device and precision.
        listen: Gets loss, validation score and seconds left after each step.
        on_epoch: Gets the row of each epoch that this call finished.

    Raises:
        DatasetError: If the loss is not finite.
    """
    trainer = _Trainer(job, compute, listen)
    resumed_at = trainer.restore()
    while not trainer.finished:
        trainer.run_epoch()
        on_epoch(trainer.history[-1])
    assert trainer.schedule is not None
    save_network(job.folder / NETWORK_FILE, trainer.average.module.state_dict())
    write_json(job.folder / HISTORY_FILE, {"epochs": trainer.history})
    return FoldResult(trainer.schedule, tuple(trainer.history), resumed_at)


def read_result(folder: Path) -> FoldResult:
    """What `fit_fold` gave when it finished in this folder.

    Raises:
        ManifestError: If schedule or history is missing or broken.
    """
    history = read_json(folder / HISTORY_FILE)["epochs"]
    return FoldResult(read_schedule(folder / SCHEDULE_FILE), tuple(history), None)


class _Trainer:
    """Network, optimiser and average of one fold: the state that the loop changes."""

    def __init__(self, job: FoldJob, compute: Compute, listen: Listener) -> None:
        self.job, self.compute, self.listen = job, compute, listen
        job.seed.seed_process(epoch=0)
        self.fabric = Fabric(
            accelerator=compute.device, devices=1, precision=compute.precision
        )
        bare = compute.place(VoxrayNetwork(job.plan, job.values.class_share))
        optimizer = torch.optim.AdamW(
            bare.parameters(),
            job.spec.learning_rate,
            weight_decay=job.spec.weight_decay,
        )
        self.bare = bare
        self.average = AveragedModel(bare, multi_avg_fn=_average)
        self.network, self.optimizer = self.fabric.setup(bare, optimizer)
        self.loss = TaskLoss(job.plan, job.values, compute.torch_device)
        self.epoch, self.step = 0, 0
        self.history: list[dict[str, float]] = []
        per_epoch = steps_per_epoch(len(job.training), job.plan.batch_size)
        self.per_epoch = per_epoch
        self.schedule = given_schedule(job.spec, per_epoch)
        self.started_s = time.monotonic()
        self.step_ends_s: list[float] = []

    @property
    def finished(self) -> bool:
        return self.schedule is not None and self.step >= self.schedule.steps

    def restore(self) -> int | None:
        """Continue from a checkpoint; returns the epoch, None without one."""
        state = load_state(self.job.folder, self.job.sha256)
        if state is None:
            return None
        self.bare.load_state_dict(state.network)
        self.average.load_state_dict(state.average)
        self.optimizer.load_state_dict(state.optimizer)
        self.epoch, self.step = state.epoch, state.step
        self.history = state.history
        self.schedule = read_schedule(self.job.folder / SCHEDULE_FILE)
        return state.epoch

    def run_epoch(self) -> None:
        """Train one epoch, validate, write the checkpoint."""
        began_s, first_step = time.monotonic(), self.step
        losses = self._train_epoch()
        validated_s = time.monotonic()
        scores = validate(
            self.average.module.eval(),
            self.job.validation,
            self.job.plan,
            self.job.values,
            self.compute,
        )
        self.epoch += 1
        row = {
            "epoch": self.epoch,
            "step": self.step,
            "loss": sum(losses) / len(losses),
            "learning_rate": self._rate(self.step - 1),
            **scores,
            "seconds": round(time.monotonic() - began_s, 3),
        }
        self.history.append(row)
        self._fix_schedule(validated_s, self.step - first_step)
        self._save()

    def _train_epoch(self) -> list[float]:
        job = self.job
        job.seed.seed_process(self.epoch + 1)
        rng, generator = job.seed.numpy(self.epoch), job.seed.torch(self.epoch)
        n_steps = self._steps_now()
        losses = []
        self.network.train()
        for batch in epoch_batches(job.training, job.plan, job.values, n_steps, rng):
            losses.append(self._train_step(batch, generator))
            self._report(losses[-1])
        return losses

    def _steps_now(self) -> int:
        if self.schedule is not None:
            return self.schedule.steps_of(self.step)
        return epoch_length(self.step, self.per_epoch)

    def _train_step(self, batch: Batch, generator: torch.Generator) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate(self.step)
        batch = self._augmented(batch, generator)
        loss = self.loss(self.network(batch.image), batch)
        value = float(loss.detach())
        if not torch.isfinite(loss):
            msg = (
                f"{self.job.name}: the loss is {value} at step {self.step + 1}; "
                "lower train.learning_rate, or look for extreme intensities"
            )
            raise DatasetError(msg)
        self.fabric.backward(loss)
        self.fabric.clip_gradients(self.network, self.optimizer, max_norm=_CLIP_NORM)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.average.update_parameters(self.bare)
        self.step += 1
        if self.schedule is None:
            self.step_ends_s.append(time.monotonic())
        return value

    def _augmented(self, batch: Batch, generator: torch.Generator) -> Batch:
        drawn = draw(self.job.plan, len(batch.image), generator)
        send = self.compute.send
        mask, classes = batch.mask, batch.classes
        return Batch(
            send(apply_to_image(send(batch.image), drawn, generator)),
            None if mask is None else send(apply_to_mask(send(mask), drawn)),
            None if classes is None else classes.to(self.compute.torch_device),
        )

    def _rate(self, step: int) -> float:
        peak = self.job.spec.learning_rate
        if self.schedule is None:  # still timing: a warm-up of any longer schedule
            return peak * rate_factor(step, 10**9)
        return self.schedule.learning_rate(step, peak)

    def _fix_schedule(self, validated_s: float, n_steps: int) -> None:
        if self.schedule is None:
            now_s = time.monotonic()
            step_s = median_step_s(self.step_ends_s)
            self.schedule = budgeted_schedule(
                self.job.spec.budget_minutes * 60,
                now_s - self.started_s,
                FirstEpoch(n_steps, step_s, now_s - validated_s),
                self.per_epoch,
            )
        if self.epoch == 1:
            write_schedule(self.job.folder / SCHEDULE_FILE, self.schedule)

    def _save(self) -> None:
        state = TrainingState(
            self.epoch,
            self.step,
            self.bare.state_dict(),
            self.average.state_dict(),
            self.optimizer.state_dict(),
            self.history,
        )
        save_state(self.job.folder, state, self.job.sha256)

    def _report(self, loss: float) -> None:
        values = {"loss": loss}
        if self.history:
            shown = ("val_dice", "val_log_loss")
            values |= {k: v for k, v in self.history[-1].items() if k in shown}
        total = self.schedule.steps if self.schedule else None
        self.listen(Progress(self.job.name, self.step, total, values))


Tensors = tuple[torch.Tensor, ...] | list[torch.Tensor]


def _average(averaged: Tensors, current: Tensors, n: torch.Tensor | int) -> None:
    """Exponential moving average whose memory grows with the steps taken."""
    decay = min(_EMA_DECAY, (1 + int(n)) / (10 + int(n)))
    torch._foreach_lerp_(averaged, current, 1 - decay)
