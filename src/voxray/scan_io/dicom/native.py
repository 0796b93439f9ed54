"""Pixels that stand in the file as they are: read without a library.

What is not plain here is left to `decode`; where both can read, they give the same.
"""

from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from voxray.scan_io.dicom.header import DicomHeader

_BITS = {8, 16, 32}
_GREYS = {"MONOCHROME1", "MONOCHROME2"}


def is_native(header: DicomHeader) -> bool:
    """Whether `native_frame` can read the frames of a file.

    Args:
        header: Of the whole file.
    """
    return (
        header.pixel_offset is not None
        and header.photometric in _GREYS
        and header.samples_per_pixel == 1
        and header.bits_allocated in _BITS
        and header.pixel_representation in {0, 1}
        and has_sound_bits(header)
        and _states_its_length(header)
    )


def has_sound_bits(header: DicomHeader) -> bool:
    """Whether the stored bits lie within the allocated ones."""
    allocated, stored, high = header.bits_allocated, header.bits_stored, header.high_bit
    if allocated is None or stored is None or high is None:
        return False
    return 0 < stored <= high + 1 <= allocated


def _states_its_length(header: DicomHeader) -> bool:
    """Whether there are as many frames as the header says, and not more."""
    n_bytes = frame_bytes(header)
    return n_bytes > 0 and (header.pixel_length or 0) // n_bytes == (
        header.number_of_frames or 1
    )


def frame_bytes(header: DicomHeader) -> int:
    """Bytes of one native grey frame."""
    pixels = (header.rows or 0) * (header.columns or 0)
    return pixels * ((header.bits_allocated or 0) // 8)


def native_frame(
    stream: BinaryIO, header: DicomHeader, index: int = 0
) -> NDArray[np.integer[Any]]:
    """Read one frame.

    Args:
        stream: The file.
        header: Of the whole file, for which `is_native` holds.
        index: From 0.

    Returns:
        Stored values (row, column), free of what stands in bits that are not stored.

    Raises:
        ValueError: If the file ends before the frame does, or there is no such frame.
    """
    n_bytes = frame_bytes(header)
    if not 0 <= index < (header.number_of_frames or 1):
        msg = f"no frame {index}"
        raise ValueError(msg)
    stream.seek((header.pixel_offset or 0) + index * n_bytes)
    content = stream.read(n_bytes)
    kind = "i" if header.pixel_representation else "u"
    dtype = np.dtype(f"<{kind}{(header.bits_allocated or 0) // 8}")
    frame = np.frombuffer(content, dtype).reshape(header.rows or 0, -1)
    return stored_bits(frame, header)


def _fits(frame: NDArray[np.integer[Any]], bits: int) -> bool:
    """Whether the bits above so many hold nothing but the sign."""
    if bits == 8 * frame.dtype.itemsize or not frame.size:
        return True
    n_values = 1 << bits
    lowest = -n_values // 2 if frame.dtype.kind == "i" else 0
    return bool(frame.min() >= lowest and frame.max() < lowest + n_values)


def stored_bits(
    frame: NDArray[np.integer[Any]], header: DicomHeader
) -> NDArray[np.integer[Any]]:
    """Clear or extend the bits above the stored ones, and drop those below.

    They may hold overlays, or anything (PS3.5 8.1.1).
    """
    allocated = 8 * frame.dtype.itemsize
    above = allocated - 1 - (header.high_bit or 0)
    below = allocated - (header.bits_stored or 0)
    if above == below and _fits(frame, header.bits_stored or 0):
        return frame
    moved: NDArray[np.integer[Any]] = np.left_shift(frame, above)
    moved >>= below
    return moved
