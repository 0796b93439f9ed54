"""Which exams a step sees, and which part of them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from voxray.core.errors import DatasetError
from voxray.core.records import ExamId, PatientId
from voxray.core.specs import FoldValues, Plan
from voxray.model import apply_fold_values, centre_slices, fit_to
from voxray.preprocess import CachedExam
from voxray.train.arrays import PackedViews, StructurePoints, structure_points


@dataclass(frozen=True, slots=True, eq=False)
class TrainingExam:
    """One exam of a fold.

    Attributes:
        exam_id: Named in errors.
        patient_id: Whose exam it is.
        cached: Its arrays.
        target: One value per class of `plan.classes`: 1 for what the exam is, else 0;
            NaN for a label that nobody stated. None without classification.
    """

    exam_id: ExamId
    patient_id: PatientId
    cached: CachedExam
    target: tuple[float, ...] | None


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """What one step sees.

    Attributes:
        image: (n, channel, i, j, k) float32.
        mask: (n, 1, i, j, k) structure numbers; None without segmentation.
        classes: (n, class) float32, the exams' targets; None without classification.
    """

    image: torch.Tensor
    mask: torch.Tensor | None
    classes: torch.Tensor | None

    def each(self, change: Callable[[torch.Tensor], torch.Tensor]) -> "Batch":
        """The same with each tensor changed."""
        return Batch(
            change(self.image),
            None if self.mask is None else change(self.mask),
            None if self.classes is None else change(self.classes),
        )


@dataclass(frozen=True, slots=True, eq=False)
class StoredExams:
    """What makes a batch cheap: one of the two.

    Attributes:
        views: When each exam looks the same each time.
        points: When patches are cut around structures.
    """

    views: PackedViews | None
    points: StructurePoints | None


def store_exams(
    exams: Sequence[TrainingExam], plan: Plan, values: FoldValues, folder: Path
) -> StoredExams:
    """Prepare a fold's exams for `epoch_batches`, in files without a name in `folder`.

    Raises:
        DatasetError: If an exam holds values that are not numbers.
        MachineError: If the disk is full.
    """
    if not all(_one_view(exam, plan) for exam in exams):
        points = StructurePoints(folder, len(exams), len(plan.structures))
        return StoredExams(None, points)
    views = PackedViews(folder, len(plan.inputs), plan.input_shape)
    rng = np.random.default_rng(0)  # draws nothing where there is one view
    for row, exam in enumerate(exams):
        image, mask, _ = _sample(exam, plan, values, rng)
        views.write(row, image, mask)
    return StoredExams(views, None)


def epoch_batches(
    exams: Sequence[TrainingExam],
    plan: Plan,
    values: FoldValues,
    steps: int,
    rng: np.random.Generator,
    stored: StoredExams | None = None,
) -> Iterator[Batch]:
    """Batches of one epoch; each exam comes about equally often.

    Fewer steps with the same generator give the first batches of more steps.

    Args:
        exams: Of the fold's training patients.
        plan: Input shape and batch size.
        values: Learned from the same patients.
        steps: Batches to give.
        rng: Picks exams and patches.
        stored: The same exams by `store_exams`; without it they are read anew.
    """
    order: list[int] = []
    for _ in range(steps):
        while len(order) < plan.batch_size:
            order += rng.permutation(len(exams)).tolist()
        rows, order = order[: plan.batch_size], order[plan.batch_size :]
        if stored is not None and stored.views is not None:
            images, masks = stored.views.read(rows)
            yield Batch(images, masks, _targets([exams[n].target for n in rows]))
        else:
            points = None if stored is None else stored.points
            yield collate(
                [
                    _sample(exams[n], plan, values, rng, _finder(plan, points, n))
                    for n in rows
                ]
            )


Sample = tuple[NDArray[np.float32], NDArray[np.uint8] | None, tuple[float, ...] | None]


def collate(samples: Sequence[Sample]) -> Batch:
    """Stack samples of one shape."""
    images, masks, classes = zip(*samples, strict=True)
    return Batch(
        torch.from_numpy(np.stack(images)),
        None if masks[0] is None else torch.from_numpy(np.stack(masks))[:, None],
        _targets(classes),
    )


def _targets(targets: Sequence[tuple[float, ...] | None]) -> torch.Tensor | None:
    return None if targets[0] is None else torch.tensor(targets, dtype=torch.float32)


Finder = Callable[[NDArray[np.uint8]], list[NDArray[np.int64]]]
"""Gives places on each structure of a mask."""


def _finder(plan: Plan, points: StructurePoints | None, row: int) -> Finder:
    if points is None:
        return partial(structure_points, n_structures=len(plan.structures))
    return partial(points.find, row)


def _sample(
    exam: TrainingExam,
    plan: Plan,
    values: FoldValues,
    rng: np.random.Generator,
    find: Finder | None = None,
) -> Sample:
    image = exam.cached.read_image()
    mask = exam.cached.read_mask() if plan.structures else None
    part = _patch(image.shape[1:], mask, plan, rng, find, values.on_structure)
    image = np.asarray(image[(slice(None), *part)])
    scaled = apply_fold_values(image, plan, values)
    sample = fit_to(scaled, plan.input_shape, padding=plan.padding)
    if not np.isfinite(sample).all():
        msg = (
            f"exam {exam.exam_id!r}: its prepared array holds values that are not "
            "numbers; look at the scan, or take it out of the data"
        )
        raise DatasetError(msg)
    if mask is not None:
        mask = fit_to(
            np.asarray(mask[part])[None],
            plan.input_shape,
            background=0 if plan.padding == "minimum" else None,
            padding=plan.padding,
        )[0]
    return sample, mask, exam.target


def _one_view(exam: TrainingExam, plan: Plan) -> bool:
    """Whether the exam is never cut at random: classes need it whole, or it fits."""
    whole = plan.classes or not plan.structures
    return bool(whole) or _fits(exam.cached.grid.shape, plan.input_shape)


def _patch(
    size: Sequence[int],
    mask: NDArray[np.uint8] | None,
    plan: Plan,
    rng: np.random.Generator,
    find: Finder | None,
    on_structure: float,
) -> tuple[slice, ...]:
    """Where to cut: the centre of a scan that fits, or that a class is decided from.

    As in a prediction: what is padded with is then the same.
    """
    if plan.classes or mask is None or _fits(size, plan.input_shape):
        return centre_slices(size, plan.input_shape)
    starts = [int(rng.integers(0, max(0, s - w) + 1)) for s, w in _pairs(size, plan)]
    if rng.random() < on_structure:
        found = find(mask) if find else structure_points(mask, len(plan.structures))
        drawn = [voxels for voxels in found if voxels.size]
        if drawn:  # each structure as often as another, however small
            voxels = drawn[int(rng.integers(len(drawn)))]
            centre = np.unravel_index(int(rng.choice(voxels)), mask.shape)
            starts = [
                int(np.clip(c - w // 2, 0, max(0, s - w)))
                for c, (s, w) in zip(centre, _pairs(size, plan), strict=True)
            ]
    lengths = plan.input_shape
    return tuple(slice(a, a + n) for a, n in zip(starts, lengths, strict=True))


def _fits(size: Sequence[int], wanted: Sequence[int]) -> bool:
    return all(s <= w for s, w in zip(size, wanted, strict=True))


def _pairs(size: Sequence[int], plan: Plan) -> list[tuple[int, int]]:
    return list(zip(size, plan.input_shape, strict=True))
