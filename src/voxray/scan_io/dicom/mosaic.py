"""Siemens mosaics: one plane that holds all slices of a volume as tiles.

Tiles lie row by row, in a square of the smallest side that holds them all; what is left
of the square is black.
"""

from math import isqrt
from typing import Any

from numpy.typing import NDArray


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
