"""The private header of Siemens MR, "CSA", within bounds.

Siemens published no format. What is known comes from SPM's `spm_dicom_headers` and from
nibabel's notes: 64 bytes of name, then counts, then items of which each states its
length; all little endian. Files of syngo B and later begin with SV10, older ones not.
"""

import struct
from collections.abc import Collection, Iterator
from contextlib import suppress

_MARK = b"SV10"
_MARK_BYTES = 8
_COUNTS = struct.Struct("<2I")
_ELEMENT = struct.Struct("<64si4s3i")
_ITEM = struct.Struct("<4i")
_MOST_ELEMENTS = 1000
_MOST_ITEMS = 1000
_MOST_BYTES = 1 << 22
_ALIGNED = 4


def csa_values(content: bytes, wanted: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Find elements of a CSA header.

    Args:
        content: Value of (0029,xx10) or (0029,xx20).
        wanted: Names of elements.

    Returns:
        By name its values that are not empty. What comes after damage is not found.
    """
    found: dict[str, tuple[str, ...]] = {}
    with suppress(struct.error, _DamageError):
        found.update(_wanted(content[:_MOST_BYTES], wanted))
    return found


def _wanted(
    content: bytes, wanted: Collection[str]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    return (element for element in _elements(content) if element[0] in wanted)


class _DamageError(Exception):
    """A count or length that cannot be."""


def _elements(content: bytes) -> Iterator[tuple[str, tuple[str, ...]]]:
    modern = content.startswith(_MARK)
    place = _MARK_BYTES if modern else 0
    n_elements, _ = _COUNTS.unpack_from(content, place)
    place += _COUNTS.size
    if n_elements > _MOST_ELEMENTS:
        raise _DamageError
    excess = None  # by which lengths of the older format are too large
    for _ in range(n_elements):
        name, _, _, _, n_items, _ = _ELEMENT.unpack_from(content, place)
        if not 0 <= n_items <= _MOST_ITEMS:
            raise _DamageError
        excess = n_items if excess is None else excess
        place += _ELEMENT.size
        items, place = _items(content, place, n_items, None if modern else excess)
        yield _text(name), tuple(filter(None, items))


def _items(
    content: bytes, place: int, n_items: int, excess: int | None
) -> tuple[list[str], int]:
    items = []
    for _ in range(n_items):
        first, second, _, _ = _ITEM.unpack_from(content, place)
        place += _ITEM.size
        length = second if excess is None else first - excess
        if excess is not None and not 0 <= length <= len(content) - place:
            break  # the older format pads with items that are none
        if not 0 <= length <= len(content) - place:
            raise _DamageError
        items.append(_text(content[place : place + length]))
        place += -(-length // _ALIGNED) * _ALIGNED
    return items, place


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("latin-1").strip()
