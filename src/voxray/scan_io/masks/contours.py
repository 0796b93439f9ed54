"""Closed contours in voxels of a scan: which slice, what is inside, what is beyond."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voxray.core.findings import FindingCode
from voxray.core.geometry import VoxelGrid
from voxray.core.records import Finding
from voxray.scan_io.masks.polygons import filled

OFF_SLICE = 0.1
"""How far, in slices, the points of a contour may lie from the slice they are on."""

Points = NDArray[np.float64]
"""(n, 3), in voxels: whole numbers are voxel centres."""


@dataclass(frozen=True, slots=True, eq=False)
class SliceFilling:
    """What the contours of one structure enclose on one slice.

    Attributes:
        inside: (i, j).
        n_crossed: Contours that lie neither inside nor beside the others.
    """

    inside: NDArray[np.bool_]
    n_crossed: int


def plane_problem(contours: Sequence[Points], grid: VoxelGrid) -> str | None:
    """Say how contours miss the slices of the scan; None when each lies on one."""
    spacing_mm = grid.spacing_mm.k
    spans = np.array([np.ptp(points[:, 2]) for points in contours])
    off = np.array([np.abs(p[:, 2] - _slice_of(p)).max() for p in contours])
    turned, between = spans > 2 * OFF_SLICE, off > OFF_SLICE
    if turned.any():
        return (
            f"{int(turned.sum())} of {len(contours)} contours are not parallel to the "
            f"slices: points of one lie up to {spans.max() * spacing_mm:.3g} mm apart "
            "across them"
        )
    if between.any():
        return (
            f"{int(between.sum())} of {len(contours)} contours lie between slices, up "
            f"to {off.max() * spacing_mm:.3g} mm from the nearest; slices are "
            f"{spacing_mm:.3g} mm apart"
        )
    return None


def by_slice(contours: Sequence[Points], grid: VoxelGrid) -> dict[int, list[Points]]:
    """Contours by the index of their slice; those beyond the scan are left out."""
    slices: dict[int, list[Points]] = defaultdict(list)
    for points in contours:
        slices[_slice_of(points)].append(points)
    return {k: group for k, group in slices.items() if 0 <= k < grid.shape[2]}


def _slice_of(points: Points) -> int:
    return int(np.rint(np.median(points[:, 2])))


def outside(contours: Sequence[Points], grid: VoxelGrid) -> Iterator[Finding]:
    """Find contours so far beyond the scan that voxels could lie within them there."""
    beyond = [_beyond_mm(points, grid) for points in contours]
    n_beyond = sum(mm > 0 for mm in beyond)
    if n_beyond:
        detail = (
            f"{n_beyond} of {len(beyond)} contours reach beyond the outermost voxels, "
            f"by up to {max(beyond):.3g} mm"
        )
        yield Finding(FindingCode.MASK_OUTSIDE_SCAN, detail)


def _beyond_mm(points: Points, grid: VoxelGrid) -> float:
    """How far points pass the outermost voxel centres; 0 within one voxel."""
    last = np.array(grid.shape) - 1
    past = np.maximum(-points, points - last).max(axis=0)
    past[2] = max(-_slice_of(points), _slice_of(points) - last[2])
    far = past >= 1
    return float((past * grid.spacing_mm)[far].max(initial=0.0))


def fill_slice(contours: Sequence[Points], shape: tuple[int, int]) -> SliceFilling:
    """Fill the contours of one structure on one slice by the even-odd rule.

    A contour within another is a hole; one that is there twice counts once.

    Args:
        contours: All on this slice.
        shape: Voxels of a slice (i, j).
    """
    innermost = np.zeros(shape, np.int32)
    inside = np.zeros(shape, np.bool_)
    n_crossed = 0
    areas = [_fill(points, shape) for points in _distinct(contours)]
    areas.sort(key=lambda area: -int(area[1].sum()))
    for number, (place, within) in enumerate(areas, start=1):
        inside[place] ^= within
        around = innermost[place][within]
        n_crossed += bool(around.size) and bool((around != around[0]).any())
        innermost[place][within] = number
    return SliceFilling(inside, n_crossed)


def _distinct(contours: Sequence[Points]) -> list[Points]:
    """Leave out a contour with the points of another, wherever it starts."""
    by_points: dict[bytes, Points] = {}
    for points in contours:
        order = np.lexsort(points[:, :2].T)
        by_points.setdefault(points[order, :2].tobytes(), points)
    return list(by_points.values())


_Place = tuple[slice, slice]


def _fill(points: Points, shape: tuple[int, int]) -> tuple[_Place, NDArray[np.bool_]]:
    low = np.clip(np.floor(points[:, :2].min(axis=0)), 0, shape).astype(int)
    high = np.clip(np.ceil(points[:, :2].max(axis=0)) + 1, 0, shape).astype(int)
    (i, j), (end_i, end_j) = low, np.maximum(low, high)
    place = slice(i, end_i), slice(j, end_j)
    return place, filled(points[:, :2], place)
