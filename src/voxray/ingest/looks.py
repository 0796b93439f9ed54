"""What one scan looks like, in about a kilobyte: values, size, and a tiny image."""

import base64
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from voxray.core.geometry import VoxelGrid

CELLS = 10
"""Cells along each axis of the tiny image of a volume."""
FLAT_CELLS = 32
"""Cells along both axes of the tiny image of a plane."""
_COARSE = 64
_ENOUGH = 128
"""Voxels along an axis that do for a tiny image."""
_SAMPLES = 200_000
_LOW, _HIGH = 0.5, 99.5

_Floats = NDArray[np.float32]


class SliceRanges(NamedTuple):
    """Lowest and highest value of each slice along k; read once, asked often."""

    lowest: NDArray[np.generic]
    highest: NDArray[np.generic]

    @property
    def low(self) -> float:
        """Lowest value of all; NaN if any voxel is."""
        return float(self.lowest.min())

    @property
    def high(self) -> float:
        """Highest value of all; NaN if any voxel is."""
        return float(self.highest.max())


def slice_ranges(voxels: NDArray[Any]) -> SliceRanges:
    """Lowest and highest value of each slice of (i, j, k)."""
    return SliceRanges(voxels.min(axis=(0, 1)), voxels.max(axis=(0, 1)))


@dataclass(frozen=True, slots=True)
class Look:
    """Summary of the voxels of one scan.

    Attributes:
        low, high: Lowest and highest value.
        p0_5, p50, p99_5: Percentiles, of at most 200,000 evenly strided voxels.
        mean: Of all voxels.
        fraction_zero: Share of voxels that are 0.
        two_valued: Whether there are no values but `low` and `high`, as in a shape.
        extent_mm: Field of view along R, A and S.
        tiny: The image as base64 of uint8, axes R, A, S: the means of 10 x 10 x 10
            equal boxes, or 32 x 32 of a plane, scaled from their lowest to highest.
    """

    low: float
    high: float
    p0_5: float
    p50: float
    p99_5: float
    mean: float
    fraction_zero: float
    two_valued: bool
    extent_mm: tuple[float, float, float]
    tiny: str


def look_at(voxels: NDArray[Any], grid: VoxelGrid, ranges: SliceRanges) -> Look:
    """Summarise finite voxels; holds little more memory than a few slices.

    Args:
        voxels: (i, j, k) on `grid`, source order, all finite.
        grid: Where they sit.
        ranges: Of these voxels.
    """
    low, high = ranges.low, ranges.high
    p0_5, p50, p99_5 = percentiles(voxels)
    thinned = _thinned(voxels)
    coarse = _to_ras(area_means(thinned, _at_most(thinned.shape, _COARSE)), grid)
    order, _ = grid.axes_to_ras()
    extent = np.array(grid.extent_mm)[list(order)]
    return Look(
        low=low,
        high=high,
        p0_5=p0_5,
        p50=p50,
        p99_5=p99_5,
        mean=_mean(voxels),
        fraction_zero=_fraction_zero(voxels),
        two_valued=low < high and _two_valued(voxels, low, high),
        extent_mm=_three(extent),
        tiny=_encoded(coarse),
    )


def _two_valued(voxels: NDArray[Any], low: float, high: float) -> bool:
    """Whether all are one of two values; one row of most scans shows that not."""
    row = voxels[:, voxels.shape[1] // 2, voxels.shape[2] // 2]
    if ((row != low) & (row != high)).any():
        return False
    return all(((x == low) | (x == high)).all() for x in np.moveaxis(voxels, 2, 0))


def _fraction_zero(voxels: NDArray[Any]) -> float:
    """Share of zeros; slice by slice, since memory that is new costs more than this."""
    slices = (voxels[..., k] for k in range(voxels.shape[-1]))
    return sum(int(np.count_nonzero(plane == 0)) for plane in slices) / voxels.size


def _mean(voxels: NDArray[Any]) -> float:
    """Mean, added up in single precision within a slice and in double across."""
    sums = np.array([float(voxels[..., k].sum()) for k in range(voxels.shape[-1])])
    return float(sums.sum() / voxels.size)


def percentiles(voxels: NDArray[Any]) -> tuple[float, float, float]:
    """Percentiles 0.5, 50 and 99.5 of evenly strided voxels."""
    flat = voxels.ravel(order="K")
    step = flat.size // _SAMPLES | 1  # odd, so that it does not follow the rows
    return _three(np.percentile(flat[::step], [_LOW, 50.0, _HIGH]))


def area_means(voxels: NDArray[Any], shape: tuple[int, ...]) -> _Floats:
    """Means over `shape` equal boxes; each voxel counts by the part inside the box.

    More boxes than voxels repeat values, with steps smoothed where a box has two.
    """
    if voxels.flags.f_contiguous and not voxels.flags.c_contiguous:
        return area_means(voxels.T, shape[::-1]).T
    means = np.asarray(voxels, dtype=np.float32)
    for axis in reversed(range(means.ndim)):  # the last one lies together in memory
        if shape[axis] != means.shape[axis]:
            means = _means_along(means, axis, shape[axis])
    return means


def _means_along(values: _Floats, axis: int, n_boxes: int) -> _Floats:
    n_voxels = values.shape[axis]
    if n_voxels % n_boxes == 0:  # boxes of whole voxels are added up, much faster
        every = n_voxels // n_boxes
        ends = (slice(None),) * axis
        parts = [values[(*ends, slice(n, None, every))] for n in range(every)]
        return np.asarray(sum(parts[1:], start=parts[0]) / np.float32(every))
    weights = _overlaps(n_voxels, n_boxes)
    # One large product: many small ones wait for each other's threads.
    product = np.tensordot(values, weights, axes=(axis, 1))
    return np.moveaxis(product, -1, axis)


def _overlaps(n_voxels: int, n_boxes: int) -> _Floats:
    """Share of each voxel in each box, (box, voxel), rows adding up to 1."""
    edges = np.linspace(0, n_voxels, n_boxes + 1)
    first = np.maximum(edges[:-1, None], np.arange(n_voxels))
    last = np.minimum(edges[1:, None], np.arange(1, n_voxels + 1))
    inside = np.clip(last - first, 0, None)
    return np.asarray(inside / inside.sum(axis=1, keepdims=True), dtype=np.float32)


def tiny_image(look: Look) -> NDArray[np.uint8]:
    """The tiny image: (10, 10, 10) of a volume, (32, 32) of a plane."""
    values = np.frombuffer(base64.b64decode(look.tiny), dtype=np.uint8)
    if values.size == FLAT_CELLS**2:
        return values.reshape(FLAT_CELLS, FLAT_CELLS)
    return values.reshape(CELLS, CELLS, CELLS)


def _thinned(voxels: NDArray[Any]) -> NDArray[Any]:
    """Every other voxel, or fewer, of an axis of more than 255."""
    steps = tuple(slice(None, None, max(1, n // _ENOUGH)) for n in voxels.shape)
    return voxels[steps].copy(order="K")


def _to_ras(means: _Floats, grid: VoxelGrid) -> _Floats:
    order, flips = grid.axes_to_ras()
    steps = tuple(slice(None, None, -1 if flip else 1) for flip in flips)
    return np.transpose(means, order)[steps]


def _encoded(coarse: _Floats) -> str:
    low, high = np.percentile(coarse, [_LOW, _HIGH])
    if high <= low:
        low, high = coarse.min(), coarse.max()
    means = area_means(np.clip(coarse, low, high), _tiny_shape(coarse.shape))
    spread = float(means.max() - means.min()) or 1.0
    scaled = np.rint((means - means.min()) / spread * 255).astype(np.uint8)
    return base64.b64encode(scaled.tobytes()).decode("ascii")


def _tiny_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A plane has one axis of one voxel, whichever way it lies."""
    if 1 not in shape:
        return (CELLS,) * 3
    thin = shape.index(1)
    return tuple(1 if axis == thin else FLAT_CELLS for axis in range(len(shape)))


def _at_most(shape: tuple[int, ...], limit: int) -> tuple[int, ...]:
    return tuple(min(n, limit) for n in shape)


def _three(values: NDArray[Any]) -> tuple[float, float, float]:
    one, two, three = (float(value) for value in values)
    return one, two, three
