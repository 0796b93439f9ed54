"""Volumes whose value at a place is known: linear in millimetres."""

import numpy as np

from tests.makers import nifti_source, write_nifti
from voxray.core.geometry import VoxelGrid
from voxray.core.records import MaskSource, ScanId
from voxray.preprocess import ScanGeometry, prepare_exam, slabs_on
from voxray.scan_io import read_nifti_grid

SLOPE = np.array([1.0, 2.0, -0.5])
SHAPE = (16, 20, 12)


def a_geometry(shape=SHAPE, spacing=(1.0, 1.0, 1.0), modality="MR"):
    """A scan of this size, axes nearest R, A, S."""
    return ScanGeometry(shape, spacing, modality)


def an_affine(spacing=(1.0, 1.0, 1.0), origin=(-5.0, 3.0, 7.0)):
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = origin
    return affine


def a_grid(shape=SHAPE, spacing=(1.0, 1.0, 1.0)):
    return VoxelGrid.from_affine("s1", shape, an_affine(spacing))


def places_mm(grid):
    """RAS mm of each voxel centre, (3, i, j, k)."""
    index = np.indices(grid.shape).reshape(3, -1)
    places = grid.affine[:3, :3] @ index + grid.affine[:3, 3:]
    return places.reshape(3, *grid.shape)


def linear_in_mm(grid):
    """float32 (i, j, k): value = SLOPE . place."""
    return np.tensordot(SLOPE, places_mm(grid), 1).astype(np.float32)


def on_source(shares, grid, source):
    """(channel, i, j, k) shares on the grid of the scan as it came."""
    return np.concatenate([s for _, s in slabs_on(shares, grid, source)], axis=1)


def turned(voxels, affine, order, flips):
    """The same image stored with other axes; the affine follows."""
    stored = np.transpose(voxels, order)
    matrix = np.eye(4)
    matrix[:3] = affine[:3]
    matrix[:3, :3] = affine[:3, :3][:, order]
    for axis, flip in enumerate(flips):
        if flip:
            stored = np.flip(stored, axis)
            matrix[:3, 3] += matrix[:3, axis] * (stored.shape[axis] - 1)
            matrix[:3, axis] *= -1
    return np.ascontiguousarray(stored), matrix


def write_scan(path, voxels, affine):
    return nifti_source(write_nifti(path, voxels, affine), "s1")


def prepare_scan(source, mask, plan):
    """Prepare an exam of one channel; the mask is given as a scan is."""
    drawn = None
    if mask is not None:
        grid, _ = read_nifti_grid(mask.files[0], mask.scan_id)
        drawn = MaskSource(ScanId(mask.scan_id), mask.files[0], grid)
    return prepare_exam({plan.channels[0]: source}, drawn, plan)
