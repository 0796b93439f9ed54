"""What a baseline needs of a study: who is trained on, who is predicted, as what."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from voxray.core.records import ExamId, OutOfFoldPrediction
from voxray.stages.frame import StageContext
from voxray.stages.study import FoldName, Study
from voxray.stages.targets import class_target

Shares = Mapping[ExamId, NDArray[np.floating]]
"""Probability per class, in the plan's order, by exam."""


@dataclass(frozen=True, slots=True, eq=False)
class Rivals:
    """The study, and what the network said out of fold.

    Attributes:
        network: One row per exam and repeat; a baseline answers the same ones.
    """

    context: StageContext
    study: Study
    network: Sequence[OutOfFoldPrediction]

    @property
    def exams(self) -> tuple[ExamId, ...]:
        """Every exam that is predicted, sorted."""
        return tuple(sorted({row.exam_id for row in self.network}))

    def training(self, name: FoldName) -> tuple[ExamId, ...]:
        """The exams that the fold's network was trained on."""
        return self.study.exams_of(self.study.patients(name).train)

    def held_out(self, name: FoldName) -> tuple[ExamId, ...]:
        """The exams that the fold predicts."""
        return self.study.exams_of(self.study.patients(name).held_out)

    def target_of(self, exam: ExamId) -> tuple[float, ...] | None:
        """What a person said, as the class head is trained on it."""
        return class_target(
            self.study.record(exam), self.context.experiment.task.classify
        )

    def targets_of(self, exams: Sequence[ExamId]) -> NDArray[np.float64]:
        """(exam, class), see `target_of`."""
        return np.array([self.target_of(exam) for exam in exams], dtype=np.float64)

    def by_fold(self) -> dict[FoldName, list[OutOfFoldPrediction]]:
        """What the network said, by fold."""
        rows: dict[FoldName, list[OutOfFoldPrediction]] = defaultdict(list)
        for row in self.network:
            rows[FoldName(row.repeat, row.fold)].append(row)
        return rows

    def of_classes(
        self, predict: Callable[[FoldName], Shares]
    ) -> tuple[OutOfFoldPrediction, ...]:
        """The network's rows with the class probabilities of another predictor."""
        found: list[OutOfFoldPrediction] = []
        for name, rows in self.by_fold().items():
            shares = predict(name)
            found += [self._with_shares(row, shares[row.exam_id]) for row in rows]
        return tuple(found)

    def _with_shares(
        self, row: OutOfFoldPrediction, shares: NDArray[np.floating]
    ) -> OutOfFoldPrediction:
        classes = self.study.plan.classes
        named = {c: float(p) for c, p in zip(classes, shares, strict=True)}
        return replace(
            row, probabilities=named, dice={}, volume_ml={}, true_volume_ml={}
        )
