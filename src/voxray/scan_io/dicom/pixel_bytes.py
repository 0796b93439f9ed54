"""Whether the pixels of a DICOM file are all there, without reading them."""

import struct
from dataclasses import dataclass
from math import prod
from typing import Self

from pydicom import config
from pydicom.uid import UID

from voxray.scan_io.dicom import values
from voxray.scan_io.dicom.elements import PixelElement
from voxray.scan_io.dicom.opened import OpenedFile

_PIXEL_GROUP = 0x7FE0
_PIXEL_VRS = {b"OB", b"OW", b"OF", b"OD", b"OV", b"UN"}
_ITEM = 0xE000FFFE  # (FFFE,E000) as its bytes stand in the file
_UNDEFINED = 0xFFFFFFFF
_MAX_FRAGMENTS = 1 << 19
_SIZES = ("Rows", "Columns", "SamplesPerPixel")


@dataclass(frozen=True, slots=True)
class PixelBytes:
    """What the header promises and what the file holds.

    Attributes:
        expected: Bytes by the header, without padding; None if it does not say or if
            the pixels are compressed.
        present: Whether there is a pixel element.
        truncated: Whether the file ends before its pixels do.
        place: Byte of the file at which native pixels begin, if they can be read there:
            whole, integer, little endian, neither compressed nor in a packed file.
        length: Bytes of them, padding included; None if `place` is.
    """

    expected: int | None
    present: bool
    truncated: bool
    place: int | None = None
    length: int | None = None

    @classmethod
    def measure(
        cls, file: OpenedFile, header: values.Values, element: PixelElement | None
    ) -> Self:
        """Measure the pixel element of a file.

        Args:
            file: Read up to the element.
            header: Its other elements.
            element: None if there is none.
        """
        expected = _expected(header)
        if element is None:
            return cls(expected, present=False, truncated=_is_image(header))
        if element.length is None:
            whole = _fragments_end(file, element.place)
            return cls(None, present=True, truncated=not whole)
        held = file.held_until(element.place + element.length) - element.place
        truncated = held < (expected or element.length)
        if truncated or file.packed or not element.native:
            return cls(expected, present=True, truncated=truncated)
        return cls(expected, True, False, element.place, held)  # noqa: FBT003

    @classmethod
    def unpacked(cls, header: values.Values) -> Self:
        """Take a deflated file, which was unpacked as a whole, at its word."""
        expected = _expected(header)
        return cls(expected, present=expected is not None, truncated=False)


def pixel_element_at(
    file: OpenedFile, place: int, *, little_endian: bool
) -> PixelElement | None:
    """Read the pixel element that pydicom stopped at; None if there is none."""
    order = "<" if little_endian else ">"
    head = file.read_at(place, 12).ljust(12, b"\xff")
    if struct.unpack(order + "H", head[:2]) != (_PIXEL_GROUP,):
        return None
    # Seen in the element itself: some files do not keep to the encoding they state.
    at = 8 if head[4:6] in _PIXEL_VRS else 4
    (length,) = struct.unpack(order + "I", head[at : at + 4])
    stated = None if length == _UNDEFINED else int(length)
    return PixelElement(place + at + 4, stated, native=False)


def _expected(header: values.Values) -> int | None:
    """Whole samples of whole bytes, but single bits are packed (PS3.5 8.1.1)."""
    sizes = [values.whole(header, keyword) for keyword in _SIZES]
    bits = values.whole(header, "BitsAllocated")
    frames = _number_of_frames(header)
    known = [size for size in (*sizes, frames) if size is not None]
    if bits is None or len(known) < len(sizes) + 1:
        return None
    samples = prod(known)
    n_bytes = -(-samples // 8) if bits == 1 else samples * (bits // 8)
    if values.text(header, "PhotometricInterpretation") == "YBR_FULL_422":
        return n_bytes // 3 * 2
    return n_bytes


def _number_of_frames(header: values.Values) -> int | None:
    """None if it is there and malformed; a file that does not say has one."""
    if not values.texts(header, "NumberOfFrames"):
        return 1
    frames = values.whole(header, "NumberOfFrames")
    return None if frames is None or frames < 0 else frames or 1


def _is_image(header: values.Values) -> bool:
    sop_class = UID(values.text(header, "SOPClassUID") or "", config.IGNORE)
    return "Rows" in header or sop_class.name.endswith("Image Storage")


def _fragments_end(file: OpenedFile, place: int) -> bool:
    """Whether every fragment is whole (PS3.5 A.4: items in little endian)."""
    for _ in range(_MAX_FRAGMENTS):
        head = file.read_at(place, 8)
        if len(head) < 8:  # noqa: PLR2004
            return False
        tag, length = struct.unpack("<II", head)
        if tag != _ITEM:
            return True
        place += 8 + length
    return True  # more than any file has: who decodes it will see
