"""File names of pictures: safe on every system, one per thing, always the same."""

import hashlib
import re
import struct

_SAFE = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}")
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER_BYTES = 24


def picture_name(kind: str, identity: str) -> str:
    """Name of a picture below the page.

    An identity that is no safe file name, or that differs from another only by case,
    is shortened and gets a hash.

    Example:
        >>> picture_name("scan", "s-abc")
        'img/scan-s-abc.png'
        >>> picture_name("scan", "../X")
        'img/scan-x-720ef6fdb7.png'
    """
    if _SAFE.fullmatch(identity):
        return f"img/{kind}-{identity}.png"
    kept = re.sub(r"[^a-z0-9_]+", "-", identity.lower()).strip("-")[:48]
    digest = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    return f"img/{kind}-{kept or 'x'}-{digest}.png"


def png_size(png: bytes) -> tuple[int, int]:
    """Width and height in pixels, so that a page keeps its place while loading.

    Raises:
        ValueError: If the bytes are no PNG.
    """
    if len(png) < _HEADER_BYTES or not png.startswith(_PNG_SIGNATURE):
        msg = f"a picture must be a PNG, got {len(png)} bytes that are none"
        raise ValueError(msg)
    width, height = struct.unpack(">II", png[16:24])
    return width, height
