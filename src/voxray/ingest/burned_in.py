"""Letters in the pixels of ultrasound, screenshots and pictures: suspected, not read.

The check looks for rows of thin strokes of one brightness on an even ground, as tall as
letters and bounded above and below. It finds overlays that devices and viewers draw. It
misses handwriting, text smaller than 7 pixels, text on speckle, and text turned on its
side; rulers and grey bars may look like text.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxray.core.findings import FindingCode
from voxray.core.records import Finding

LEGIBLE_SIDE = 96
"""Pixels; an image with a shorter side holds no legible text."""
_EDGE = 0.25
"""Of the range of the image: step between neighbours at the edge of a letter."""
_BRIGHT = 0.9
_JOIN = 13
"""Pixels over which letters of one line are joined."""
_HEIGHTS = (6, 64)
_MIN_ASPECT = 2.0
_MIN_STROKES = 6
_TWO_LEVELS = 0.7
_LEVEL_WIDTH = 0.12
_SMOOTH = 3
_INK = (0.08, 0.6)


def text_finding(voxels: NDArray[Any], *, stated: bool | None) -> Finding | None:
    """Say whether text may be burned in.

    Args:
        voxels: (i, j, k) as stored, columns along i; the middle slice is looked at.
        stated: BurnedInAnnotation of the header; None without one.
    """
    if stated:
        detail = "the header says so (BurnedInAnnotation is YES)"
        return Finding(FindingCode.BURNED_IN_TEXT, detail)
    plane = np.asarray(voxels[:, :, voxels.shape[2] // 2].T, dtype=np.float32)
    lines = text_lines(plane)
    if not lines:
        return None
    top, left, height, width = max(lines, key=lambda line: line[3])
    n_lines = f"{len(lines)} line{'' if len(lines) == 1 else 's'}"
    detail = (
        f"{n_lines} of letter-like strokes, the longest {width} x {height} pixels at "
        f"column {left + 1}, row {top + 1}"
    )
    return Finding(FindingCode.BURNED_IN_TEXT, detail)


def text_lines(plane: NDArray[np.float32]) -> list[tuple[int, int, int, int]]:
    """Boxes (top, left, height, width) of what looks like lines of text, in pixels.

    Args:
        plane: (row, column). One with a side under 96 pixels holds no legible text.
    """
    if min(plane.shape) < LEGIBLE_SIDE or plane.max() <= plane.min():
        return []
    grey = (plane - plane.min()) / (plane.max() - plane.min())
    brightest = (grey >= _BRIGHT).astype(np.float32)  # overlays have one bright value
    return _lines(grey) or _lines(brightest)


def _lines(grey: NDArray[np.float32]) -> list[tuple[int, int, int, int]]:
    from scipy import ndimage  # a quarter of the time that workers need to start

    edges = np.zeros(grey.shape, dtype=bool)
    edges[:, 1:] = np.abs(np.diff(grey, axis=1)) >= _EDGE
    joined = ndimage.binary_closing(
        np.pad(edges, _JOIN), np.ones((_SMOOTH, _JOIN), dtype=bool)
    )[_JOIN:-_JOIN, _JOIN:-_JOIN]
    labels, _ = ndimage.label(joined, structure=np.ones((3, 3)))
    boxes = [box for box in ndimage.find_objects(labels) if _line_like(grey[box])]
    return [
        (rows.start, cols.start, rows.stop - rows.start, cols.stop - cols.start)
        for rows, cols in boxes
    ]


def _line_like(box: NDArray[np.float32]) -> bool:
    height, width = box.shape
    if not _HEIGHTS[0] <= height <= _HEIGHTS[1] or width < _MIN_ASPECT * height:
        return False
    ground, ink = _levels(box)
    if abs(ink - ground) < 2 * _EDGE:
        return False
    is_ink = np.abs(box - ink) <= _LEVEL_WIDTH
    is_ground = np.abs(box - ground) <= _LEVEL_WIDTH
    two_levels = float((is_ink | is_ground).mean())
    covered = float(is_ink.mean())
    inked = np.abs(box - ground) > np.abs(ink - ground) / 2
    strokes = np.count_nonzero(np.diff(inked.astype(np.int8), axis=1) > 0, axis=1)
    return bool(
        two_levels >= _TWO_LEVELS
        and _INK[0] <= covered <= _INK[1]
        and strokes.max() >= _MIN_STROKES
        and np.median(strokes) >= width / height / 2
    )


def _levels(box: NDArray[np.float32]) -> tuple[float, float]:
    """Most common grey of the box, and the far end of what is left: ground and ink."""
    counts, edges = np.histogram(box, bins=32, range=(0, 1))
    top = int(counts.argmax())
    ground = float(edges[top] + edges[top + 1]) / 2
    far = np.percentile(box, [2, 98])
    ink = far[np.abs(far - ground).argmax()]
    return ground, float(ink)
