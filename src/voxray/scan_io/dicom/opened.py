"""An opened file: its start in memory, the rest on demand, both within bounds.

Every length in a hostile file lies, and a packed file may unpack to anything. What is
read here never exceeds what is there, and what is unpacked never exceeds a limit.
"""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, cast

from voxray.scan_io.files import open_scan

_FIRST_BYTES = 1 << 14  # holds the header of most slices
_BLOCK_BYTES = 1 << 16
_GROWTH = 4
MAX_HEADER_BYTES = 1 << 24
MAX_UNPACKED_BYTES = 1 << 28
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31  # zlib's word for: a gzip header, then 32 KiB
_RAW_WINDOW = -15
_FEWEST_READS = 100_000
_BYTES_PER_READ = 16
_REREADS = 4


@contextmanager
def dicom_stream(path: Path) -> Iterator[BinaryIO]:
    """Open a DICOM file for pydicom: unpacked, and safe from lengths that lie.

    Raises:
        OSError: If it cannot be opened.
        ValueError: While it is read, if it has too many elements for its size, or
            unpacks to more than 256 MiB.
    """
    with open_scan(path) as stream:
        file = OpenedFile(stream)
        yield cast("BinaryIO", file.whole() if file.packed else GuardedStream(stream))


class OpenedFile:
    """A DICOM file, plain or packed with gzip, read from its start.

    Attributes:
        start: Its first bytes, unpacked; `grow` makes it longer.
        packed: Whether the file is packed with gzip.
    """

    def __init__(self, stream: BinaryIO) -> None:
        """Take a stream at its start; who opened it closes it."""
        self._stream = stream
        self.start = stream.read(_FIRST_BYTES)
        self.packed = self.start[:2] == _GZIP_MAGIC
        if self.packed:
            self._content = Gunzip(stream, self.start)
            self.start = self._content.read(_FIRST_BYTES)
        self._passed = len(self.start)  # of packed content: how much was unpacked

    def grow(self, n_bytes: int) -> bool:
        """Hold at least so many bytes; False if there are fewer, or too many."""
        if n_bytes > MAX_HEADER_BYTES:
            return False
        lacking = min(max(n_bytes, _GROWTH * len(self.start)), MAX_HEADER_BYTES)
        lacking -= len(self.start)
        if self.packed:
            more = self._content.read(lacking)
            self._passed += len(more)
        else:
            self._stream.seek(len(self.start))
            more = self._stream.read(lacking)
        self.start += more
        return len(self.start) >= n_bytes

    def read_at(self, place: int, n_bytes: int) -> bytes:
        """Read a few bytes; of packed content only from places that follow another."""
        if place + n_bytes <= len(self.start):
            return self.start[place : place + n_bytes]
        if not self.packed:
            self._stream.seek(place)
            return self._stream.read(n_bytes)
        rest = b""
        if self._passed > len(self.start):
            self._pass_to(place)
        else:
            rest = self.start[place:]
            self._pass_to(max(place, len(self.start)))
        more = self._content.read(n_bytes - len(rest))
        self._passed += len(more)
        return rest + more

    def held_until(self, end: int) -> int:
        """Count the bytes from the start to `end`, which may not all be there.

        Packed content is unpacked for that, up to a limit beyond which it is believed.
        """
        if not self.packed:
            return min(self._stream.seek(0, 2), end)
        self._pass_to(min(end, MAX_UNPACKED_BYTES))
        unseen = self._passed >= MAX_UNPACKED_BYTES
        return end if unseen else min(self._passed, end)

    def for_pydicom(self) -> "GuardedStream":
        """The file at its start, for a reader that believes every length."""
        if self.packed:
            self.grow(MAX_HEADER_BYTES)
            return GuardedStream(BytesIO(self.start))
        return GuardedStream(self._stream)

    def whole(self) -> "GuardedStream":
        """All of a packed file, of which nothing but the start was read."""
        rest = self._content.read(MAX_UNPACKED_BYTES)
        if len(rest) == MAX_UNPACKED_BYTES:
            msg = "the packed file unpacks to too much"
            raise ValueError(msg)
        return GuardedStream(BytesIO(self.start + rest))

    def _pass_to(self, place: int) -> None:
        while self._passed < place:
            block = self._content.read(min(_BLOCK_BYTES, place - self._passed))
            if not block:
                return
            self._passed += len(block)


class Gunzip:
    """The content of a gzip file, block by block; damage ends it.

    Python's own reader takes a second for a megabyte of file name in its header.
    """

    def __init__(self, stream: BinaryIO, start: bytes) -> None:
        self._stream = stream
        self._start = start
        self._inflate = zlib.decompressobj(_GZIP_WINDOW)

    def read(self, n_bytes: int) -> bytes:
        """Unpack so many bytes, or fewer at the end."""
        content = bytearray()
        while len(content) < n_bytes and not self._inflate.eof:
            block = self._inflate.unconsumed_tail or self._next_block()
            if not block:
                break
            try:
                content += self._inflate.decompress(block, n_bytes - len(content))
            except zlib.error:
                break
        return bytes(content)

    def _next_block(self) -> bytes:
        block, self._start = self._start, b""
        return block or self._stream.read(_BLOCK_BYTES)


class GuardedStream:
    """A file that gives only what it holds and is not read for ever.

    pydicom takes memory for any length that a file states, and reads a value again when
    it was none. Real files need a fraction of the reads that are allowed here.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.seek, self.tell = stream.seek, stream.tell
        self._size = stream.seek(0, 2)
        self._reads_left = _FEWEST_READS + self._size // _BYTES_PER_READ
        self._bytes_left = _REREADS * self._size + MAX_HEADER_BYTES
        stream.seek(0)

    def read(self, n_bytes: int = -1) -> bytes:
        """Read so many bytes, or fewer at the end.

        Raises:
            ValueError: If the file was read too often, or unpacks to too much.
        """
        if n_bytes < 0:
            return self._deflated()
        content = self._stream.read(min(n_bytes, self._size))
        self._reads_left -= 1
        self._bytes_left -= len(content)
        if self._reads_left < 0 or self._bytes_left < 0:
            msg = "the file has too many elements for its size"
            raise ValueError(msg)
        return content

    def _deflated(self) -> bytes:
        """All the rest: what pydicom asks of a deflated file, to unpack it whole."""
        content = self._stream.read()
        inflate = zlib.decompressobj(_RAW_WINDOW)
        left, block = MAX_UNPACKED_BYTES, content
        while block and not inflate.eof and left > 0:
            left -= len(inflate.decompress(block, _BLOCK_BYTES))
            block = inflate.unconsumed_tail
        if left <= 0:
            msg = "the deflated file unpacks to too much"
            raise ValueError(msg)
        return content
