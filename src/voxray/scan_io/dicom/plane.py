"""2D images: radiographs, ultrasound, photographs. Few of them know their place."""

import numpy as np

from voxray.core.errors import GeometryError
from voxray.core.geometry import VoxelGrid
from voxray.scan_io.dicom.header import DicomHeader
from voxray.scan_io.dicom.placement import SlicePlace

SLICE_MODALITIES = frozenset({"CT", "MR", "PT", "NM"})
_PLANE_MODALITIES = {"CR", "DX", "MG", "IO", "PX", "RG", "XC", "ES", "GM", "OP", "SM"}
_THICKNESS_MM = 1.0
_PIXEL_MM = (1.0, 1.0)


def is_plane(header: DicomHeader) -> bool:
    """Whether a file is a 2D image of its own: a radiograph, ultrasound, a photograph.

    A modality of slices makes slices, also where their places are missing, which is
    then a finding.
    """
    if header.modality in SLICE_MODALITIES or header.frame is not None:
        return False
    return header.modality in _PLANE_MODALITIES or header.position_lps_mm is None


def pixel_size_mm(header: DicomHeader) -> tuple[float, float] | None:
    """Between rows, then between columns: in the patient, else at the detector."""
    for size in (header.pixel_spacing_mm, header.imager_pixel_spacing_mm):
        if size is not None and min(size) > 0:
            return size
    return None


def plane_grid(header: DicomHeader, scan_id: str) -> VoxelGrid:
    """Place a 2D image: where its header says, else as `unplaced_grid` does.

    Args:
        header: Of the file.
        scan_id: Named in errors.

    Raises:
        GeometryError: If the pixel size is beyond reason.
    """
    shape = (header.columns or 0, header.rows or 0, 1)
    between_rows, between_columns = pixel_size_mm(header) or _PIXEL_MM
    try:
        place = SlicePlace.from_header(header, scan_id, "the image")
    except GeometryError:
        return unplaced_grid(scan_id, shape, (between_columns, between_rows))
    normal = np.cross(place.step_i_mm, place.step_j_mm)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = place.step_i_mm, place.step_j_mm
    affine[:3, 2] = normal / np.linalg.norm(normal) * _THICKNESS_MM
    affine[:3, 3] = place.origin_mm
    return VoxelGrid.from_affine(scan_id, shape, affine + 0.0)


def unplaced_grid(
    scan_id: str,
    shape: tuple[int, int, int],
    spacing_mm: tuple[float, float] = _PIXEL_MM,
) -> VoxelGrid:
    """Grid of an image whose place in the patient nobody knows.

    As of an axial slice, which is what other readers take: columns run to the left,
    rows to the back, the first pixel lies at the origin, and the plane is 1 mm thick.

    Args:
        scan_id: Named in errors.
        shape: Columns, rows, 1.
        spacing_mm: Between columns, then between rows.

    Raises:
        GeometryError: If the spacing is beyond reason.
    """
    i_mm, j_mm = spacing_mm
    affine = np.diag([-i_mm, -j_mm, _THICKNESS_MM, 1.0])
    return VoxelGrid.from_affine(scan_id, shape, affine)
