"""What a fold keeps on disk while it trains, in files that vanish with the process.

Read with plain calls and not mapped, so that memory does not grow with the exams.
"""

import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray

from voxray.core.files import machine_errors

_POINTS = 200  # per structure and exam


class Rows:
    """A file of rows of one shape and type."""

    def __init__(
        self, folder: Path, shape: Sequence[int], dtype: type[np.generic]
    ) -> None:
        self.shape, self.dtype = tuple(shape), np.dtype(dtype)
        self._size = int(np.prod(self.shape)) * self.dtype.itemsize
        self._target = folder / "packed arrays"
        with machine_errors(self._target):
            folder.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115
        weakref.finalize(self, self._file.close)

    def write(self, row: int, array: NDArray[Any]) -> None:
        """Write one row.

        Raises:
            MachineError: If the disk is full.
        """
        data = np.ascontiguousarray(array, self.dtype).data.cast("B")
        with machine_errors(self._target):
            self._file.seek(row * self._size)
            while data:  # an unbuffered write may take a part
                data = data[self._file.write(data) :]

    def read(self, rows: Sequence[int]) -> NDArray[Any]:
        """Read rows into one array, (n, *shape).

        Raises:
            IndexError: If a row was never written.
        """
        found = np.empty((len(rows), *self.shape), self.dtype)
        for index, row in enumerate(rows):
            data = found[index].data.cast("B")
            self._file.seek(row * self._size)
            while data:
                n_read = self._file.readinto(data)  # type: ignore[attr-defined]
                if not n_read:
                    msg = f"row {row} of the packed arrays was never written"
                    raise IndexError(msg)
                data = data[n_read:]
        return found


class PackedViews:
    """Exams that look the same each time, one row each, ready to stack."""

    def __init__(self, folder: Path, channels: int, shape: Sequence[int]) -> None:
        self.images = Rows(folder, (channels, *shape), np.float32)
        self.masks = Rows(folder, shape, np.uint8)
        self.has_masks = False

    def write(
        self, row: int, image: NDArray[np.float32], mask: NDArray[np.uint8] | None
    ) -> None:
        """Write one exam."""
        self.images.write(row, image)
        if mask is not None:
            self.masks.write(row, mask)
            self.has_masks = True

    def read(self, rows: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Images (n, channel, i, j, k), and masks (n, 1, i, j, k) if there are any."""
        images = torch.from_numpy(self.images.read(rows))
        if not self.has_masks:
            return images, None
        return images, torch.from_numpy(self.masks.read(rows))[:, None]


class StructurePoints:
    """Places on each structure of each exam, found when the exam is first seen.

    To search a large mask takes longer than to cut a patch from it.
    """

    def __init__(self, folder: Path, n_exams: int, n_structures: int) -> None:
        self._rows = Rows(folder, (n_structures, _POINTS + 1), np.int64)
        self._known = bytearray(n_exams)
        self._n_structures = n_structures

    def find(self, row: int, mask: NDArray[np.uint8]) -> list[NDArray[np.int64]]:
        """Flat voxel numbers per structure, as `structure_points` gives them."""
        if not self._known[row]:
            table = np.zeros(self._rows.shape, np.int64)
            for line, points in zip(
                table, structure_points(mask, self._n_structures), strict=True
            ):
                line[0] = len(points)
                line[1 : 1 + len(points)] = points
            self._rows.write(row, table)
            self._known[row] = 1
        return [line[1 : 1 + line[0]] for line in self._rows.read([row])[0]]


def structure_points(
    mask: NDArray[np.uint8], n_structures: int
) -> list[NDArray[np.int64]]:
    """Up to 200 voxels per structure, spread evenly over it; flat numbers (C order)."""
    found = []
    for structure in range(1, n_structures + 1):
        voxels = np.flatnonzero(mask == structure)
        if len(voxels) > _POINTS:
            voxels = voxels[np.linspace(0, len(voxels) - 1, _POINTS).astype(np.int64)]
        found.append(voxels)
    return found
