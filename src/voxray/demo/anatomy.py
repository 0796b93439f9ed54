"""One person's head: a smooth deformation of the template, and how it lay that day."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates, zoom
from scipy.spatial.transform import Rotation

from voxray.core.geometry import VoxelGrid

_BRAIN_CENTRE_MM = np.array([0.0, -17.0, 4.0])  # in MNI152 space
_FIELD_HALF_MM = 126.0
_CONTROL_POINTS = 8
_FINENESS = 4  # field points between two control points


@dataclass(frozen=True, slots=True, eq=False)
class Anatomy:
    """How a person differs from the template.

    Attributes:
        size: Scale along R, A, S.
        field_mm: (3, n, n, n), shift in mm on a cube around the brain's centre.
    """

    size: NDArray[np.float64]
    field_mm: NDArray[np.float64]

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Draw a person: some per cent of size, some millimetres of shape."""
        shape = (3, _CONTROL_POINTS, _CONTROL_POINTS, _CONTROL_POINTS)
        control = rng.normal(0.0, 3.0, shape)
        field = np.stack([zoom(c, _FINENESS, order=3) for c in control])
        return cls(rng.uniform(0.9, 1.0, 3), field)


@dataclass(frozen=True, slots=True, eq=False)
class Pose:
    """Where the head lay in one visit: rotation, and shift in mm."""

    rotation: NDArray[np.float64]
    shift_mm: NDArray[np.float64]

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Draw a pose within a few degrees and millimetres of straight."""
        degrees = rng.normal(0.0, 3.0, 3)
        matrix = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
        return cls(matrix, rng.normal(0.0, 2.0, 3))


def template_points_mm(
    anatomy: Anatomy, pose: Pose, grid: VoxelGrid
) -> NDArray[np.float32]:
    """Say which point of the template each voxel of a scan shows.

    Args:
        anatomy: Whose head.
        pose: How it lay; the scanner's origin is the centre of the brain.
        grid: The scan's voxels.

    Returns:
        (3, i, j, k) float32, RAS+ mm in the MNI152 space.
    """
    index = np.indices(grid.shape, dtype=np.float32).reshape(3, -1)
    turn = pose.rotation.T @ grid.affine[:3, :3]
    start_mm = pose.rotation.T @ (grid.affine[:3, 3] - pose.shift_mm)
    head_mm = turn.astype(np.float32) @ index + start_mm.astype(np.float32)[:, None]
    points = head_mm / anatomy.size.astype(np.float32)[:, None]
    points += _shift_mm(anatomy, head_mm)
    points += _BRAIN_CENTRE_MM.astype(np.float32)[:, None]
    return np.asarray(points.reshape(3, *grid.shape))


def _shift_mm(anatomy: Anatomy, head_mm: NDArray[np.float32]) -> NDArray[np.float32]:
    n = anatomy.field_mm.shape[1]
    where = (head_mm / _FIELD_HALF_MM + 1) * ((n - 1) / 2)
    shifts = [
        map_coordinates(field, where, order=1, mode="nearest", output=np.float32)
        for field in anatomy.field_mm
    ]
    return np.stack(shifts)
