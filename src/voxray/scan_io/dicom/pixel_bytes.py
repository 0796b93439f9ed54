"""Whether the pixels of a DICOM file are all there, without reading them."""

import struct
from dataclasses import dataclass
from typing import BinaryIO, Self

from pydicom.dataset import FileDataset
from pydicom.pixels.utils import get_expected_length
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

_PIXEL_GROUP = 0x7FE0
_PIXEL_VRS = {b"OB", b"OW", b"OF", b"OD", b"OV", b"UN"}
_ITEM = 0xFFFEE000
_UNDEFINED = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class PixelBytes:
    """What the header promises and what the file holds.

    Attributes:
        expected: Bytes by the header, without padding; None if it does not say or if
            the pixels are compressed.
        present: Whether there is a pixel element.
        truncated: Whether the file ends before its pixels do.
    """

    expected: int | None
    present: bool
    truncated: bool

    @classmethod
    def measure(cls, stream: BinaryIO, dataset: FileDataset) -> Self:
        """Measure what follows the header.

        Args:
            stream: The file, where pydicom stopped before the pixels.
            dataset: What it read.
        """
        expected = _expected(dataset)
        syntax = dataset.file_meta.get("TransferSyntaxUID")
        if syntax == DeflatedExplicitVRLittleEndian:
            return cls(expected, present=expected is not None, truncated=False)
        length = _element_length(stream, dataset)
        if length is None:
            return cls(expected, present=False, truncated=_is_image(dataset))
        if length == _UNDEFINED:
            return cls(None, present=True, truncated=not _fragments_end(stream))
        held = min(_left(stream), length)
        return cls(expected, present=True, truncated=held < (expected or length))


def _expected(dataset: FileDataset) -> int | None:
    try:
        length: object = get_expected_length(dataset)
    except (AttributeError, TypeError, ValueError):
        return None
    return length if isinstance(length, int) else None  # text times a number is text


def _is_image(dataset: FileDataset) -> bool:
    sop_class = UID(str(dataset.get("SOPClassUID", "")))
    return "Rows" in dataset or sop_class.name.endswith("Image Storage")


def _element_length(stream: BinaryIO, dataset: FileDataset) -> int | None:
    """Length of the pixel element at this place; None if there is none."""
    _, little = dataset.original_encoding
    order = "<" if little else ">"
    head = stream.read(8)
    if len(head) < 8 or struct.unpack(order + "H", head[:2]) != (_PIXEL_GROUP,):  # noqa: PLR2004
        return None
    # Seen in the element itself: some files do not keep to the encoding they state.
    tail = stream.read(4) if head[4:6] in _PIXEL_VRS else head[4:]
    return int(struct.unpack(order + "I", tail.ljust(4, b"\xff"))[0])


def _left(stream: BinaryIO) -> int:
    here = stream.tell()
    end = stream.seek(0, 2)
    stream.seek(here)
    return end - here


def _fragments_end(stream: BinaryIO) -> bool:
    """Whether every fragment is whole (PS3.5 A.4: items in little endian)."""
    while len(head := stream.read(8)) == 8:  # noqa: PLR2004
        group, element, length = struct.unpack("<HHI", head)
        if (group << 16 | element) != _ITEM:
            return True
        if length > _left(stream):
            return False
        stream.seek(length, 1)
    return False
