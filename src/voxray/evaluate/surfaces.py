"""How far the surfaces of two masks lie apart, in mm.

Surfaces are made of surface elements with an area, between the voxel centres, as in
Nikolov et al. 2021 (J Med Internet Res 23:e26151) and their `surface-distance`: a
voxel-counting surface would weigh oblique and anisotropic parts wrongly.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

Array = NDArray[np.float64]

_PERCENTILE = 0.95 * (1 - 1e-9)  # a share of just 0.95, however it was rounded
_CORNERS_AN_ELEMENT = 100
"""A transform takes some 0.07 us a corner, a tree 2 us an element near the other
surface and 30 far from it (one core of an AMD EPYC)."""
_MOST_CORNERS = 2**27
"""1.7 GB in a transform: a CT of 512 x 512 x 500."""
_ROUNDING = 1e-5
"""Of spacings that a file holds as float32: a distance of exactly the tolerance, seen
on a turned grid, still lies within it."""


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """The surface of a mask.

    Attributes:
        corners: (n, axes) int, where its elements are; comparable between masks of one
            grid only.
        spacing_mm: Between corners, per axis.
        areas: (n,), mm2 each; mm of outline in a plane.
    """

    corners: NDArray[np.intp]
    spacing_mm: tuple[float, ...]
    areas: Array

    @property
    def points_mm(self) -> Array:
        """Corners in mm."""
        return np.multiply(self.corners, self.spacing_mm)

    @classmethod
    def of(cls, inside: NDArray[np.bool_], spacing_mm: Sequence[float]) -> Self:
        """Surface of a mask of two or three axes; beyond the array is outside.

        Only the box around the mask is looked at, a byte a voxel.

        Raises:
            ValueError: If the mask is empty.
        """
        boxes = ndimage.find_objects(inside.view(np.uint8))
        if not boxes:
            msg = "an empty mask has no surface"
            raise ValueError(msg)
        codes = _neighbour_codes(inside[boxes[0]])
        spacing = tuple(map(float, spacing_mm))
        table = _areas(spacing)
        index = np.nonzero((codes > 0) & (codes < len(table) - 1))
        first = np.array([side.start for side in boxes[0]])
        return cls(np.stack(index, axis=1) + first, spacing, table[codes[index]])


def _areas(spacing_mm: tuple[float, ...]) -> Array:
    """Area of the surface at a corner, by its neighbour code."""
    from monai.metrics.utils import get_code_to_measure_table  # takes seconds

    table, _ = get_code_to_measure_table(spacing_mm)  # type: ignore[no-untyped-call]
    return np.asarray(table.numpy(), dtype=np.float64)


def _neighbour_codes(inside: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Which of the 2 x 2 (x 2) voxels around each corner are inside, as bits.

    The highest bit is the voxel before the corner along all axes, as MONAI's and
    surface-distance's tables of areas want it. Shape: one more than the mask's.
    """
    padded = np.pad(inside, 1).view(np.uint8)
    codes = np.zeros([n + 1 for n in inside.shape], dtype=np.uint8)
    for bit, offset in enumerate(product((1, 0), repeat=inside.ndim)):
        window = tuple(
            slice(o, o + n) for o, n in zip(offset, codes.shape, strict=True)
        )
        codes |= padded[window] << np.uint8(bit)
    return codes


@dataclass(frozen=True, slots=True, eq=False)
class SurfaceGap:
    """Two surfaces, and for each element the distance to the nearest of the other."""

    first: Surface
    second: Surface
    first_mm: Array
    second_mm: Array

    @classmethod
    def between(cls, first: Surface, second: Surface) -> Self:
        """Measure both ways, exactly."""
        return cls(first, second, nearest_mm(first, second), nearest_mm(second, first))

    def hd95_mm(self) -> float:
        """95th percentile of the distances by area, of both ways the larger."""
        ways = (self.first_mm, self.first.areas), (self.second_mm, self.second.areas)
        return max(_percentile(distance, areas) for distance, areas in ways)

    def assd_mm(self) -> float:
        """Mean distance over both surfaces together, by area."""
        total = self.first_mm @ self.first.areas + self.second_mm @ self.second.areas
        return float(total / (self.first.areas.sum() + self.second.areas.sum()))

    def nsd(self, tolerance_mm: float) -> float:
        """Share of both surfaces that lies at most `tolerance_mm` from the other."""
        most = tolerance_mm * (1 + _ROUNDING)
        near = self.first.areas[self.first_mm <= most].sum()
        near += self.second.areas[self.second_mm <= most].sum()
        return float(near / (self.first.areas.sum() + self.second.areas.sum()))


def nearest_mm(from_: Surface, to: Surface) -> Array:
    """Distance of each element to the nearest of another surface.

    Where elements are many for the box that both lie in, as of a network that draws
    specks all over a scan, a distance transform takes seconds and a tree minutes.
    """
    first = np.minimum(from_.corners.min(axis=0), to.corners.min(axis=0))
    last = np.maximum(from_.corners.max(axis=0), to.corners.max(axis=0))
    shape = last - first + 1
    n_corners = math.prod(shape.tolist())
    many = len(from_.corners) * _CORNERS_AN_ELEMENT > n_corners
    if many and n_corners <= _MOST_CORNERS:
        return by_transform(from_, to, first, shape)
    return by_tree(from_, to)


def by_tree(from_: Surface, to: Surface) -> Array:
    """Only elements are held; slow where they are many and far from the other's."""
    return np.asarray(KDTree(to.points_mm).query(from_.points_mm)[0])


def by_transform(
    from_: Surface, to: Surface, first: NDArray[np.intp], shape: NDArray[np.intp]
) -> Array:
    """13 bytes a corner of a box that holds both; the time hangs on the box alone.

    Args:
        from_: Elements that are measured.
        to: What they are measured to.
        first: Lowest corner of the box.
        shape: Corners of the box.
    """
    empty = np.ones(shape, np.bool_)
    empty[tuple((to.corners - first).T)] = False
    nearest = ndimage.distance_transform_edt(
        empty, sampling=to.spacing_mm, return_distances=False, return_indices=True
    )
    own = from_.corners - first
    gap = (nearest[(slice(None), *own.T)].T - own) * np.asarray(to.spacing_mm)
    return np.asarray(np.sqrt((gap**2).sum(axis=1)))


def _percentile(distance: Array, areas: Array) -> float:
    order = np.argsort(distance)
    share = np.cumsum(areas[order]) / areas.sum()
    place = int(np.searchsorted(share, _PERCENTILE))
    return float(distance[order][min(place, len(order) - 1)])
