"""How far the surfaces of two masks lie apart, in mm.

Surfaces are made of surface elements with an area, between the voxel centres, as in
Nikolov et al. 2021 (J Med Internet Res 23:e26151) and their `surface-distance`: a
voxel-counting surface would weigh oblique and anisotropic parts wrongly.
"""

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
_ROUNDING = 1e-5
"""Of spacings that a file holds as float32: a distance of exactly the tolerance, seen
on a turned grid, still lies within it."""


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """The surface of a mask.

    Attributes:
        points_mm: (n, axes), where its elements are; comparable between masks of one
            grid only.
        areas: (n,), mm2 each; mm of outline in a plane.
    """

    points_mm: Array
    areas: Array

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
        table = _areas(tuple(map(float, spacing_mm)))
        index = np.nonzero((codes > 0) & (codes < len(table) - 1))
        first = np.array([side.start for side in boxes[0]])
        points = (np.stack(index, axis=1) + first) * np.asarray(spacing_mm)
        return cls(points, table[codes[index]])


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
        """Measure both ways; exact, and only surface elements are held."""
        return cls(
            first,
            second,
            KDTree(second.points_mm).query(first.points_mm)[0],
            KDTree(first.points_mm).query(second.points_mm)[0],
        )

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


def _percentile(distance: Array, areas: Array) -> float:
    order = np.argsort(distance)
    share = np.cumsum(areas[order]) / areas.sum()
    place = int(np.searchsorted(share, _PERCENTILE))
    return float(distance[order][min(place, len(order) - 1)])
