"""Siemens mosaics: one plane that holds all slices of a volume as tiles.

Tiles lie row by row, in a square of the smallest side that holds them all; what is left
of the square is black.
"""

from dataclasses import dataclass
from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from voxray.scan_io.dicom import values
from voxray.scan_io.dicom.csa import csa_values
from voxray.scan_io.dicom.frame_header import FrameHeader
from voxray.scan_io.dicom.quiet import READ_ERRORS

_CSA_GROUP, _CSA_CREATOR, _CSA_IMAGE = 0x0029, "SIEMENS CSA HEADER", 0x10
_MR_GROUP, _MR_CREATOR, _MR_TILES = 0x0019, "SIEMENS MR HEADER", 0x0A
_CSA_WANTED = (
    "NumberOfImagesInMosaic",
    "SliceNormalVector",
    "B_value",
    "DiffusionGradientDirection",
)
_MOST_TILES = 1024
_PARALLEL = 1e-3
_Vector = NDArray[np.float64]


def mosaic_frames(dataset: Dataset) -> tuple[FrameHeader, ...]:
    """Give the tiles of a mosaic as slices, each with its own place.

    The plane's ImagePositionPatient is that of a plane as large as the mosaic with the
    centre of the first slice, so the corner of the first tile lies inside of it (found
    by SPM and nibabel). Tiles follow each other along SliceNormalVector.

    Returns:
        Empty if the header does not say how many tiles there are and where, or
        contradicts itself.
    """
    csa = _csa(dataset)
    n_tiles = _n_tiles(dataset, csa)
    plane = _Plane.stated(dataset, csa)
    if plane is None or n_tiles is None or not _fills(n_tiles, plane):
        return ()
    side = mosaic_side(n_tiles)
    origin, step = plane.first_tile(side), plane.step
    direction = csa.get("DiffusionGradientDirection", ())
    return tuple(
        FrameHeader(
            index=index,
            position_lps_mm=_triple(origin + index * step),
            rows=plane.rows // side,
            columns=plane.columns // side,
            b_value=_real(csa.get("B_value", ())),
            diffusion_direction=_triple(_reals(direction)),
            mosaic_tiles=n_tiles,
        )
        for index in range(n_tiles)
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Plane:
    """The plane of a mosaic, LPS mm."""

    rows: int
    columns: int
    position: _Vector
    step_column: _Vector
    step_row: _Vector
    step: _Vector

    @classmethod
    def stated(
        cls, dataset: Dataset, csa: dict[str, tuple[str, ...]]
    ) -> "_Plane | None":
        rows, columns = (values.whole(dataset, key) for key in ("Rows", "Columns"))
        position = values.point(dataset, "ImagePositionPatient")
        directions = values.reals(dataset, "ImageOrientationPatient", count=6)
        spacing = values.pair(dataset, "PixelSpacing")
        between = values.real(dataset, "SpacingBetweenSlices")
        if not (rows and columns and position and directions and spacing and between):
            return None
        row, column = np.array(directions[:3]), np.array(directions[3:])
        normal = _normal(csa, np.cross(row, column))
        if normal is None:
            return None
        return cls(
            rows,
            columns,
            np.array(position),
            row * spacing[1],
            column * spacing[0],
            normal * abs(between),
        )

    def first_tile(self, side: int) -> _Vector:
        """Centre of the first voxel of the first tile."""
        right = (self.columns - self.columns // side) / 2
        down = (self.rows - self.rows // side) / 2
        corner: _Vector = (
            self.position + right * self.step_column + down * self.step_row
        )
        return corner


def _normal(csa: dict[str, tuple[str, ...]], cross: _Vector) -> _Vector | None:
    """The plane's normal, in the direction of the tiles; None if that is not told."""
    stated = _reals(csa.get("SliceNormalVector", ()))
    length = float(np.linalg.norm(cross))
    if stated is None or not length:
        return None
    cosine = float(stated @ cross) / length
    if abs(abs(cosine) - 1) > _PARALLEL:
        return None
    unit: _Vector = np.copysign(1.0, cosine) * cross / length
    return unit


def _fills(n_tiles: int, plane: _Plane) -> bool:
    side = mosaic_side(n_tiles)
    return not (plane.rows % side or plane.columns % side)


def _n_tiles(dataset: Dataset, csa: dict[str, tuple[str, ...]]) -> int | None:
    """NumberOfImagesInMosaic of either header; None if they disagree."""
    stated = {
        _whole(_private(dataset, _MR_GROUP, _MR_CREATOR, _MR_TILES)),
        _whole(next(iter(csa.get("NumberOfImagesInMosaic", ())), None)),
    } - {None}
    number = stated.pop() if len(stated) == 1 else None
    return number if number is not None and 1 <= number <= _MOST_TILES else None


def _csa(dataset: Dataset) -> dict[str, tuple[str, ...]]:
    content = _private(dataset, _CSA_GROUP, _CSA_CREATOR, _CSA_IMAGE)
    return csa_values(content, _CSA_WANTED) if isinstance(content, bytes) else {}


def _private(dataset: Dataset, group: int, creator: str, element: int) -> object:
    try:
        return dataset.private_block(group, creator)[element].value
    except READ_ERRORS:
        return None


def _whole(value: object) -> int | None:
    if isinstance(value, bytes):  # of implicit VR, where private elements have none
        return int.from_bytes(value, "little") if len(value) == 2 else None  # noqa: PLR2004
    text = str(value)
    return int(text) if text.isascii() and text.isdecimal() else None


def _real(texts: tuple[str, ...]) -> float | None:
    try:
        return float(texts[0]) if texts else None
    except ValueError:
        return None


def _reals(texts: tuple[str, ...]) -> _Vector | None:
    """Three finite numbers."""
    try:
        vector = np.array(texts, dtype=np.float64)
    except ValueError:
        return None
    return vector if vector.shape == (3,) and np.isfinite(vector).all() else None


def _triple(vector: _Vector | None) -> tuple[float, float, float] | None:
    if vector is None:
        return None
    x, y, z = (float(n) for n in vector)
    return x, y, z


def mosaic_side(n_tiles: int) -> int:
    """Tiles along one side of the square."""
    return isqrt(n_tiles - 1) + 1


def mosaic_tile(plane: NDArray[Any], n_tiles: int, index: int) -> NDArray[Any]:
    """Cut one tile out of a decoded mosaic.

    Args:
        plane: The whole mosaic (rows, columns).
        n_tiles: How many it holds: `DicomHeader.mosaic_tiles` of a slice of it.
        index: Which, from 0, in slice order: `DicomHeader.frame` of that slice.

    Returns:
        A view (rows, columns) of the tile.

    Raises:
        ValueError: If there is no such tile, or tiles do not fill the plane.
    """
    if not 0 <= index < n_tiles:
        msg = f"no tile {index} in a mosaic of {n_tiles}"
        raise ValueError(msg)
    side = mosaic_side(n_tiles)
    rows, columns = plane.shape[0] // side, plane.shape[1] // side
    if not rows or not columns or plane.shape != (rows * side, columns * side):
        shown = " x ".join(map(str, plane.shape))
        msg = f"a plane of {shown} pixels is no mosaic of {side} x {side} tiles"
        raise ValueError(msg)
    row, column = divmod(index, side)
    top, left = row * rows, column * columns
    return plane[top : top + rows, left : left + columns]
