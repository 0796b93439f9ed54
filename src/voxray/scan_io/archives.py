"""Zip and tar archives, read in place: members are opened, none is written to its name.

A zip or a plain tar is read where it lies. A packed tar can only be read from its
start, so it is unpacked once, as one file that has no name of a member, into a private
temporary folder (docs/decisions/0016).
"""

import lzma
import stat
import struct
import tarfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from io import BufferedReader
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO, cast
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from voxray.core.errors import UnreadableScanError
from voxray.scan_io.members import Part, UnpackedPart
from voxray.scan_io.spool import is_packed, spooled_tar

MAX_MEMBERS = 250_000
MAX_MEMBER_BYTES = 1 << 31
MAX_RATIO = 200
"""Unpacked bytes for each byte of the archive; real scans stay below 20."""
ALWAYS_ALLOWED_BYTES = 1 << 28
"""An archive that unpacks to less than this may be as dense as it likes."""

_ZIP_MAGIC = b"PK"
_ENTRY_MAGIC = b"PK\x01\x02"
_LOCAL_MAGIC = b"PK\x03\x04"
_LOCAL_BYTES = 30
_MAX_READ_BYTES = 1 << 26
_ENCRYPTED = 0x41  # flags: encrypted, strongly encrypted
_METHODS = {ZIP_STORED, ZIP_DEFLATED, ZIP_BZIP2}
_ERRORS = (
    BadZipFile,
    tarfile.TarError,
    lzma.LZMAError,
    zlib.error,
    struct.error,
    EOFError,
    LookupError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    ValueError,
)
"""What reading the lists of damaged archives raises."""


@dataclass(frozen=True, slots=True)
class Member:
    """One member of an archive that is no folder.

    Attributes:
        name: Relative path, never out of the archive.
        size_bytes: Unpacked, as the archive states it.
        problem: Why it cannot be opened; None when it can.
    """

    name: str
    size_bytes: int
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the bytes of a member are, in the archive or its spool.

    Attributes:
        start: Of a zip, of the member's own header; of a tar, of its content.
        method: How a member of a zip is packed.
        checksum: CRC-32; of members of a zip.
    """

    start: int
    packed_bytes: int
    size_bytes: int
    method: int = ZIP_STORED
    checksum: int | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class _Contents:
    """Where the members of one archive are.

    Attributes:
        file: What to read from: the archive, or the tar it was unpacked to.
    """

    file: Path
    places: dict[str, _Place]


def list_archive(path: Path) -> tuple[Member, ...]:
    """List what an archive holds, within bounds; folders are left out.

    Raises:
        UnreadableScanError: If it is damaged or encrypted, if a member's path leaves
            it or stands twice, or if it holds or unpacks to too much.
        OSError: If it cannot be opened, or the disk has no room to unpack it.
    """
    return tuple(
        Member(name, place.size_bytes, place.problem)
        for name, place in _contents_now(path).places.items()
    )


def open_member(archive: Path, name: str) -> BinaryIO:
    """Open a member. What is damaged in it is told while it is read, by an `OSError`.

    Raises:
        OSError: If it is not there, or cannot be opened.
    """
    try:
        contents = _contents_now(archive)
    except UnreadableScanError as error:
        raise OSError(0, error.problem) from error
    place = contents.places.get(name)
    if place is None:
        raise FileNotFoundError(2, "no such member of the archive")
    if place.problem is not None:
        raise OSError(0, place.problem)
    return _opened(contents.file, place)


def _opened(file: Path, place: _Place) -> BinaryIO:
    stream = file.open("rb")
    try:
        return cast("BinaryIO", BufferedReader(_part(stream, place)))
    except OSError:
        stream.close()
        raise


def _part(stream: BinaryIO, place: _Place) -> Part:
    """The bytes of a member, unpacked.

    Raises:
        OSError: If there is no member at that place.
    """
    if place.checksum is None:
        return Part(stream, place.start, place.size_bytes)
    stream.seek(place.start)
    head = stream.read(_LOCAL_BYTES)
    if len(head) < _LOCAL_BYTES or not head.startswith(_LOCAL_MAGIC):
        raise OSError(0, "the archive is damaged")
    name_bytes, extra_bytes = struct.unpack("<HH", head[26:30])
    start = place.start + _LOCAL_BYTES + name_bytes + extra_bytes
    packed = Part(stream, start, place.packed_bytes)
    return UnpackedPart(packed, place.size_bytes, place.method, place.checksum)


def _contents_now(path: Path) -> _Contents:
    status = path.stat()
    contents = _contents(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    if contents.file.exists():
        return contents
    _contents.cache_clear()  # whoever had unpacked it has ended
    return _contents(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@lru_cache(maxsize=8)
def _contents(path: Path, size: int, mtime_ns: int, ctime_ns: int) -> _Contents:
    """Where things are in an archive that has not changed."""
    file = path
    try:
        with path.open("rb") as stream:
            start = stream.read(6)
        if start.startswith(_ZIP_MAGIC):
            found = _zip_places(path)
        else:
            if is_packed(start):
                limit = max(ALWAYS_ALLOWED_BYTES, MAX_RATIO * size)
                file = spooled_tar(path, (size, mtime_ns, ctime_ns), limit)
            found = _tar_places(file)
        places = _checked(found, size)
    except _ERRORS as error:
        problem = "the archive is damaged"
        raise _unsafe(problem) from error
    return _Contents(file, places)


def _checked(found: Iterable[tuple[str, _Place]], size: int) -> dict[str, _Place]:
    """Members by path.

    Raises:
        UnreadableScanError: If their paths or sizes are unsafe.
    """
    places: dict[str, _Place] = {}
    counts: Counter[str] = Counter()
    total = 0
    for number, (name, place) in enumerate(found, start=1):
        if number > MAX_MEMBERS:
            problem = f"more than {MAX_MEMBERS} members"
            raise _unsafe(problem)
        if name.endswith("/"):
            continue
        safe = _safe(name)
        counts[safe] += 1
        places[safe] = place
        total += place.size_bytes
    if twice := sum(n > 1 for n in counts.values()):
        problem = f"{twice} names stand in the archive twice"
        raise _unsafe(problem)
    if total > max(ALWAYS_ALLOWED_BYTES, MAX_RATIO * size):
        raise _unsafe(_too_dense(total, size))
    return places


def _unsafe(problem: str) -> UnreadableScanError:
    """An error that names nobody: what is in an archive has no id yet."""
    return UnreadableScanError("-", problem)


def _too_dense(total: int, size: int) -> str:
    """What is wrong with an archive of `size` bytes that unpacks to `total`."""
    return (
        f"it unpacks to {total / 1e6:.0f} MB or more from {size / 1e6:.3g} MB; "
        f"at most {MAX_RATIO} times is read"
    )


def _safe(name: str) -> str:
    """Plain relative path.

    Raises:
        UnreadableScanError: If it leaves the archive, on any system.
    """
    foreign = PureWindowsPath(name)
    leaves = ".." in foreign.parts or foreign.drive or foreign.root
    path = PurePosixPath(name)
    if leaves or not path.name or "\0" in name:
        problem = "a member's path leaves the archive"
        raise _unsafe(problem)
    return path.as_posix()


def _zip_places(path: Path) -> Iterator[tuple[str, _Place]]:
    with path.open("rb") as stream, ZipFile(cast("BinaryIO", _Guard(stream))) as file:
        infos = file.infolist()
    if any(info.flag_bits & _ENCRYPTED for info in infos):
        problem = "the archive is encrypted"
        raise _unsafe(problem)
    for info in infos:
        yield info.filename, _zip_place(info)


def _zip_place(info: ZipInfo) -> _Place:
    kind = stat.S_IFMT(info.external_attr >> 16)
    problem = None
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        problem = "a link or device in an archive"
    elif info.compress_type not in _METHODS:
        problem = f"packed in a way that is not read (method {info.compress_type})"
    return _Place(
        info.header_offset,
        info.compress_size,
        info.file_size,
        info.compress_type,
        info.CRC,
        problem or _size_problem(info.file_size),
    )


def _size_problem(size: int) -> str | None:
    if size <= MAX_MEMBER_BYTES:
        return None
    bound = MAX_MEMBER_BYTES / 1e9
    return f"a member of {size / 1e9:.1f} GB in an archive; up to {bound:.1f} are read"


def _tar_places(path: Path) -> Iterator[tuple[str, _Place]]:
    size = path.stat().st_size
    with path.open("rb") as stream:
        guard = cast("BinaryIO", _Guard(stream))
        with tarfile.open(fileobj=guard, mode="r:", errors="surrogateescape") as file:
            while (info := file.next()) is not None:
                vars(file)["members"].clear()  # else it keeps all of them
                if info.isdir():
                    yield f"{info.name}/", _Place(0, 0, 0)
                    continue
                if info.isreg() and info.offset_data + info.size > size:
                    raise EOFError
                yield info.name, _tar_place(info)


def _tar_place(info: tarfile.TarInfo) -> _Place:
    plain = info.isreg() and not info.issparse()
    problem = None if plain else "a link, a device or a sparse file in an archive"
    size = info.size if plain else 0
    return _Place(info.offset_data, size, size, problem=problem)


class _Guard:
    """A file of which no more is read at once than the list of an archive can need."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.seek, self.tell = stream.seek, stream.tell
        self.seekable, self.close = stream.seekable, stream.close

    def read(self, n_bytes: int = -1) -> bytes:
        """Read so many bytes.

        Raises:
            ValueError: If these are too many, or hold too many entries of a zip.
        """
        most = _MAX_READ_BYTES + 1
        content = self._stream.read(most if n_bytes < 0 else min(n_bytes, most))
        if len(content) == most:
            msg = "the list of the archive is too long"
            raise ValueError(msg)
        if content.count(_ENTRY_MAGIC) > MAX_MEMBERS:
            problem = f"more than {MAX_MEMBERS} members"
            raise _unsafe(problem)
        return content
