"""The voxels of a scan that frames of a segmentation cover."""

import numpy as np
from numpy.typing import NDArray

from voxray.core.geometry import VoxelGrid
from voxray.scan_io.dicom.placement import SlicePlace
from voxray.scan_io.masks.drawing import Indexes

OFF_VOXEL = 0.05
"""How far, in voxels, the corners of a frame may lie from voxel centres."""

_FARTHEST = 1e6  # voxels
_NOWHERE: Indexes = np.empty((0, 3), np.intp)
_CORNERS = np.array([(0, 0), (0, 1), (1, 0), (1, 1)]).T


class Lattice:
    """The grid of a scan, without end; counts the frames that lie beside it."""

    def __init__(self, grid: VoxelGrid) -> None:
        self._to_index = np.linalg.inv(grid.affine)
        self._spacing_mm = np.array(grid.spacing_mm)[:, None]
        self._n_frames = self._n_turned = 0
        self._off_mm: list[float] = []

    def voxels(self, place: SlicePlace, pixels: NDArray[np.bool_]) -> Indexes:
        """Give the voxels that share their centres with pixels of a frame.

        Args:
            place: Of the frame.
            pixels: (row, column), those wanted.

        Returns:
            Indexes, also beyond the scan; none of a frame that lies off.
        """
        self._n_frames += 1
        turn, offset = self._to_index[:3, :3], self._to_index[:3, 3]
        along = turn @ np.stack([place.step_j_mm, place.step_i_mm], axis=1)
        origin = turn @ place.origin_mm + offset
        if np.abs(along).max() > _FARTHEST or np.abs(origin).max() > _FARTHEST:
            self._n_turned += 1
            return _NOWHERE
        steps, start = np.rint(along).astype(np.intp), np.rint(origin).astype(np.intp)
        last = np.array(pixels.shape)[:, None] - 1
        off = (along - steps) @ (_CORNERS * last) + (origin - start)[:, None]
        if not (np.abs(steps).sum(axis=0) == 1).all():
            self._n_turned += 1
        elif np.abs(off).max() > OFF_VOXEL:
            self._off_mm.append(float(np.abs(off * self._spacing_mm).max()))
        else:
            return np.asarray(start + np.argwhere(pixels) @ steps.T)
        return _NOWHERE

    def problem(self) -> str | None:
        """Say how frames lie off; None when all fit."""
        if self._n_turned:
            return (
                f"{self._n_turned} of {self._n_frames} frames have pixels of another "
                "size, direction or place than the voxels of the scan"
            )
        if self._off_mm:
            return (
                f"{len(self._off_mm)} of {self._n_frames} frames lie off the voxels of "
                f"the scan, by up to {max(self._off_mm):.3g} mm"
            )
        return None
