"""A predicted mask against a drawn one: overlap, surfaces, and what empty ones give."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxray.core.geometry import VoxelGrid
from voxray.core.specs.task import SegmentClass
from voxray.evaluate.dice import check_same_shape
from voxray.evaluate.surfaces import Surface, SurfaceGap

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class MaskMeasures:
    """One structure of one exam; None where a measure is undefined.

    Attributes:
        dice: 2 |P and T| / (|P| + |T|).
        iou: |P and T| / |P or T|.
        nsd: Share of both surfaces within the tolerance (normalised surface Dice).
        hd95_mm: 95th percentile of the distances between the surfaces.
        assd_mm: Mean of them (average symmetric surface distance).
    """

    dice: float | None
    iou: float | None
    nsd: float | None
    hd95_mm: float | None
    assd_mm: float | None


_BOTH_EMPTY = MaskMeasures(None, None, None, None, None)
_NOTHING_DRAWN = MaskMeasures(0.0, 0.0, 0.0, None, None)


def measure_masks(
    pred: NDArray[Any],
    truth: NDArray[Any],
    grid: VoxelGrid,
    classes: Mapping[str, SegmentClass],
) -> dict[str, MaskMeasures]:
    """Measure each structure on the grid of the masks.

    Both empty: nothing is defined. Only drawn empty: Dice, IoU and NSD 0, distances
    undefined. Only predicted empty: Dice, IoU and NSD 0, distances are the diagonal of
    the image. A volume of one slice is measured in its plane.

    Args:
        pred: Label map (i, j, k) on `grid`.
        truth: Label map on the same grid.
        grid: Gives the spacing, from the affine, and the diagonal.
        classes: By name; the value in both maps, and the tolerance.

    Raises:
        ValueError: If the shapes differ.
    """
    check_same_shape(pred, truth)
    flat = next((axis for axis, n in enumerate(pred.shape) if n == 1), None)
    spacing_mm, diagonal_mm = _in_plane(grid, flat)
    found = {}
    for name, class_ in classes.items():
        pair = [map_ == class_.value for map_ in (pred, truth)]
        if flat is not None:
            pair = [np.squeeze(mask, axis=flat) for mask in pair]
        found[name] = _measure(
            (pair[0], pair[1]), spacing_mm, diagonal_mm, class_.tolerance_mm
        )
    return found


def _in_plane(grid: VoxelGrid, flat: int | None) -> tuple[tuple[float, ...], float]:
    """Spacing along the axes that count, and the diagonal of the image, in mm."""
    axes = [axis for axis in range(3) if axis != flat]
    spacing = tuple(grid.spacing_mm[axis] for axis in axes)
    return spacing, float(np.linalg.norm([grid.extent_mm[axis] for axis in axes]))


def _measure(
    pair: tuple[Bools, Bools],
    spacing_mm: tuple[float, ...],
    diagonal_mm: float,
    tolerance_mm: float,
) -> MaskMeasures:
    pred, truth = pair
    n_pred, n_truth = int(np.count_nonzero(pred)), int(np.count_nonzero(truth))
    if not n_truth:
        return _NOTHING_DRAWN if n_pred else _BOTH_EMPTY
    if not n_pred:
        return MaskMeasures(0.0, 0.0, 0.0, diagonal_mm, diagonal_mm)
    shared = int(np.count_nonzero(pred & truth))
    gap = SurfaceGap.between(
        Surface.of(pred, spacing_mm), Surface.of(truth, spacing_mm)
    )
    return MaskMeasures(
        dice=2 * shared / (n_pred + n_truth),
        iou=shared / (n_pred + n_truth - shared),
        nsd=gap.nsd(tolerance_mm),
        hd95_mm=gap.hd95_mm(),
        assd_mm=gap.assd_mm(),
    )
