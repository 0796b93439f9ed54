"""Makers of files with many frames: enhanced CT and MR, Siemens mosaics."""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedCTImageStorage, EnhancedMRImageStorage

from tests.makers import Series, a_slice, set_pixels

ENHANCED = {"MR": EnhancedMRImageStorage, "CT": EnhancedCTImageStorage}
_SHARED = ("ImageOrientationPatient", "PixelSpacing", "SliceThickness")
_PLACE = ("ImagePositionPatient", *_SHARED)


def nested(*path: str, **elements: Any) -> Dataset:
    """Elements in sequences of one item each, outermost first."""
    inner = Dataset()
    for keyword, value in elements.items():
        setattr(inner, keyword, value)
    for keyword in reversed(path):
        outer = Dataset()
        setattr(outer, keyword, [inner])
        inner = outer
    return inner


def groups(*parts: Dataset) -> Dataset:
    """One item of functional groups out of several."""
    item = Dataset()
    for part in parts:
        item.update(part)
    return item


def an_enhanced(
    series: Series | None = None,
    extra: Sequence[Dataset] = (),
    order: Sequence[int] | None = None,
) -> Dataset:
    """All slices of a series as one enhanced file.

    Args:
        extra: Further functional groups, per frame.
        order: Which slice each frame holds; by default one after the other.
    """
    series = series or Series()
    order = list(range(len(series.stored()))) if order is None else list(order)
    slices = [a_slice(series, k) for k in range(len(series.stored()))]
    dataset = a_slice(series, 0)
    for keyword in _PLACE:
        delattr(dataset, keyword)
    dataset.SOPClassUID = ENHANCED[series.modality]
    dataset.InstanceNumber = 1
    dataset.NumberOfFrames = len(order)
    set_pixels(dataset, series.stored()[0])
    dataset.PixelData = series.stored()[order].tobytes()
    directions = list(slices[0].ImageOrientationPatient)
    dataset.SharedFunctionalGroupsSequence = [
        groups(
            nested(
                "PlaneOrientationSequence",
                ImageOrientationPatient=directions,
            ),
            nested(
                "PixelMeasuresSequence",
                PixelSpacing=list(slices[0].PixelSpacing),
                SliceThickness=slices[0].SliceThickness,
            ),
        )
    ]
    dataset.PerFrameFunctionalGroupsSequence = [
        groups(
            nested(
                "PlanePositionSequence",
                ImagePositionPatient=list(slices[k].ImagePositionPatient),
            ),
            *extra[n : n + 1],
        )
        for n, k in enumerate(order)
    ]
    return dataset


def csa_header(values: Mapping[str, Sequence[str]], *, modern: bool = True) -> bytes:
    """A Siemens private header of these elements, new (SV10) or old."""
    content = b"SV10\4\3\2\1" if modern else b""
    content += struct.pack("<2I", len(values), 77)
    counts = [len(items) for items in values.values()]
    for name, items in values.items():
        content += struct.pack(
            "<64si4s3i", name.encode(), len(items), b"FD", 4, len(items), 77
        )
        for text in items:
            raw = text.encode() + b"\0"
            first = len(raw) + (0 if modern else counts[0])
            content += struct.pack("<4i", first, len(raw), 77, len(raw))
            content += raw + bytes(-len(raw) % 4)
    return content


def a_mosaic(
    series: Series | None = None,
    *,
    downwards: bool = False,
    modern: bool = True,
    **csa: Sequence[str],
) -> Dataset:
    """All slices of a series as one mosaic.

    Args:
        downwards: Tiles in the other order, as SliceNormalVector then says.
        modern: Which format the private header has.
        csa: Elements of the private header besides or instead of the usual.
    """
    series = series or Series()
    stored = series.stored()[::-1] if downwards else series.stored()
    n_tiles, rows, columns = stored.shape
    side = int(np.ceil(np.sqrt(n_tiles)))
    row, column = np.reshape(series.orientation, (2, 3))
    normal = np.cross(row, column) * (-1 if downwards else 1)
    between_rows, between_columns, between_slices = series.spacing_mm
    first = a_slice(series, n_tiles - 1 if downwards else 0)
    dataset = a_slice(series, 0)
    set_pixels(dataset, tiled(stored, side))
    corner = np.array(first.ImagePositionPatient, dtype=float)
    corner -= row * between_columns * (side - 1) * columns / 2
    corner -= column * between_rows * (side - 1) * rows / 2
    dataset.ImagePositionPatient = [round(float(x), 9) for x in corner]
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]
    dataset.Manufacturer = "SIEMENS"
    dataset.SpacingBetweenSlices = between_slices
    block = dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0A, "US", n_tiles)
    usual = {
        "NumberOfImagesInMosaic": [str(n_tiles)],
        "SliceNormalVector": [f"{x:.8f}" for x in normal],
    }
    block = dataset.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
    block.add_new(0x10, "OB", csa_header(usual | csa, modern=modern))
    return dataset


def tiled(stored: NDArray[Any], side: int) -> NDArray[Any]:
    """Slices (slice, row, column) as the tiles of one plane."""
    n_tiles, rows, columns = stored.shape
    plane = np.zeros((side * rows, side * columns), stored.dtype)
    for n in range(n_tiles):
        top, left = n // side * rows, n % side * columns
        plane[top : top + rows, left : left + columns] = stored[n]
    return plane
