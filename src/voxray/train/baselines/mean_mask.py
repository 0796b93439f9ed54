"""The mean of the training masks, the same for every scan: no image is looked at."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from voxray.core.geometry import Shape
from voxray.model import fit_to

Labels = NDArray[np.uint8]
Masks = Callable[[], Iterable[Labels]]
Array = NDArray[np.float32]

Value = TypeVar("Value", np.float32, np.uint8)

_LEVELS = 40


@dataclass(frozen=True, slots=True, eq=False)
class MeanMask:
    """Share of training exams that have the structure at a place, cut at a level.

    Attributes:
        shares: (structure, i, j, k) on the common grid.
        levels: Per structure; the mask is where the share is at least that.
        placement: How a scan lies on the common grid: "centred" voxel by voxel, or
            "stretched" to it.
        dice: Mean over training exams and structures, on the common grid.
    """

    shares: Array
    levels: tuple[float, ...]
    placement: str
    dice: float

    def mask(self, structure: int, shape: Shape) -> NDArray[np.bool_]:
        """The mask of one structure for a cached array of `shape`."""
        shares = _placed(self.shares[structure], shape, self.placement)
        return np.asarray(shares >= self.levels[structure])


def fit_mean_mask(
    masks: Masks, n_structures: int, common: Shape, placements: Sequence[str]
) -> MeanMask:
    """Mean mask, cut at the level, and placed, as is best on the training exams.

    Args:
        masks: Gives the masks of the training exams, one at a time; called anew for
            each pass, so that one is in memory. 0 background, n + 1 structure n.
        n_structures: How many.
        common: The common grid.
        placements: To try: "centred", "stretched".
    """
    found = [_fit(masks, n_structures, common, placement) for placement in placements]
    return max(found, key=lambda mean: mean.dice)


def _fit(masks: Masks, n_structures: int, common: Shape, placement: str) -> MeanMask:
    total = np.zeros((n_structures, *common), dtype=np.float32)
    n_masks = 0
    for labels in masks():
        placed = _placed(labels, common, placement)
        for structure in range(n_structures):
            total[structure] += placed == structure + 1
        n_masks += 1
    shares = np.asarray(total / max(n_masks, 1), dtype=np.float32)
    steps, dice = _best_steps(masks, shares, placement)
    highest = shares.reshape(n_structures, -1).max(axis=1)
    levels = tuple(
        float(top) * step / _LEVELS if top > 0 else math.inf
        for top, step in zip(highest, steps, strict=True)
    )
    return MeanMask(shares, levels, placement, dice)


def _best_steps(
    masks: Masks, shares: Array, placement: str
) -> tuple[NDArray[np.intp], float]:
    """Which of 40 levels below the highest share is best, per structure."""
    highest = shares.reshape(len(shares), -1).max(axis=1)[:, None, None, None]
    tops = np.maximum(highest, np.finfo(np.float32).tiny)
    steps = np.floor(shares / tops * _LEVELS + 1e-4).astype(np.uint8)
    said = [_at_least(own.ravel()) for own in steps]
    total = np.zeros((len(shares), _LEVELS + 1))
    n_drawn = np.zeros(len(shares))
    for labels in masks():
        placed = _placed(labels, shares.shape[1:], placement)
        for structure, own in enumerate(steps):
            hit = placed == structure + 1
            if n_hit := int(hit.sum()):
                right = _at_least(own[hit])
                total[structure] += 2 * right / (said[structure] + n_hit)
                n_drawn[structure] += 1
    mean = total[:, 1:] / np.maximum(n_drawn, 1)[:, None]
    return mean.argmax(axis=1) + 1, float(mean.max(axis=1).mean())


def _at_least(steps: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Number of voxels at or above each level."""
    return np.bincount(steps, minlength=_LEVELS + 1)[::-1].cumsum()[::-1]


def _placed(
    array: NDArray[Value], shape: Sequence[int], placement: str
) -> NDArray[Value]:
    """Bring an array from one grid to the other, by the nearest voxel."""
    i, j, k = shape
    if placement == "centred":
        fitted: NDArray[Value] = fit_to(array[None], (i, j, k), background=0)[0]
        return fitted
    index = [
        ((np.arange(wanted) + 0.5) * size / wanted).astype(np.intp)
        for size, wanted in zip(array.shape, shape, strict=True)
    ]
    placed: NDArray[Value] = array[np.ix_(*index)]
    return placed
