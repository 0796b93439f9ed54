"""How training goes, on patients inside the training part. Nothing is chosen by it."""

from collections.abc import Sequence

import numpy as np
from torch import nn

from voxray.core.specs import FoldValues, Plan
from voxray.model import Compute, apply_fold_values, predict
from voxray.train.batches import TrainingExam
from voxray.train.class_loss import log_loss

_MOST_EXAMS = 12


def validate(
    network: nn.Module,
    exams: Sequence[TrainingExam],
    plan: Plan,
    values: FoldValues,
    compute: Compute,
) -> dict[str, float]:
    """Mean Dice and log loss over at most 12 validation exams, on the cached grid.

    Returns:
        "val_dice" with masks, "val_log_loss" with classes; empty without exams.
    """
    scores: dict[str, list[float]] = {"val_dice": [], "val_log_loss": []}
    for exam in exams[:_MOST_EXAMS]:
        image = apply_fold_values(np.asarray(exam.cached.read_image()), plan, values)
        said = predict(network, image, plan, compute)
        mask = exam.cached.read_mask()
        if said.masks is not None and mask is not None:
            labels = said.masks.argmax(axis=0)
            scores["val_dice"] += _dice(labels, mask, len(plan.structures))
        if said.classes is not None and exam.target is not None:
            loss = log_loss(said.classes, np.array(exam.target), plan.target)
            scores["val_log_loss"].append(loss)
    return {name: float(np.mean(all_)) for name, all_ in scores.items() if all_}


def _dice(labels: np.ndarray, mask: np.ndarray, n_structures: int) -> list[float]:
    """Per structure that is drawn or predicted."""
    scores = []
    for structure in range(1, n_structures + 1):
        said, drawn = labels == structure, mask == structure
        total = int(said.sum()) + int(drawn.sum())
        if total:
            scores.append(2 * int((said & drawn).sum()) / total)
    return scores
