"""How elements are encoded in little endian, one at a time (PS3.5 7.1, 7.5).

Strict: what a careful writer does not write is odd, and left to pydicom.
"""

import struct
from collections.abc import Callable

from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32, VR

Element = tuple[int, int, int, int]
"""Key of the tag, code of the VR (0 if not stated), place of the value, length."""

Read = Callable[[bytes, int], Element]
"""Reads the element at a place; `struct.error` if the content ends before its value."""


class OddError(Exception):
    """The file is not encoded as this module understands it."""


def key_of(tag: int) -> int:
    """A tag as its four bytes read in one go."""
    return (tag & 0xFFFF) << 16 | tag >> 16


def code_of(vr: str) -> int:
    """A value representation as its two bytes read in one go."""
    return int.from_bytes(vr.encode(), "little")


UNDEFINED = 0xFFFFFFFF
SMALLEST_ELEMENT = 8
CS, SQ, UN = map(code_of, ("CS", "SQ", "UN"))
CHARACTER_SET = key_of(0x00080005)
ITEM, ITEM_END, SEQUENCE_END = map(key_of, (0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD))
DELIMITERS = {ITEM, ITEM_END, SEQUENCE_END}

_MAX_DEPTH = 16
_LONG_VRS = {code_of(vr) for vr in EXPLICIT_VR_LENGTH_32}
_SHORT_VRS = {code_of(vr) for vr in VR if len(vr) == 2} - _LONG_VRS  # noqa: PLR2004
_EXPLICIT = struct.Struct("<IHH").unpack_from
_IMPLICIT = struct.Struct("<II").unpack_from
_LENGTH = struct.Struct("<I").unpack_from


def read_explicit(content: bytes, place: int) -> Element:
    """Read an element of explicit VR, or a delimiter.

    Raises:
        OddError: If the VR is none of DICOM's.
    """
    key, vr, length = _EXPLICIT(content, place)
    if vr in _SHORT_VRS:
        return key, vr, place + 8, length
    if vr in _LONG_VRS:
        return key, vr, place + 12, _LENGTH(content, place + 8)[0]
    if key in DELIMITERS:
        return key, 0, place + 8, _LENGTH(content, place + 4)[0]
    raise OddError


def read_implicit(content: bytes, place: int) -> Element:
    """Read an element of implicit VR, or a delimiter."""
    key, length = _IMPLICIT(content, place)
    return key, 0, place + 8, length


def head_bytes(vr: int) -> int:
    """Bytes of an element before its value, by the code of the VR that it states."""
    return 12 if vr in _LONG_VRS else 8


def after_undefined(content: bytes, element: Element, depth: int = 0) -> int:
    """Find where a sequence without a length ends.

    Raises:
        OddError: If it is no sequence, or nested too deeply, or damaged.
        struct.error: If the content ends before it does.
    """
    key, vr, place, _ = element
    if depth > _MAX_DEPTH or vr not in {0, SQ, UN}:
        raise OddError
    if vr == 0 and not _is_sequence(content, key, place):
        raise OddError
    while True:
        tag, length = _IMPLICIT(content, place)
        place += 8
        if tag == SEQUENCE_END:
            return place
        if tag != ITEM:
            raise OddError
        place = _after_item(content, place, length, implicit=vr == 0, depth=depth)


def states_vr(content: bytes, place: int) -> bool:
    """Whether the element at a place looks as of explicit VR.

    Raises:
        struct.error: If the content ends before one can tell.
    """
    _EXPLICIT(content, place)
    letters = content[place + 4 : place + 6]
    return letters.isalpha() and letters.isupper()


def _is_sequence(content: bytes, key: int, place: int) -> bool:
    """Whether an element of implicit VR is one, by dictionary, else by its look."""
    tag = (key & 0xFFFF) << 16 | key >> 16
    if dictionary_has_tag(tag):
        return code_of(dictionary_VR(tag)) == SQ
    (following,) = _LENGTH(content, place)
    return int(following) == ITEM


def _after_item(
    content: bytes, place: int, length: int, *, implicit: bool, depth: int
) -> int:
    """Where an item ends; one in an explicit sequence may itself be implicit."""
    end = None if length == UNDEFINED else place + length
    explicit = not implicit and states_vr(content, place)
    read = read_explicit if explicit else read_implicit
    while end is None or place < end:
        element = key, vr, value, length = read(content, place)
        if key == ITEM_END and end is None:
            return value
        if key in DELIMITERS or (key == CHARACTER_SET and vr not in {0, CS}):
            raise OddError
        undefined = length == UNDEFINED
        place = (
            after_undefined(content, element, depth + 1)
            if undefined
            else value + length
        )
    if place != end:
        raise OddError
    return place
