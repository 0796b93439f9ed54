"""What is true of a series: its volumes, and whether a reader gave one of them.

Every voxel holds the value of a field that is linear in space, so that a volume is
right, on whatever grid, when its voxels have the values of the places it puts them at.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from tests.makers import Series, a_slice, save_dicom

from voxray.core.findings import FindingCode

Array = NDArray[np.float64]
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
CORNER_TOLERANCE_MM = 0.02
VALUE_TOLERANCE = 0.6
"""Half a step of the stored integers, and a little."""

RESAMPLED_TOLERANCE = 1.2
_PER_MM_LPS = np.array([3.0, 5.0, 7.0])
_AT_ORIGIN = 600.0


@dataclass(frozen=True, eq=False)
class Truth:
    """One right volume.

    Attributes:
        voxels: (i, j, k), on the grid of `affine`.
        affine: To RAS+ mm.
        any_grid: Whether another grid will do, since these slices lie on none.
        any_zero: Whether values may differ by one constant (inverted grey).
    """

    voxels: Array
    affine: Array
    any_grid: bool = False
    any_zero: bool = False


@dataclass(frozen=True)
class Fault:
    """One kind of irregular input.

    Attributes:
        title: For the table.
        group: Heading of the table it stands in.
        make: Writes it into an empty folder; gives all its right volumes, none if it
            must be refused or said.
        says: What voxray has to say of it, one of these at least; empty for nothing.
        policy: What `data.policy` sets for it.
    """

    title: str
    group: str
    make: Callable[[Path], Sequence[Truth]]
    says: frozenset[FindingCode] = frozenset()
    policy: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Folder name."""
        return self.make.__name__


FAULTS: list[Fault] = []
"""Filled by the modules beside this one, in the order `matrix` imports them."""

CONTROL = "Regular (for control)"


def fault(
    title: str, group: str, *says: FindingCode, **policy: str
) -> Callable[[Callable[[Path], Sequence[Truth]]], Callable[[Path], Sequence[Truth]]]:
    """Enter a maker into the list of faults; policy as `uneven_spacing="repair"`."""

    def enter(
        make: Callable[[Path], Sequence[Truth]],
    ) -> Callable[[Path], Sequence[Truth]]:
        named = {code.replace("_", "-"): action for code, action in policy.items()}
        FAULTS.append(Fault(title, group, make, frozenset(says), named))
        return make

    return enter


def field_at(points_lps_mm: Array, offset: float = 0.0) -> Array:
    """Value of the field at points (..., 3)."""
    return np.asarray(points_lps_mm @ _PER_MM_LPS + _AT_ORIGIN + offset)


def a_series(**changes: object) -> Series:
    """Eight slices of 10 rows x 12 columns, of 1.5 x 1.25 x 2 mm."""
    plain = Series(
        n_slices=8,
        rows=10,
        columns=12,
        spacing_mm=(1.5, 1.25, 2.0),
        origin_lps_mm=(-20.0, -10.0, 30.0),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def a_stack(series: Series | None = None, offset: float = 0.0) -> list[Dataset]:
    """The slices of a series, with the values of the field."""
    series = series or a_series()
    blank = replace(
        series, voxels=np.zeros((series.n_slices, series.rows, series.columns), "i2")
    )
    slices = [a_slice(blank, k) for k in range(series.n_slices)]
    for piece in slices:
        paint(piece, offset)
    return slices


def paint(piece: Dataset, offset: float = 0.0) -> None:
    """Store the field where the header says the slice is."""
    values = field_at(points_of(piece), offset)
    piece.PixelData = np.rint(values).astype(np.int16).tobytes()


def points_of(piece: Dataset) -> Array:
    """LPS mm of every pixel of a slice, (row, column, 3)."""
    affine = plane_of(piece)
    rows, columns = np.mgrid[: piece.Rows, : piece.Columns]
    return np.asarray(
        affine[:3, 3]
        + columns[..., None] * affine[:3, 0]
        + rows[..., None] * affine[:3, 1]
    )


def plane_of(piece: Dataset) -> Array:
    """Affine (column, row, 0) to LPS mm of one slice (PS3.3 C.7.6.2.1.1)."""
    along_row, along_column = np.reshape(
        np.array(piece.ImageOrientationPatient, float), (2, 3)
    )
    affine = np.eye(4)
    affine[:3, 0] = along_row * float(piece.PixelSpacing[1])
    affine[:3, 1] = along_column * float(piece.PixelSpacing[0])
    affine[:3, 2] = np.cross(along_row, along_column)
    affine[:3, 3] = np.array(piece.ImagePositionPatient, float)
    return affine


def stored(piece: Dataset) -> Array:
    """Stored values of a plain slice, (row, column)."""
    values = np.frombuffer(piece.PixelData, np.int16).reshape(piece.Rows, piece.Columns)
    return values.astype(np.float64)


def true_volume(slices: Sequence[Dataset]) -> Truth:
    """The volume that plain slices in order make, before anything is done to them."""
    affine = plane_of(slices[0])
    if len(slices) > 1:
        last = np.array(slices[-1].ImagePositionPatient, float)
        affine[:3, 2] = (last - affine[:3, 3]) / (len(slices) - 1)
    else:
        affine[:3, 2] *= float(slices[0].SliceThickness)
    voxels = np.stack([stored(piece).T for piece in slices], axis=-1)
    return Truth(voxels, LPS_TO_RAS @ affine)


def save_all(folder: Path, slices: Sequence[Dataset], name: str = "IM") -> None:
    """Write IM000, IM001, …"""
    for k, piece in enumerate(slices):
        save_dicom(piece, folder / f"{name}{k:03d}.dcm")


def is_right(voxels: Array, affine: Array, truth: Truth) -> bool:
    """Whether a volume has the values and the place of the truth."""
    finite = np.isfinite(affine).all() and np.isfinite(voxels).all()
    if not finite or not np.linalg.norm(affine[:3, :3], axis=0).all():
        return False
    voxels, affine = turned(voxels, affine)
    compare = _right_anywhere if truth.any_grid else _right_on_its_grid
    return compare(voxels, affine, truth)


def _right_on_its_grid(voxels: Array, affine: Array, truth: Truth) -> bool:
    right, right_affine = turned(truth.voxels, truth.affine)
    if voxels.shape != right.shape:
        return False
    corners = [_corners(a, right.shape) for a in (affine, right_affine)]
    if np.abs(corners[0] - corners[1]).max() > CORNER_TOLERANCE_MM:
        return False
    gap = voxels - right
    if truth.any_zero:
        gap = gap - np.median(gap)
    return bool(np.abs(gap).max() <= VALUE_TOLERANCE)


def turned(voxels: Array, affine: Array) -> tuple[Array, Array]:
    """Axes permuted and flipped to nearest RAS+."""
    cosines = np.abs(affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0))
    order = [0, 1, 2]
    for axis in (2, 1, 0):  # the third axis of a slice stack is the surest
        order[axis] = int(cosines[axis].argmax())
    if sorted(order) != [0, 1, 2]:
        order = [0, 1, 2]
    affine = affine[:, [*order, 3]].copy()
    voxels = np.transpose(voxels, order)
    for axis in range(3):
        if affine[axis, axis] < 0:
            affine[:3, 3] += affine[:3, axis] * (voxels.shape[axis] - 1)
            affine[:, axis] *= -1
            voxels = np.flip(voxels, axis)
    return voxels, affine


def _corners(affine: Array, shape: tuple[int, ...]) -> Array:
    ends = np.array([[0, n - 1] for n in shape])
    index = np.stack(np.meshgrid(*ends, indexing="ij")).reshape(3, -1)
    return np.asarray((affine @ np.vstack([index, np.ones(index.shape[1])]))[:3])


def _right_anywhere(voxels: Array, affine: Array, truth: Truth) -> bool:
    """Whether all voxels inside the box of the slices have their field value."""
    index = np.indices(voxels.shape).reshape(3, -1)
    places = affine @ np.vstack([index, np.ones(index.shape[1])])
    inside_index = np.linalg.inv(truth.affine) @ places
    last = np.array(truth.voxels.shape)[:, None] - 1
    inside = ((inside_index[:3] > -1e-3) & (inside_index[:3] < last + 1e-3)).all(axis=0)
    volumes = [abs(np.linalg.det(a[:3, :3])) for a in (affine, truth.affine)]
    if inside.sum() * volumes[0] < 0.6 * truth.voxels.size * volumes[1]:
        return False
    wanted = field_at((LPS_TO_RAS @ places)[:3].T)
    gap = np.abs(voxels.reshape(-1) - wanted)[inside]
    return bool(gap.max() <= RESAMPLED_TOLERANCE)
