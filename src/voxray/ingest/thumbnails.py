"""A small picture per scan, from which nobody can be recognised.

Rule: ultrasound, secondary captures and pictures get none, since text may stand in
their pixels, unless they are too small for it. A head gets three axial slices 35, 50
and 65 mm below its highest point, above eyes and nose, each cropped to the middle 80 %
of the head in that slice; a single plane of a head gets none. Anything else gets its
three middle slices.
"""

import hashlib
import re
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxray.core.files import atomic_path
from voxray.core.geometry import VoxelGrid, to_nearest_ras
from voxray.core.records import FileFormat, ScanId, Sha256, Volume
from voxray.ingest.burned_in import LEGIBLE_SIDE
from voxray.ingest.looks import area_means, percentiles
from voxray.ingest.scans import FoundScan
from voxray.scan_io import encode_png

HEIGHT = 96
MOST_THUMBNAILS = 500
"""Of one data set; for more scans only those that a page shows are drawn."""
_GAP = 2
_LEAST = 4
"""Pixels of the shorter side of a slice."""
HEAD_LEVELS_MM = (35.0, 50.0, 65.0)
_KEPT = 0.8
_HEAD_MM = (110.0, 330.0)
_SKIN = 0.2

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
_TEXT_MODALITIES = {"US", "IVUS", "SC", "OT", "XC", "ES", "GM", "SM", "OP", "DOC"}
_CAPTURES = "1.2.840.10008.5.1.4.1.1.7"  # PS3.6: Secondary Capture and its kinds
_HEAD_WORDS = ("HEAD", "BRAIN", "SKULL", "FACE", "NECK", "ORBIT", "WHOLEBODY", "SINUS")


class Portrayal(StrEnum):
    """What may be shown of a scan."""

    NOTHING = "nothing"
    """Text may stand in it: only what is too small for text is drawn."""
    HEAD = "head"
    BODY = "body"
    BY_SIZE = "by size"
    """The header does not tell: what is as large as a head is taken for one."""


def may_hold_text(scan: FoundScan) -> bool:
    """Whether a device may have written into the pixels."""
    header = scan.header
    if header is None:
        return scan.format is FileFormat.PICTURE
    capture = (header.sop_class_uid or "").startswith(_CAPTURES)
    return capture or (header.modality or "") in _TEXT_MODALITIES


def portrayal(scan: FoundScan) -> Portrayal:
    """What may be shown of a scan, as far as its header tells."""
    if may_hold_text(scan) or (scan.header and scan.header.burned_in_annotation):
        return Portrayal.NOTHING
    part = ((scan.header and scan.header.body_part) or "").upper().replace(" ", "")
    if any(word in part for word in _HEAD_WORDS):
        return Portrayal.HEAD
    return Portrayal.BODY if part else Portrayal.BY_SIZE


def thumbnail_name(scan_id: ScanId, sha256: Sha256, shown: Portrayal) -> str:
    """File name of a picture: other pixels or another rule give another name."""
    said = f"{scan_id}|{sha256}|{shown}".encode("utf-8", "surrogatepass")
    kept = _UNSAFE.sub("-", scan_id).strip("-")[:48]
    return f"{kept or 'x'}-{hashlib.sha256(said).hexdigest()[:10]}.png"


def write_thumbnail(volume: Volume, shown: Portrayal, target: Path) -> None:
    """Write a PNG, unless nothing may be shown or it is there already.

    Raises:
        MachineError: If the disk is full or the folder may not be written.
    """
    if not may_be_drawn(volume.grid, shown) or target.exists():
        return
    pixels = draw_thumbnail(volume.voxels, volume.grid, shown)
    with atomic_path(target) as temporary:
        temporary.write_bytes(encode_png(pixels))


def may_be_drawn(grid: VoxelGrid, shown: Portrayal) -> bool:
    """Whether a scan on this grid gets a picture."""
    if shown is Portrayal.NOTHING:
        return min(n for n in grid.shape if n > 1) < LEGIBLE_SIDE
    return not (1 in grid.shape and _is_head(grid, shown))


def draw_thumbnail(
    voxels: NDArray[Any], grid: VoxelGrid, shown: Portrayal
) -> NDArray[np.uint8]:
    """Slices side by side, (96, width), in radiological convention.

    Args:
        voxels: (i, j, k) on `grid`, source order, finite.
        grid: Where they sit.
        shown: As `may_be_drawn` allows.
    """
    low, _, high = percentiles(voxels)
    if high <= low:
        low, high = float(voxels.min()), float(voxels.max())
    turned, placed = to_nearest_ras(voxels, grid)
    spacing = placed.spacing_mm
    is_head = _is_head(placed, shown)
    bound = low + _SKIN * (high - low)
    planes = _head_planes(turned, spacing, bound) if is_head else _middles(turned)
    sizes = [
        (p.shape[0] * spacing[across], p.shape[1] * spacing[up])
        for p, across, up in planes
    ]
    pixels_per_mm = HEIGHT / max(max(size) for size in sizes)
    tiles = [
        _tile(plane, (width * pixels_per_mm, height * pixels_per_mm), low, high)
        for (plane, _, _), (width, height) in zip(planes, sizes, strict=True)
    ]
    gap = np.zeros((HEIGHT, _GAP), dtype=np.uint8)
    parts = [part for tile in tiles for part in (gap, tile)][1:]
    return np.concatenate(parts, axis=1)


_Plane = tuple[NDArray[Any], int, int]
"""Values (across, up), and the world axes of both."""


def _middles(turned: NDArray[Any]) -> list[_Plane]:
    """Axial, coronal, sagittal; a plane alone is shown as it lies."""
    axes = [2, 1, 0]
    if 1 in turned.shape:
        axes = [turned.shape.index(1)]
    planes = []
    for axis in axes:
        across, up = (other for other in range(3) if other != axis)
        plane = np.moveaxis(turned, axis, 0)[turned.shape[axis] // 2]
        planes.append((plane, across, up))
    return planes


def _is_head(grid: VoxelGrid, shown: Portrayal) -> bool:
    """Whether the header says so, or else the size along every axis but a thin one."""
    if shown is not Portrayal.BY_SIZE:
        return shown is Portrayal.HEAD
    sizes = zip(grid.shape, grid.extent_mm, strict=True)
    return all(_HEAD_MM[0] <= mm <= _HEAD_MM[1] for n, mm in sizes if n > 1)


def _head_planes(
    turned: NDArray[Any], spacing: tuple[float, float, float], bound: float
) -> list[_Plane]:
    """Axial slices above the eyes, without skin."""
    top = _top(turned, bound)
    levels = [top - round(mm / spacing[2]) for mm in HEAD_LEVELS_MM]
    inside = [k for k in levels if k >= 0] or [top]
    return [(_cropped(turned[:, :, k], bound), 0, 1) for k in inside]


def _top(turned: NDArray[Any], bound: float) -> int:
    """Highest slice a twentieth of which is foreground."""
    step = max(1, turned.shape[0] // 64)
    share = (turned[::step, ::step] > bound).mean(axis=(0, 1))
    found = np.flatnonzero(share >= 1 / 20)
    return int(found[-1]) if found.size else turned.shape[2] - 1


def _cropped(plane: NDArray[Any], bound: float) -> NDArray[Any]:
    """The middle of the foreground box along both axes."""
    inside = plane > bound
    steps = []
    for axis in (0, 1):
        found = np.flatnonzero(inside.mean(axis=1 - axis) >= 1 / 50)
        first, last = (found[0], found[-1]) if found.size else (0, len(inside) - 1)
        margin = (1 - _KEPT) / 2 * (last - first + 1)
        start = round(first + margin)
        steps.append(slice(start, max(start + 1, round(last + 1 - margin))))
    return plane[steps[0], steps[1]]


def _tile(
    plane: NDArray[Any], size: tuple[float, float], low: float, high: float
) -> NDArray[np.uint8]:
    """One slice as (row, column): patient's right on the left, top of it on top.

    Args:
        plane: (across, up).
        size: Width and height in pixels; black fills the height up.
        low: Value that is black.
        high: Value that is white.
    """
    width, height = (max(_LEAST, round(pixels)) for pixels in size)
    scaled = area_means(plane, (width, height))
    grey = np.clip((scaled - low) / (high - low), 0, 1) * 255
    shown: NDArray[np.uint8] = np.rint(grey).astype(np.uint8)[::-1, ::-1].T
    above = (HEIGHT - height) // 2
    return np.pad(shown, ((above, HEIGHT - height - above), (0, 0)))
