"""Which exams a step sees, and which part of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from voxray.core.records import ExamId
from voxray.core.specs import FoldValues, Plan
from voxray.model import apply_fold_values, fit_to
from voxray.preprocess import CachedExam


@dataclass(frozen=True, slots=True, eq=False)
class TrainingExam:
    """One exam of a fold.

    Attributes:
        exam_id: Named in errors.
        cached: Its arrays.
        class_index: Into `plan.classes`; None without classification.
    """

    exam_id: ExamId
    cached: CachedExam
    class_index: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """What one step sees.

    Attributes:
        image: (n, channel, i, j, k) float32.
        mask: (n, 1, i, j, k) float32 structure numbers; None without segmentation.
        classes: (n,) int64; None without classification.
    """

    image: torch.Tensor
    mask: torch.Tensor | None
    classes: torch.Tensor | None


def epoch_batches(
    exams: Sequence[TrainingExam],
    plan: Plan,
    values: FoldValues,
    steps: int,
    rng: np.random.Generator,
) -> Iterator[Batch]:
    """Batches of one epoch; each exam comes about equally often.

    Args:
        exams: Of the fold's training patients.
        plan: Input shape and batch size.
        values: Learned from the same patients.
        steps: Batches to give.
        rng: Picks exams and patches.
    """
    needed = steps * plan.batch_size
    rounds = [rng.permutation(len(exams)) for _ in range(-(-needed // len(exams)))]
    order = np.concatenate(rounds)[:needed]
    for chosen in np.split(order, steps):
        yield collate([_sample(exams[n], plan, values, rng) for n in chosen])


Sample = tuple[NDArray[np.float32], NDArray[np.uint8] | None, int | None]


def collate(samples: Sequence[Sample]) -> Batch:
    """Stack samples of one shape."""
    images, masks, classes = zip(*samples, strict=True)
    return Batch(
        torch.from_numpy(np.stack(images)),
        None
        if masks[0] is None
        else torch.from_numpy(np.stack(masks))[:, None].float(),
        None if classes[0] is None else torch.tensor(classes, dtype=torch.int64),
    )


def _sample(
    exam: TrainingExam, plan: Plan, values: FoldValues, rng: np.random.Generator
) -> Sample:
    image = exam.cached.read_image()
    mask = exam.cached.read_mask() if plan.structures else None
    part = _patch(image.shape[1:], mask, plan, rng, values.on_structure)
    image = np.asarray(image[(slice(None), *part)])
    scaled = apply_fold_values(image, plan, values)
    sample = fit_to(scaled, plan.input_shape, padding=plan.padding)
    if mask is not None:
        mask = fit_to(np.asarray(mask[part])[None], plan.input_shape, background=0)[0]
    return sample, mask, exam.class_index


def _patch(
    size: Sequence[int],
    mask: NDArray[np.uint8] | None,
    plan: Plan,
    rng: np.random.Generator,
    on_structure: float = 0.5,
) -> tuple[slice, ...]:
    """Where to cut: all of a scan that fits, or that a class is decided from."""
    if plan.classes or mask is None or _fits(size, plan.input_shape):
        return tuple(slice(None) for _ in size)
    starts = [int(rng.integers(0, max(0, s - w) + 1)) for s, w in _pairs(size, plan)]
    if rng.random() < on_structure:
        voxels = np.flatnonzero(mask)
        if voxels.size:
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
