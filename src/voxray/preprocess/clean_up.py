"""Take small or scattered pieces out of a label map."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from voxray.core.geometry import VoxelGrid
from voxray.core.specs import CleanUp, Plan, StructureCleanUp
from voxray.preprocess.pixel_size import counted_spacing

_ROUNDING = 1e-9  # a piece of exactly the smallest volume stays


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """The connected pieces of a structure; voxels that share a face are connected.

    Attributes:
        part: Where in the label map they lie.
        numbers: Piece of each voxel of that part, from 1; 0 is none.
        sizes: Voxels per piece.
    """

    part: tuple[slice, ...]
    numbers: NDArray[np.int32]
    sizes: NDArray[np.int64]


def find_pieces(inside: NDArray[np.bool_]) -> Pieces | None:
    """Connected pieces of a mask (i, j, k); None of an empty one.

    Only the box around the mask is labelled: a large CT need not be held in numbers.
    """
    sides = []
    for axis in range(inside.ndim):
        others = tuple(n for n in range(inside.ndim) if n != axis)
        filled = np.flatnonzero(inside.any(axis=others))
        if not filled.size:
            return None
        sides.append(slice(int(filled[0]), int(filled[-1]) + 1))
    part = tuple(sides)
    numbers, _ = ndimage.label(inside[part], output=np.int32)
    return Pieces(part, numbers, np.bincount(numbers.ravel())[1:])


def kept_pieces(
    sizes: NDArray[np.int64], voxel_ml: float, rule: StructureCleanUp
) -> NDArray[np.bool_]:
    """Which pieces a rule leaves; of equally large ones the first."""
    kept = sizes * voxel_ml >= rule.min_ml * (1 - _ROUNDING)
    if rule.keep_largest:
        kept &= np.arange(len(sizes)) == sizes.argmax()
    return np.asarray(kept)


def clean(
    labels: NDArray[Any], grid: VoxelGrid, plan: Plan, rules: CleanUp
) -> NDArray[Any]:
    """Take out what the rules do not keep, in place; it becomes background.

    Args:
        labels: (i, j, k) mask values on `grid`.
        grid: Gives the voxel size.
        plan: Gives the value of each structure.
        rules: By structure.

    Returns:
        `labels`.
    """
    for value, rule in _active(plan, rules):
        pieces = find_pieces(labels == value)
        if pieces is not None:
            kept = kept_pieces(pieces.sizes, counted_voxel_ml(grid, plan), rule)
            dropped = np.concatenate([[False], ~kept])[pieces.numbers]
            labels[pieces.part][dropped] = 0
    return labels


def _active(plan: Plan, rules: CleanUp) -> Iterator[tuple[int, StructureCleanUp]]:
    for name, value in zip(plan.structures, plan.mask_values, strict=True):
        rule = rules.structures.get(name)
        if rule is not None and not rule.keeps_all:
            yield value, rule


def voxel_ml(grid: VoxelGrid) -> float:
    """Volume of a voxel in millilitres."""
    return abs(float(np.linalg.det(grid.affine[:3, :3]))) / 1000


def counted_voxel_ml(grid: VoxelGrid, plan: Plan) -> float:
    """The same as the plan counts pixels, so that a rule fits every export."""
    real = grid.spacing_mm
    counted = counted_spacing(grid.shape, real, plan.longer_side_mm)
    return voxel_ml(grid) * math.prod(counted) / math.prod(real)
