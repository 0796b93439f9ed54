"""Where the slices of a series sit.

DICOM counts millimetres to the patient's left, back and head (LPS). This module turns
them into RAS+ once; no other part of voxray computes in LPS.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from voxray.core.errors import GeometryError
from voxray.core.geometry import VoxelGrid
from voxray.scan_io.dicom.header import DicomHeader

_LPS_TO_RAS = np.array([-1.0, -1.0, 1.0])
_UNIT_TOLERANCE = 0.01
_SAME_DIRECTION = 1e-3
_SAME_SPACING_MM = 1e-3
_UNEVEN = 0.1
_UNEVEN_MM = 0.1
"""A last guard, wider than intake's: order and evenness are decided there."""

Vector = NDArray[np.float64]


def ras_from_lps(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn points (n, 3) of DICOM into RAS+."""
    return np.asarray(points * _LPS_TO_RAS)


@dataclass(frozen=True, slots=True)
class ImagePlane:
    """Where a slice is, as DICOM says it: LPS, mm (PS3.3 C.7.6.2.1.1).

    Attributes:
        orientation: Direction along a row, then along a column.
        spacing: Between rows, then between columns.
        stated_spacing: SpacingBetweenSlices, else SliceThickness.
    """

    position: tuple[float, float, float] | None
    orientation: tuple[float, ...] | None
    spacing: tuple[float, float] | None
    stated_spacing: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SlicePlace:
    """One slice in patient space.

    Attributes:
        origin_mm: Centre of the first voxel, RAS+ mm.
        step_i_mm: From one column to the next, RAS+ mm.
        step_j_mm: From one row to the next, RAS+ mm.
        stated_spacing_mm: SpacingBetweenSlices, else SliceThickness; for one slice
            alone, which has no other.
    """

    origin_mm: Vector
    step_i_mm: Vector
    step_j_mm: Vector
    stated_spacing_mm: float | None

    @classmethod
    def from_header(cls, header: DicomHeader, scan_id: str, name: str) -> Self:
        """Take the place of one slice or frame, as `DicomHeader.slices` gives it.

        Raises:
            GeometryError: As `from_plane` does.
        """
        plane = ImagePlane(
            header.position_lps_mm,
            header.orientation_lps,
            header.pixel_spacing_mm,
            header.spacing_between_slices_mm or header.slice_thickness_mm,
        )
        return cls.from_plane(plane, scan_id, name)

    @classmethod
    def from_plane(cls, plane: ImagePlane, scan_id: str, name: str) -> Self:
        """Take the place that a header states.

        Args:
            plane: What is stated.
            scan_id: Named in the error.
            name: Of the slice, e.g. "slice 3 of 40".

        Raises:
            GeometryError: If position, orientation or spacing is missing or impossible.
        """
        if not (plane.position and plane.orientation and plane.spacing):
            problem = f"{name} lacks a position, orientation or pixel spacing"
            raise GeometryError(scan_id, problem)
        along_row = np.array(plane.orientation[:3]) * _LPS_TO_RAS
        along_column = np.array(plane.orientation[3:]) * _LPS_TO_RAS
        if min(plane.spacing) <= 0 or not _at_right_angles(along_row, along_column):
            problem = f"{name} has an impossible orientation or pixel spacing"
            raise GeometryError(scan_id, problem)
        between_rows, between_columns = plane.spacing
        return cls(
            np.array(plane.position) * _LPS_TO_RAS,
            along_row / np.linalg.norm(along_row) * between_columns,
            along_column / np.linalg.norm(along_column) * between_rows,
            plane.stated_spacing,
        )


def _at_right_angles(first: Vector, second: Vector) -> bool:
    lengths = np.linalg.norm([first, second], axis=1)
    return bool(
        np.abs(lengths - 1).max() < _UNIT_TOLERANCE
        and abs(float(first @ second)) < _UNIT_TOLERANCE
    )


def stack_grid(
    scan_id: str, plane_shape: tuple[int, ...], places: Sequence[SlicePlace]
) -> VoxelGrid:
    """Grid of parallel slices in order.

    Args:
        scan_id: Named in errors.
        plane_shape: Columns, rows.
        places: In slice order. The step along k goes from the first to the last in
            equal parts.

    Raises:
        GeometryError: If slices differ in plane or pixel size, lie at one position, or
            do not follow each other in even steps.
    """
    check_parallel(scan_id, places)
    step_k = _step_k(scan_id, places)
    _check_even(scan_id, places, step_k)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = places[0].step_i_mm, places[0].step_j_mm
    affine[:3, 2], affine[:3, 3] = step_k, places[0].origin_mm
    i, j = plane_shape
    return VoxelGrid.from_affine(scan_id, (i, j, len(places)), affine + 0.0)


def check_parallel(scan_id: str, places: Sequence[SlicePlace]) -> None:
    """Refuse slices of different planes or pixel sizes.

    Raises:
        GeometryError: If one is turned or scaled against the first.
    """
    first = places[0]
    for number, place in enumerate(places[1:], start=2):
        for ours, theirs in (
            (first.step_i_mm, place.step_i_mm),
            (first.step_j_mm, place.step_j_mm),
        ):
            gap = float(np.abs(ours - theirs).max())
            if gap > _SAME_DIRECTION * float(np.linalg.norm(ours)) + _SAME_SPACING_MM:
                problem = f"slice {number} is turned or scaled against slice 1"
                raise GeometryError(scan_id, problem)


def _step_k(scan_id: str, places: Sequence[SlicePlace]) -> Vector:
    if len(places) > 1:
        whole: Vector = places[-1].origin_mm - places[0].origin_mm
        return whole / (len(places) - 1)
    spacing = places[0].stated_spacing_mm
    if spacing is None or spacing <= 0:
        problem = "one slice alone that states neither slice spacing nor thickness"
        raise GeometryError(scan_id, problem)
    normal = np.cross(places[0].step_i_mm, places[0].step_j_mm)
    # The cross product of RAS vectors points as that of the LPS vectors does, since
    # the two spaces differ by a half turn.
    return np.asarray(normal / np.linalg.norm(normal) * spacing, dtype=np.float64)


def _check_even(scan_id: str, places: Sequence[SlicePlace], step_k: Vector) -> None:
    spacing = float(np.linalg.norm(step_k))
    allowed = max(_UNEVEN * spacing, _UNEVEN_MM)
    origins = np.array([place.origin_mm for place in places])
    off = np.linalg.norm(np.diff(origins, axis=0) - step_k, axis=1)
    if spacing and not (off > allowed).any():
        return
    k = int(off.argmax())
    step = float(np.linalg.norm(origins[k + 1] - origins[k]))
    problem = (
        f"from slice {k + 1} to {k + 2} it is {step:.2f} mm, on average "
        f"{spacing:.2f} mm; a slice is missing, doubled or out of order"
    )
    raise GeometryError(scan_id, problem)
