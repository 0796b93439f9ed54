"""Voxels of one grid read at the voxel centres of another, linearly."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from monai.transforms.transform import MapTransform
from numpy.typing import NDArray
from scipy import ndimage

from voxray.core.geometry import VoxelGrid
from voxray.preprocess.reader import grid_of


class ReadOnFirstd(MapTransform):
    """Read the other channels of an exam on the grid of the first one.

    A channel that is on that grid keeps its voxels as they are.
    """

    def __init__(self, first: str, others: Sequence[str]) -> None:
        """Name the channels; one that the data lacks is passed over."""
        super().__init__(others, allow_missing_keys=True)
        self.first = first

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Resample (1, i, j, k) tensors with an affine."""
        out = dict(data)
        affine = out[self.first].affine
        target = grid_of(out[self.first], self.first)
        for key in self.key_iterator(out):
            grid = grid_of(out[key], str(key))
            if not grid.matches(target):
                read = _inside_or_lowest(out[key][0].numpy(), grid, target)
                tensor = torch.from_numpy(read)[None]
                out[key] = MetaTensor(tensor, affine=affine.clone())
        return out


def to_source_grid(
    shares: NDArray[np.float32], grid: VoxelGrid, source: VoxelGrid
) -> NDArray[np.float32]:
    """Read shares at the voxel centres of the source scan, linearly.

    Args:
        shares: (channel, i, j, k) on `grid`.
        grid: Of the prepared exam.
        source: Of the scan as it came.

    Returns:
        (channel, i, j, k) on `source`; a centre outside `grid` gets the nearest voxel.
    """
    return np.stack([_read(channel, grid, source) for channel in shares])


def _inside_or_lowest(
    voxels: NDArray[np.float32], grid: VoxelGrid, target: VoxelGrid
) -> NDArray[np.float32]:
    """Read inside the field of view, and give its lowest value, as air, outside."""
    read = _read(voxels, grid, target)
    step = np.linalg.inv(grid.affine) @ target.affine
    places = np.ogrid[tuple(slice(n) for n in target.shape)]
    for axis, size in enumerate(grid.shape):
        index = step[axis, 3] + sum(
            factor * place for factor, place in zip(step[axis, :3], places, strict=True)
        )
        read[(index < -0.5) | (index > size - 0.5)] = voxels.min()  # noqa: PLR2004
    return read


def _read(
    voxels: NDArray[np.float32], grid: VoxelGrid, target: VoxelGrid
) -> NDArray[np.float32]:
    step = np.linalg.inv(grid.affine) @ target.affine
    read = np.empty(target.shape, dtype=np.float32)
    ndimage.affine_transform(
        voxels, step[:3, :3], step[:3, 3], output=read, order=1, mode="nearest"
    )
    return read
