"""A member of an archive as a file that can be read and sought."""

import bz2
import zlib
from io import SEEK_CUR, SEEK_END, SEEK_SET, RawIOBase
from typing import BinaryIO, Protocol
from zipfile import ZIP_BZIP2, ZIP_STORED

_BLOCK_BYTES = 1 << 16
_RAW_WINDOW = -15  # zlib's word for: deflated, without a header


class Part(RawIOBase):
    """Some bytes of a file, as a file; closes the other with itself."""

    def __init__(self, stream: BinaryIO, start: int, size: int) -> None:
        self._stream, self._start, self._size = stream, start, size
        self._at = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Where the next byte is read, from 0."""
        return self._at

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        """Go to a place; what lies beyond the end is empty."""
        base = {SEEK_SET: 0, SEEK_CUR: self._at, SEEK_END: self._size}[whence]
        if base + offset < 0:
            msg = "a place before the start"
            raise ValueError(msg)
        self._at = base + offset
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer as far as there are bytes."""
        wanted = max(min(len(buffer), self._size - self._at), 0)
        content = self._content(self._at, wanted)
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)

    def close(self) -> None:
        """Close both."""
        if not self.closed:
            self._stream.close()
        super().close()

    def _content(self, at: int, wanted: int) -> bytes:
        self._stream.seek(self._start + at)
        return self._stream.read(wanted)


class _Unpacker(Protocol):
    @property
    def eof(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


class UnpackedPart(Part):
    """A packed part of a zip. As much as was asked for is unpacked, and kept.

    The size is what the archive states: more is never unpacked, and less, or another
    checksum, is an error when the end is reached.
    """

    def __init__(self, packed: Part, size: int, method: int, checksum: int) -> None:
        super().__init__(packed, 0, size)  # type: ignore[arg-type]
        self._method, self._checksum = method, checksum
        self._unpacker: _Unpacker | None = None
        if method != ZIP_STORED:
            is_bzip2 = method == ZIP_BZIP2
            self._unpacker = (
                bz2.BZ2Decompressor() if is_bzip2 else zlib.decompressobj(_RAW_WINDOW)
            )
        self._held = bytearray()
        self._left = b""

    def _content(self, at: int, wanted: int) -> bytes:
        end = at + wanted
        while len(self._held) < end:
            try:
                block = self._next_block()
            except (zlib.error, EOFError) as error:
                raise OSError(0, "the archive is damaged") from error
            self._held += block[: self._size - len(self._held)]
        if wanted and end == self._size and zlib.crc32(self._held) != self._checksum:
            raise OSError(0, "the archive is damaged")
        return bytes(self._held[at:end])

    def _next_block(self) -> bytes:
        """More unpacked bytes, maybe none yet.

        Raises:
            EOFError: If there are no more.
        """
        content = self._left or self._stream.read(_BLOCK_BYTES)
        if self._unpacker is None:
            if not content:
                raise EOFError
            return content
        hungry = getattr(self._unpacker, "needs_input", True)
        if self._unpacker.eof or (not content and hungry):
            raise EOFError
        block = self._unpacker.decompress(content, 4 * _BLOCK_BYTES)
        self._left = getattr(self._unpacker, "unconsumed_tail", b"")
        return block
