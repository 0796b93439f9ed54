"""What a fold is trained on, and what comes of it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from voxray.core.hashing import sha256_json
from voxray.core.specs import FoldValues, Plan, TrainSpec
from voxray.train.batches import TrainingExam
from voxray.train.schedule import Schedule
from voxray.train.seeding import FoldSeed

EpochRow = Mapping[str, float]


@dataclass(frozen=True, eq=False)
class FoldJob:
    """All that decides how a fold is trained.

    Attributes:
        training: Exams of the patients that are trained on.
        validation: Exams of training patients that only watch.
        values: Learned from `training`.
        folder: `train/fold_k`; weights, schedule, history and checkpoint go there.
        inputs_sha256: Hash of plan, folds and arrays; a checkpoint of other inputs is
            not continued.
        name: Stands in messages.
        follow: A schedule to follow as it is, such as that of a finished fold; None
            makes one.
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
    follow: Schedule | None = None

    @cached_property
    def views_a_step(self) -> float:
        """How often a step sees each exam whole; a patch counts as its share of one."""
        seen = math.prod(self.plan.input_shape)
        shares = [
            min(1.0, seen / math.prod(exam.cached.grid.shape)) for exam in self.training
        ]
        return self.plan.batch_size * sum(shares) / len(shares) ** 2

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
        history: One row per epoch: epoch, step, loss, learning_rate, augmentation,
            seconds and, where it was validated, what `validate` gives.
        resumed_at_epoch: Where a killed run continued; None if it ran in one go.
        shares: Of the fold's wall time, by `stopwatch.PHASES`.
        seconds: The fold's wall time.
    """

    schedule: Schedule
    history: tuple[EpochRow, ...]
    resumed_at_epoch: int | None
    shares: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
