"""PNG and JPEG in: pictures that know neither their place nor the size of a pixel."""

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import SEEK_END
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from voxray.core.errors import TooLargeError, UnreadableScanError
from voxray.core.records import ScanSource, Volume
from voxray.scan_io.dicom.grey_rule import one_colour
from voxray.scan_io.dicom.plane import unplaced_grid
from voxray.scan_io.files import open_scan

_FORMATS = ("PNG", "JPEG")
_DEEP_GREYS = {"I;16", "I;16B", "I", "F"}
_SHALLOW_GREYS = {"1", "L", "LA", "La"}
_ORIENTATION = 0x0112
_MOST_PIXELS_A_BYTE = 8 * 1100
"""Of a PNG of one bit a pixel, packed as densely as deflate can; JPEG stays below."""
_READ_ERRORS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    SyntaxError,
    TypeError,
    ValueError,
    UnidentifiedImageError,
    struct.error,
    zlib.error,
)
"""What Pillow raises on broken pictures."""


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What the header of a picture says.

    Attributes:
        size: Columns, rows, as stored.
        colours: What its colours are, e.g. "RGB"; None for grey.
        is_turned: Whether EXIF says that it is to be turned or mirrored.
    """

    size: tuple[int, int]
    colours: str | None
    is_turned: bool


def read_picture_facts(path: Path, scan_id: str = "-") -> PictureFacts:
    """Read the header of a picture; pixels are not read.

    Args:
        path: PNG or JPEG of any name.
        scan_id: Named in errors.

    Raises:
        UnreadableScanError: If it cannot be opened.
        TooLargeError: If it has more pixels than Pillow decodes, about 179 million, or
            than its bytes can hold.
    """
    with _opened(path, scan_id) as picture:
        grey = picture.mode in _DEEP_GREYS | _SHALLOW_GREYS
        turned = picture.getexif().get(_ORIENTATION, 1) not in {0, 1}
        return PictureFacts(picture.size, None if grey else picture.mode, turned)


def read_picture(source: ScanSource) -> Volume:
    """Read a picture as one slice.

    Grey of 8 or 16 bits keeps its values; of fewer bits it is spread over 0 to 255.
    Colours, those of a palette and CMYK too, become luminance, or the one that is asked
    for, 0 to 255; of 16 bits a colour the upper 8 are used. Transparency is ignored. A
    picture that EXIF says is turned or mirrored is put upright.

    Args:
        source: One file.

    Returns:
        float32 (column, row, 1) with pixels of 1 mm, placed as `unplaced_grid` says.

    Raises:
        UnreadableScanError: If the file is truncated, damaged or no PNG or JPEG.
        TooLargeError: If it has more pixels than Pillow decodes, or than its bytes can
            hold.
    """
    with _opened(source.files[0], source.scan_id) as picture:
        upright = ImageOps.exif_transpose(picture)
        grey = _grey(upright, source.colour)
    voxels = np.asfortranarray(grey.T[:, :, np.newaxis])
    i, j, k = voxels.shape
    return Volume(voxels, unplaced_grid(source.scan_id, (i, j, k)))


@contextmanager
def _opened(path: Path, scan_id: str) -> Iterator[Image.Image]:
    try:
        with warnings.catch_warnings(), open_scan(path) as stream:
            warnings.simplefilter("ignore")
            n_bytes = stream.seek(0, SEEK_END)
            stream.seek(0)
            with Image.open(stream, formats=_FORMATS) as picture:
                _check_density(picture.size, n_bytes, scan_id)
                yield picture
    except Image.DecompressionBombError as error:
        problem = "the picture declares more pixels than are decoded of one"
        raise TooLargeError(scan_id, problem) from error
    except _READ_ERRORS as error:
        reason = error.strerror if isinstance(error, OSError) else None
        kind = reason or type(error).__name__
        problem = f"the picture is truncated, damaged or missing: {kind}"
        raise UnreadableScanError(scan_id, problem) from error


def _check_density(size: tuple[int, int], n_bytes: int, scan_id: str) -> None:
    """Refuse a picture before memory is taken for what its bytes cannot hold."""
    if size[0] * size[1] > _MOST_PIXELS_A_BYTE * n_bytes:
        problem = (
            f"the picture declares {size[0]} x {size[1]} pixels in {n_bytes} bytes"
        )
        raise TooLargeError(scan_id, problem)


def _grey(picture: Image.Image, colour: int | None) -> NDArray[np.float32]:
    """Values (row, column)."""
    if picture.mode in _DEEP_GREYS:
        return np.asarray(picture, dtype=np.float32)
    if picture.mode in _SHALLOW_GREYS:
        return np.asarray(picture.convert("L"), dtype=np.float32)
    colours: NDArray[Any] = np.asarray(picture.convert("RGB"))
    return one_colour(colours, colour)
