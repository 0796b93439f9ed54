"""Images with structure, and the ways in which they are saved again."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from voxray.core.geometry import VoxelGrid
from voxray.ingest.looks import Look, look_at, slice_ranges


def a_body(seed: int = 0, shape: tuple[int, ...] = (40, 44, 36)) -> NDArray[Any]:
    """Smooth blobs, float32, values about 0 to 1000; another seed is another body."""
    noise = np.random.default_rng(seed).normal(size=shape)
    smooth = ndimage.gaussian_filter(noise, [3 if n > 1 else 0 for n in shape])
    scaled = (smooth - smooth.min()) / (smooth.max() - smooth.min()) * 1000
    return np.asarray(scaled, dtype=np.float32)


def a_grid(
    shape: tuple[int, ...], spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)
) -> VoxelGrid:
    """Axes along R, A, S."""
    i, j, k = shape
    return VoxelGrid.from_affine("x", (i, j, k), np.diag([*spacing_mm, 1.0]))


def a_look(voxels: NDArray[Any], **grid: Any) -> Look:
    """The look of voxels along R, A, S."""
    return look_at(voxels, a_grid(voxels.shape, **grid), slice_ranges(voxels))
