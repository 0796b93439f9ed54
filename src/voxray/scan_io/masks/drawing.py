"""A mask as it was found: voxel values, and what must be known of them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voxray.core.findings import FindingCode
from voxray.core.geometry import VoxelGrid
from voxray.core.records import Finding, Volume

Indexes = NDArray[np.intp]
"""(n, 3): voxels by their index (i, j, k), of which some may lie outside the grid."""

_SHOWN = 5


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """A mask on the grid of its scan.

    Attributes:
        volume: Integers; 0 is background.
        findings: What a person must know, in the order of the checks.
    """

    volume: Volume
    findings: tuple[Finding, ...]


class Canvas:
    """A mask while it is drawn: the class of every voxel, and what goes wrong.

    Where two classes meet, the one that comes later in the experiment stays.
    """

    def __init__(self, grid: VoxelGrid, values: Mapping[str, int]) -> None:
        """Start with an empty mask.

        Args:
            grid: Of the scan.
            values: Voxel value by class, in the order of the experiment.
        """
        self._grid = grid
        self._values = (0, *values.values())
        self._ranks = {name: rank for rank, name in enumerate(values, start=1)}
        # Slice by slice in memory, as it is painted.
        self._drawn = np.zeros(grid.shape, np.uint16, order="F")
        self._shared = np.zeros(grid.shape, np.bool_, order="F")
        self._n_outside = 0

    def paint(self, name: str, voxels: Indexes) -> None:
        """Give voxels to a class; those outside the grid are counted."""
        inside = ((voxels >= 0) & (voxels < self._grid.shape)).all(axis=1)
        self._n_outside += int((~inside).sum())
        place = tuple(voxels[inside].T)
        rank, before = self._ranks[name], self._drawn[place]
        self._shared[place] |= (before != 0) & (before != rank)
        self._drawn[place] = np.maximum(before, rank)

    def volume(self) -> Volume:
        """Give the mask with the values of its classes."""
        values = np.array(self._values, np.uint16)
        drawn = values[self._drawn.ravel(order="F")]
        return Volume(drawn.reshape(self._grid.shape, order="F"), self._grid)

    def findings(self) -> list[Finding]:
        """Say what was painted outside, twice, or not at all."""
        n_drawn, n_shared = np.count_nonzero(self._drawn), int(self._shared.sum())
        found = []
        if self._n_outside:
            detail = f"{self._n_outside} voxels outside, {n_drawn} inside"
            found.append(Finding(FindingCode.MASK_OUTSIDE_SCAN, detail))
        if n_shared:
            detail = f"{n_shared} of {n_drawn} voxels belong to two classes"
            found.append(Finding(FindingCode.MASK_OVERLAP, detail))
        if not n_drawn:
            found.append(Finding(FindingCode.MASK_EMPTY, "no voxel of any class"))
        return found


def unknown_numbers(what: str, numbers: set[int]) -> list[Finding]:
    """Name values or segments that no class has; empty without any."""
    if not numbers:
        return []
    shown = ", ".join(str(number) for number in sorted(numbers)[:_SHOWN])
    detail = f"{what} that no class has ({len(numbers)}): {shown}"
    return [Finding(FindingCode.MASK_UNKNOWN_VALUE, detail)]
