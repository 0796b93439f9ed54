"""Stacks that are no grid of right angles and even steps, read onto one that is.

A tilted gantry shifts slices in their planes; slices at uneven steps have gaps of
different width. Both are put right by linear interpolation, and nothing else is: what
lies outside the slices is filled, never guessed.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from statistics import median_low
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from voxray.core.errors import GeometryError
from voxray.core.findings import FindingCode
from voxray.core.geometry import VoxelGrid
from voxray.scan_io.dicom.placement import (
    SlicePlace,
    Vector,
    check_parallel,
    stack_grid,
)

MAX_LEAN_DEGREES = 45.0
"""No gantry tilts further; most stop at 30 degrees."""

_SAME_VOXEL = 1e-4
"""Part of a voxel, or of a step, by which positions may be rounded."""

_MOST_STEPS = 4
"""Per step there is: more would be a volume that is mostly invented."""

_Plane = NDArray[np.float32]
_Box = tuple[slice, slice]


def rectified(
    voxels: NDArray[Any],
    places: Sequence[SlicePlace],
    scan_id: str,
    fill: float,
    repairs: Collection[FindingCode],
) -> tuple[NDArray[np.float32], VoxelGrid]:
    """Read a stack linearly onto a grid of right angles and even steps.

    `GANTRY_TILT`: each slice is moved back in its plane. The grid is that of the first
    slice, grown to hold the voxel centres of all; its third axis is the slice normal.
    `UNEVEN_SPACING`: slices are read at even steps, from the first to the last. The
    step is the one nearest to the median that fits a whole number of times, and never
    finer than the smallest between two slices.

    Args:
        voxels: (column, row, slice), slices in order.
        places: One per slice.
        scan_id: Named in errors.
        fill: Value of voxels that lie between no voxels of the stack: air.
        repairs: Which of the two to do; others are ignored.

    Returns:
        float32, first axis fastest in memory, and its grid. Besides it and the stack,
        memory holds a few slices.

    Raises:
        GeometryError: If slices are not parallel, lean by more than 45 degrees, stay
            uneven, or would become more than four times as many.
    """
    layout = _Layout.of(voxels.shape, places, scan_id, repairs)
    result = np.full(layout.grid.shape, fill, np.float32, order="F")

    @lru_cache(maxsize=2)  # neighbours share a slice
    def moved(k: int) -> tuple[_Plane, _Box]:
        return _moved(voxels[:, :, k], layout.shifts[k] - layout.corner, result.shape)

    for target, (k, weight) in enumerate(layout.reads):
        plane, box = moved(k)
        if weight:
            above, other = moved(k + 1)
            box = _shared(box, other)
            plane = (1 - weight) * plane + weight * above
        result[(*box, target)] = plane[box]
    return result, layout.grid


@dataclass(frozen=True, slots=True, eq=False)
class _Layout:
    """Where slices come from and go to.

    Attributes:
        grid: Of the result.
        shifts: (n, 2) of each slice in its plane against the first, in voxels.
        corner: (2,) of the grid's first voxel against the first slice's.
        reads: Per slice of the result: the slice to read, and the weight of the next.
    """

    grid: VoxelGrid
    shifts: Vector
    corner: NDArray[np.int64]
    reads: list[tuple[int, float]]

    @classmethod
    def of(
        cls,
        shape: tuple[int, ...],
        places: Sequence[SlicePlace],
        scan_id: str,
        repairs: Collection[FindingCode],
    ) -> Self:
        check_parallel(scan_id, places)
        first = places[0]
        ways = np.array([place.origin_mm for place in places]) - first.origin_mm
        levels, across = _levels(ways, first)
        _check_lean(scan_id, levels, across)
        shifts = np.zeros((len(places), 2))
        if FindingCode.GANTRY_TILT in repairs:
            shifts = _in_voxels(across, first)
            ways = ways - across
        corner, plane_shape = _span(shifts, shape)
        reads = [(k, 0.0) for k in range(len(places))]
        if FindingCode.UNEVEN_SPACING in repairs and len(places) > 1:
            reads = _even_reads(scan_id, levels)
        origin = first.origin_mm + corner @ np.array([first.step_i_mm, first.step_j_mm])
        places = [
            replace(first, origin_mm=origin + _between(ways, k, weight))
            for k, weight in reads
        ]
        return cls(stack_grid(scan_id, plane_shape, places), shifts, corner, reads)


def _levels(ways: Vector, first: SlicePlace) -> tuple[Vector, Vector]:
    """Split the ways from the first slice: along the normal, and across it in mm."""
    normal = np.cross(first.step_i_mm, first.step_j_mm)
    normal = normal / np.linalg.norm(normal)
    if ways[-1] @ normal < 0:
        normal = -normal
    levels = ways @ normal
    return levels, ways - np.outer(levels, normal)


def _check_lean(scan_id: str, levels: Vector, across: Vector) -> None:
    if len(levels) == 1:
        return
    if not (np.diff(levels) > 0).all():
        raise GeometryError(scan_id, "slices are not in order along their normal")
    farthest = float(np.linalg.norm(across, axis=1).max())
    angle = float(np.degrees(np.arctan2(farthest, levels[-1])))
    if angle > MAX_LEAN_DEGREES:
        problem = f"the stack leans by {angle:.0f} degrees; no gantry tilts so far"
        raise GeometryError(scan_id, problem)


def _in_voxels(across: Vector, first: SlicePlace) -> Vector:
    """Shifts (n, 2) in columns and rows, whole where rounding alone makes them not."""
    steps = np.array([first.step_i_mm, first.step_j_mm])
    shifts = across @ steps.T / (steps**2).sum(axis=1)
    whole = np.round(shifts)
    close = np.abs(shifts - whole) < _SAME_VOXEL
    return np.asarray(np.where(close, whole, shifts), dtype=np.float64)


def _span(
    shifts: Vector, shape: tuple[int, ...]
) -> tuple[NDArray[np.int64], tuple[int, int]]:
    """First voxel and size of the smallest lattice that holds all voxel centres."""
    low = np.ceil(shifts.min(axis=0)).astype(np.int64)
    last = np.array(shape[:2]) - 1
    high = np.floor(shifts.max(axis=0) + last).astype(np.int64)
    i, j = (int(n) for n in high - low + 1)
    return low, (i, j)


def _even_reads(scan_id: str, levels: Vector) -> list[tuple[int, float]]:
    steps = [high - low for low, high in pairwise(levels.tolist())]
    n_steps = round(levels[-1] / median_low(steps))
    n_steps = max(1, min(n_steps, int(levels[-1] / min(steps) + _SAME_VOXEL)))
    if n_steps > _MOST_STEPS * len(steps):
        problem = f"even steps would make {n_steps + 1} slices of {len(levels)}"
        raise GeometryError(scan_id, problem)
    reads = []
    for level in np.linspace(0, levels[-1], n_steps + 1):
        k = int(np.searchsorted(levels, level, side="right")) - 1
        k = min(k, len(steps) - 1)
        weight = (level - levels[k]) / steps[k]
        near = round(weight)
        same = abs(weight - near) < _SAME_VOXEL
        reads.append((k + near, 0.0) if same else (k, float(weight)))
    return reads


def _between(ways: Vector, k: int, weight: float) -> Vector:
    if not weight:
        return np.asarray(ways[k])
    return np.asarray((1 - weight) * ways[k] + weight * ways[k + 1])


def _moved(
    plane: NDArray[Any], shift: Vector, shape: tuple[int, ...]
) -> tuple[_Plane, _Box]:
    """Read a slice on the lattice of the grid; also says which part it covers."""
    moved = np.zeros(shape[:2], np.float32)
    values, box = np.asarray(plane, dtype=np.float64), []
    for axis, by in enumerate(shift.tolist()):
        start = int(np.ceil(by))
        values = _between_neighbours(values, start - by, axis)
        box.append(slice(start, start + values.shape[axis]))
    moved[box[0], box[1]] = values
    return moved, (box[0], box[1])


def _between_neighbours(
    values: NDArray[np.float64], part: float, axis: int
) -> NDArray[np.float64]:
    """Read between neighbours, `part` of the way to the next; one fewer remains."""
    if not part:
        return values
    last = values.shape[axis] - 1
    here = np.take(values, range(last), axis)
    there = np.take(values, range(1, last + 1), axis)
    return np.asarray((1 - part) * here + part * there)


def _shared(one: _Box, other: _Box) -> _Box:
    i, j = (
        slice(max(a.start, b.start), min(a.stop, b.stop))
        for a, b in zip(one, other, strict=True)
    )
    return i, j
