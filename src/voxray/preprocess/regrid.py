"""Voxels of one grid read at the voxel centres of another, linearly."""

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from monai.transforms.transform import MapTransform
from numpy.typing import NDArray
from scipy import ndimage

from voxray.core.geometry import Shape, VoxelGrid
from voxray.preprocess.reader import grid_of

_SLAB_VOXELS = 4_000_000


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


def slabs_on(
    shares: NDArray[np.floating[Any]], grid: VoxelGrid, source: VoxelGrid
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Read shares at the voxel centres of the source scan, linearly, in slabs.

    Args:
        shares: (channel, i, j, k) on `grid`.
        grid: Of the prepared exam.
        source: Of the scan as it came.

    Yields:
        Some planes of the source's first axis at a time, and (channel, planes, j, k)
        shares on them; a centre outside `grid` gets the nearest voxel.
    """
    step = np.linalg.inv(grid.affine) @ source.affine
    thick = max(1, _SLAB_VOXELS * source.shape[0] // math.prod(source.shape))
    for start in range(0, source.shape[0], thick):
        planes = slice(start, min(start + thick, source.shape[0]))
        corner = step.copy()
        corner[:, 3] += step[:, 0] * start
        part, moved = _needed(shares, corner, planes, source)
        shape = (planes.stop - start, *source.shape[1:])
        yield planes, np.stack([_at(channel, moved, shape) for channel in part])


def _needed(
    shares: NDArray[np.floating[Any]],
    step: NDArray[np.float64],
    planes: slice,
    source: VoxelGrid,
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """The part of the shares that some planes read, and the step into it."""
    last = np.array([planes.stop - planes.start, *source.shape[1:]]) - 1
    corners = np.array(list(np.ndindex(2, 2, 2))) * last @ step[:3, :3].T + step[:3, 3]
    limit = np.array(shares.shape[1:])
    low = np.clip(np.floor(corners.min(axis=0)) - 1, 0, limit - 1).astype(int)
    high = np.clip(np.ceil(corners.max(axis=0)) + 2, low + 1, limit).astype(int)
    part = shares[(slice(None), *map(slice, low, high))]
    moved = step.copy()
    moved[:3, 3] -= low
    return part.astype(np.float32), moved


def _inside_or_lowest(
    voxels: NDArray[np.float32], grid: VoxelGrid, target: VoxelGrid
) -> NDArray[np.float32]:
    """Read inside the field of view, and give its lowest value, as air, outside."""
    step = np.linalg.inv(grid.affine) @ target.affine
    read, lowest = _at(voxels, step, target.shape), voxels.min()
    j, k = np.ogrid[: target.shape[1], : target.shape[2]]
    for plane in range(target.shape[0]):
        for axis, size in enumerate(grid.shape):
            index = step[axis, 3] + step[axis, 0] * plane
            index = index + step[axis, 1] * j + step[axis, 2] * k
            read[plane][(index < -0.5) | (index > size - 0.5)] = lowest  # noqa: PLR2004
    return read


def _at(
    voxels: NDArray[np.float32], step: NDArray[np.float64], shape: Shape
) -> NDArray[np.float32]:
    """Read at `step` times each index of `shape`."""
    read = np.empty(shape, dtype=np.float32)
    ndimage.affine_transform(
        voxels, step[:3, :3], step[:3, 3], output=read, order=1, mode="nearest"
    )
    return read
