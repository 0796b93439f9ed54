"""Masks with known distances, and random ones."""

import numpy as np
from scipy import ndimage

from voxray.core.geometry import VoxelGrid


def a_blob(generator, shape, share):
    """A random mask of about this share of the voxels, in pieces of any size."""
    noise = ndimage.gaussian_filter(
        generator.normal(size=shape), generator.uniform(0, 2)
    )
    return noise > np.quantile(noise, 1 - share)


def a_box(shape, *sides):
    """A mask that is full between these (start, stop) along each axis."""
    mask = np.zeros(shape, dtype=bool)
    mask[tuple(slice(*side) for side in sides)] = True
    return mask


def a_grid(shape, spacing_mm=(1.0, 1.0, 1.0), turn=None):
    """A grid of this spacing; `turn` (3, 3) is a rotation of its axes."""
    affine = np.eye(4)
    affine[:3, :3] = (np.eye(3) if turn is None else turn) * np.asarray(spacing_mm)
    return VoxelGrid.from_affine("s1", shape, affine)


def turned(angle=0.4):
    """A rotation about an oblique axis."""
    cos, sin = np.cos(angle), np.sin(angle)
    about_i = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    about_k = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    return about_i @ about_k
