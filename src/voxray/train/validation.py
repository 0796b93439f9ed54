"""How training goes, on patients inside the training part. Nothing is chosen by it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from voxray.core.specs import FoldValues, Plan
from voxray.model import Compute, apply_fold_values, predict
from voxray.train.batches import TrainingExam
from voxray.train.class_loss import log_loss

_MOST_EXAMS = 12
_MOST_TIMES = 20
_SHARE = 0.03  # of the training's cost
_STEP_COST = 3  # forward and backward, in forward passes
_LARGEST = 4  # times the input's voxels that are looked at of a scan


@dataclass(frozen=True, slots=True)
class ValidationPlan:
    """How often training looks at how many validation exams.

    Attributes:
        times: Over the whole run, the end included.
        n_exams: Each time.
    """

    times: int
    n_exams: int

    def due(self, before: int, step: int, steps: int) -> bool:
        """Whether to look at the end of an epoch from step `before` to `step`."""
        return (
            step >= steps or before * self.times // steps < step * self.times // steps
        )


def plan_validation(n_exams: int, steps: int, plan: Plan) -> ValidationPlan:
    """At most 20 times 12 exams, less where that would cost over 3 % of the training.

    Counted in voxels and not in seconds, so that the same run validates alike. An exam
    counts as the most that is looked at.
    """
    allowed = _SHARE * _STEP_COST * steps * plan.batch_size  # exams of the input's size
    cost = 1 if plan.classes and not plan.structures else _LARGEST
    seen = max(1, min(_MOST_EXAMS, n_exams, int(allowed / cost)))
    times = max(1, min(_MOST_TIMES, int(allowed / cost / seen)))
    return ValidationPlan(times, seen)


def validate(
    network: nn.Module,
    exams: Sequence[TrainingExam],
    plan: Plan,
    values: FoldValues,
    compute: Compute,
) -> dict[str, float]:
    """Mean Dice and log loss over validation exams, on the cached grid.

    Of a scan with more than four times the voxels of the input, only a part around the
    structures is looked at: it says how training goes, and is no result.

    Returns:
        "val_dice" with masks, "val_log_loss" with classes; empty without exams.
    """
    scores: dict[str, list[float]] = {"val_dice": [], "val_log_loss": []}
    for exam in exams:
        image, mask = _looked_at(exam, plan)
        image = apply_fold_values(image, plan, values)
        said = predict(network, image, plan, compute)
        if said.masks is not None and mask is not None:
            labels = said.masks.argmax(axis=0)
            scores["val_dice"] += _dice(labels, mask, len(plan.structures))
        if said.classes is not None and exam.target is not None:
            loss = log_loss(said.classes, np.array(exam.target), plan.target)
            scores["val_log_loss"].append(loss)
    return {name: float(np.mean(all_)) for name, all_ in scores.items() if all_}


def _looked_at(
    exam: TrainingExam, plan: Plan
) -> tuple[NDArray[np.float32], NDArray[np.uint8] | None]:
    """Image and mask; a part of them where the scan is much larger than the input."""
    image, mask = exam.cached.read_image(), exam.cached.read_mask()
    size, shape = image.shape[1:], plan.input_shape
    if plan.classes or math.prod(size) <= _LARGEST * math.prod(shape):
        return np.asarray(image), mask
    marked = None if mask is None else np.argwhere(mask)
    centre = [s // 2 for s in size]
    if marked is not None and len(marked):
        centre = np.median(marked, axis=0).astype(int).tolist()
    starts = [
        max(0, min(c - w // 2, s - w))
        for c, s, w in zip(centre, size, shape, strict=True)
    ]
    part = tuple(slice(a, a + w) for a, w in zip(starts, shape, strict=True))
    cut = np.asarray(image[(slice(None), *part)])
    return cut, None if mask is None else np.asarray(mask[part])


def _dice(labels: np.ndarray, mask: np.ndarray, n_structures: int) -> list[float]:
    """Per structure that is drawn or predicted."""
    scores = []
    for structure in range(1, n_structures + 1):
        said, drawn = labels == structure, mask == structure
        total = int(said.sum()) + int(drawn.sum())
        if total:
            scores.append(2 * int((said & drawn).sum()) / total)
    return scores
