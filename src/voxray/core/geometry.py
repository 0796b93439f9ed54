"""Where voxels sit in the patient: millimetres, RAS+, voxel centres.

World axes point Right, Anterior, Superior. DICOM's LPS is converted once, in
`scan_io.dicom`, and is never seen elsewhere.
"""

from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from voxray.core.errors import GeometryError

Affine = Annotated[NDArray[np.float64], "(4, 4), voxel index -> RAS+ mm"]
Shape = tuple[int, int, int]
BODY_AXES = ("left-right", "front-back", "foot-head")
"""What the axes nearest R, A, S are called in messages and on pages."""
_FARTHEST_MM = 1e9
_SHORTEST_MM = 1e-5


def is_plane(shape: Shape) -> bool:
    """Whether one axis, and no more, has a single voxel."""
    return shape.count(1) == 1


def _is_flat(matrix: NDArray[np.float64], lengths: NDArray[np.float64]) -> bool:
    """Whether the voxel axes lie in one plane."""
    volume = abs(np.linalg.det(matrix[:3, :3]))
    return not volume > 1e-6 * np.prod(lengths)


class SpacingMm(NamedTuple):
    """Distance between voxel centres along each array axis, in mm."""

    i: float
    j: float
    k: float


@dataclass(frozen=True, slots=True, eq=False)
class VoxelGrid:
    """A box of voxels placed in patient space.

    Attributes:
        shape: Voxels along array axes (i, j, k).
        affine: (4, 4) float64, maps the centre of voxel (i, j, k, 1) to RAS+ mm.
    """

    shape: Shape
    affine: Affine

    @classmethod
    def from_affine(cls, scan_id: str, shape: Shape, affine: Affine) -> Self:
        """Build a grid, or say why the header cannot be trusted.

        Args:
            scan_id: Named in the error, so that a table can list the scan.
            shape: Voxels along array axes (i, j, k).
            affine: (4, 4), voxel index to RAS+ mm. Copied and made read-only.

        Raises:
            GeometryError: If the affine has the wrong shape, is not finite, reaches
                beyond 1e9 mm, or is singular, as it is when a one-slice series states
                no slice spacing, or voxels are less than 10 nm apart.

        Example:
            >>> import numpy as np
            >>> grid = VoxelGrid.from_affine("s1", (64, 64, 20), np.diag([1, 1, 5, 1]))
            >>> grid.spacing_mm
            SpacingMm(i=1.0, j=1.0, k=5.0)
        """
        matrix = np.array(affine, dtype=np.float64)
        if matrix.shape != (4, 4):
            msg = f"affine must have shape (4, 4), got {matrix.shape}"
            raise GeometryError(scan_id, msg)
        if not np.isfinite(matrix).all():
            msg = "affine holds NaN or infinity"
            raise GeometryError(scan_id, msg)
        if (farthest := float(np.abs(matrix).max())) > _FARTHEST_MM:
            msg = f"affine holds {farthest:.3g} mm; no scan is that large"
            raise GeometryError(scan_id, msg)
        lengths = np.linalg.norm(matrix[:3, :3], axis=0)
        if lengths.min() < _SHORTEST_MM or _is_flat(matrix, lengths):
            msg = "affine is singular: a voxel axis has no length, check slice spacing"
            raise GeometryError(scan_id, msg)
        matrix.flags.writeable = False
        return cls(shape, matrix)

    @property
    def spacing_mm(self) -> SpacingMm:
        """Length of each affine column, in mm."""
        i, j, k = np.linalg.norm(self.affine[:3, :3], axis=0)
        return SpacingMm(float(i), float(j), float(k))

    @property
    def extent_mm(self) -> tuple[float, float, float]:
        """Field of view along each array axis, outer edge to outer edge, in mm."""
        i, j, k = (n * s for n, s in zip(self.shape, self.spacing_mm, strict=True))
        return (i, j, k)

    @property
    def is_unmeasured(self) -> bool:
        """Whether it is a plane of 1 mm pixels, as taken where none is stated."""
        one_mm = bool(np.allclose(self.spacing_mm, 1.0, rtol=0, atol=1e-6))
        return is_plane(self.shape) and one_mm

    def matches(self, other: Self, atol_mm: float = 1e-3) -> bool:
        """Whether both grids put every voxel at the same place, within `atol_mm`.

        The eight corners are compared, so that a small difference of direction counts
        by what it moves, not by its size in the matrix.
        """
        if self.shape != other.shape:
            return False
        gap = np.abs(self.corners_ras_mm() - other.corners_ras_mm()).max()
        return bool(gap <= atol_mm)

    def corners_ras_mm(self) -> NDArray[np.float64]:
        """Centres of the eight corner voxels, (8, 3), RAS+ mm."""
        last = np.array(self.shape, dtype=np.float64) - 1
        bits = np.array(list(np.ndindex(2, 2, 2)), dtype=np.float64)
        return (bits * last) @ self.affine[:3, :3].T + self.affine[:3, 3]

    def axes_to_ras(self) -> tuple[tuple[int, int, int], tuple[bool, bool, bool]]:
        """Permutation and flips that bring array axes nearest to R, A, S.

        Returns:
            `order[w]` is the array axis nearest to world axis w; `flips[w]` is true
            when that axis runs against it.
        """
        unit = self.affine[:3, :3] / np.linalg.norm(self.affine[:3, :3], axis=0)
        order = _best_axis_order(unit)
        flips = [bool(unit[world, axis] < 0) for world, axis in enumerate(order)]
        return order, (flips[0], flips[1], flips[2])


_SAME = 3
"""Decimals to which two ways of turning a grid count as equally near."""


def _best_axis_order(unit: NDArray[np.float64]) -> tuple[int, int, int]:
    """Array axis nearest to each world axis.

    At 45 degrees two orders are equally near; then the directions decide, not the order
    in which a file stores its axes, so that one scan has one orientation.
    """
    orders = [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]

    def alignment(order: tuple[int, int, int]) -> tuple[float, ...]:
        turned = unit[:, order]
        turned = turned * np.where(np.diag(turned) < 0, -1.0, 1.0)
        near = round(float(np.trace(turned)), _SAME)
        return near, *np.round(turned, _SAME).ravel().tolist()

    return max(orders, key=alignment)


def to_nearest_ras(
    voxels: NDArray[Any], grid: VoxelGrid
) -> tuple[NDArray[Any], VoxelGrid]:
    """Permute and flip array axes to nearest RAS+; no voxel value changes.

    Args:
        voxels: (i, j, k) on `grid`, any dtype.
        grid: Where the voxels sit.

    Returns:
        A view of the voxels with axes nearest (R, A, S), and its grid.
    """
    order, flips = grid.axes_to_ras()
    steps = [slice(None, None, -1 if flip else 1) for flip in flips]
    turned = np.transpose(voxels, order)[tuple(steps)]
    columns = grid.affine[:3, :3][:, order].copy()
    origin = grid.affine[:3, 3].copy()
    for world, flip in enumerate(flips):
        if flip:
            origin += columns[:, world] * (turned.shape[world] - 1)
            columns[:, world] *= -1
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = columns, origin
    i, j, k = turned.shape
    return turned, VoxelGrid.from_affine("-", (i, j, k), affine)
