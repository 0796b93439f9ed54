"""What size a compressed frame states itself: a decoder takes memory for it."""

from collections.abc import Iterator
from itertools import islice

_JPEG, _JPEG_2000, _JP2_BOX = b"\xff\xd8", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  "
_JP2_CODESTREAM = b"jp2c"
_BOX_HEAD_BYTES = 8
_MOST_MARKERS = 1 << 12
_NO_FRAME = {0xC4, 0xC8, 0xCC}  # Huffman tables, reserved, arithmetic conditioning
_FRAME_LS = 0xF7
_FILL = 0xFF
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xDA), _FILL}


def stated_size(frame: bytes) -> tuple[int, int, int] | None:
    """Rows, columns and components of a JPEG, JPEG-LS or JPEG 2000 image.

    Args:
        frame: From its first byte.

    Returns:
        None if it is none of these, or ends before it says.

    Raises:
        ValueError: If a box of a JP2 file has no length: pydicom would look for the
            next one for ever.
    """
    if frame.startswith(_JPEG):
        return _of_jpeg(frame)
    if frame.startswith(_JP2_BOX):
        frame = frame[_codestream_at(frame) :]
    return _of_jpeg_2000(frame) if frame.startswith(_JPEG_2000) else None


def _of_jpeg(frame: bytes) -> tuple[int, int, int] | None:
    """From the first start of frame (ITU-T T.81 B.2.2, T.87 C.2.2)."""
    for marker, place in islice(_markers(frame), _MOST_MARKERS):
        is_start = 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME  # noqa: PLR2004
        if is_start or marker == _FRAME_LS:
            rows, columns = (_number(frame, place + at, 2) for at in (3, 5))
            return rows, columns, _number(frame, place + 7, 1)
    return None


def _markers(frame: bytes) -> Iterator[tuple[int, int]]:
    """Each marker, and the place after it."""
    place = len(_JPEG)
    while place + 4 <= len(frame) and frame[place] == _FILL:
        marker = frame[place + 1]
        place += 1 if marker == _FILL else 2
        yield marker, place
        if marker not in _WITHOUT_LENGTH:
            place += _number(frame, place, 2)


def _codestream_at(frame: bytes) -> int:
    """Where the codestream of a JP2 file starts, by its boxes (ITU-T T.800 I.4)."""
    place = len(_JP2_BOX) + 4
    while frame[place + 4 : place + 8] not in {_JP2_CODESTREAM, b""}:
        n_bytes = _number(frame, place, 4)
        if n_bytes < _BOX_HEAD_BYTES:
            msg = "a JP2 box has no length"
            raise ValueError(msg)
        place += n_bytes
    return place + _BOX_HEAD_BYTES


def _of_jpeg_2000(frame: bytes) -> tuple[int, int, int]:
    """From the SIZ marker (ITU-T T.800 A.5.1), which is always the first."""
    right, bottom, left, top = (_number(frame, at, 4) for at in (8, 12, 16, 20))
    return bottom - top, right - left, _number(frame, 40, 2)


def _number(frame: bytes, place: int, n_bytes: int) -> int:
    return int.from_bytes(frame[place : place + n_bytes], "big")
