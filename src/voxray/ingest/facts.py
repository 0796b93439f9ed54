"""What a scan states of itself, whatever its format, for rules to ask."""

import re

import numpy as np
from numpy.typing import NDArray

from voxray.ingest.scans import FoundScan
from voxray.scan_io import DicomHeader

_OBLIQUE_DEGREES = 30.0
_PLANES = ("sagittal", "coronal", "axial")
"""Plane whose normal is each world axis."""

_AGENT = r"(contrast|kontrast|gd|gad[a-z]*|ce|km|post(?![- _]?proc))"
_NOT = r"(non|no|without|w/?o|pre|ohne)[- _]*"
_WITH_AGENT = re.compile(
    rf"(?<![a-z])(?<!\bnon[- _]){_AGENT}(?![a-z])|\+ ?c\b|\bc\+", re.IGNORECASE
)
_WITHOUT_AGENT = re.compile(rf"(?<![a-z]){_NOT}{_AGENT}(?![a-z])", re.IGNORECASE)
_NO_AGENT = {"", "no", "none", "n/a", "0"}


def slice_thickness_mm(scan: FoundScan) -> float | None:
    """SliceThickness, else the stated slice spacing; spacing along k without header."""
    if scan.header is not None:
        return scan.header.slice_thickness_mm or scan.header.spacing_between_slices_mm
    return scan.grid.spacing_mm.k if scan.grid is not None else None


def in_plane_spacing_mm(scan: FoundScan) -> tuple[float, float] | None:
    """Distance between voxel centres along the two axes of a slice."""
    if scan.header is not None:
        return scan.header.pixel_spacing_mm or scan.header.imager_pixel_spacing_mm
    if scan.grid is None:
        return None
    return scan.grid.spacing_mm.i, scan.grid.spacing_mm.j


def n_slices(scan: FoundScan) -> int:
    """Slices of the volume; a file that was exported twice counts once."""
    return scan.n_slices if scan.grid is None else scan.grid.shape[2]


def plane(scan: FoundScan) -> str | None:
    """Nearest anatomical plane; "oblique" when all are more than 30 degrees away."""
    normal = _normal(scan)
    if normal is None:
        return None
    cosines = np.abs(normal)
    nearest = int(cosines.argmax())
    if cosines[nearest] < np.cos(np.radians(_OBLIQUE_DEGREES)):
        return "oblique"
    return _PLANES[nearest]


def _normal(scan: FoundScan) -> NDArray[np.float64] | None:
    """Unit normal of the slices; LPS and RAS differ by signs, which do not matter."""
    if scan.header is not None:
        directions = np.array(scan.header.orientation_lps or (), dtype=float)
        if directions.shape != (6,):
            return None
        row, column = directions.reshape(2, 3)
    elif scan.grid is not None:
        row, column = scan.grid.affine[:3, 0], scan.grid.affine[:3, 1]
    else:
        return None
    normal = np.cross(row, column)
    length = np.linalg.norm(normal)
    return None if not length else np.asarray(normal / length, dtype=np.float64)


def has_contrast(header: DicomHeader) -> bool:
    """Whether ContrastBolusAgent or the series description names an agent."""
    if (header.contrast_agent or "").strip().casefold() not in _NO_AGENT:
        return True
    said = header.series_description or ""
    return bool(_WITH_AGENT.search(_WITHOUT_AGENT.sub(" ", said)))
