"""A folder or a tar as one thing: files by name, opened where they lie.

A tar is never unpacked as it is: a hostile one is refused, and of the others files are
read one by one under names that voxray chooses.
"""

import lzma
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol, cast

from voxray.core.errors import ConfigError
from voxray.datasets.store import Opener, readable

_MAX_MEMBERS = 2_000_000
_MAX_NAME = 200
_BROKEN = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError)


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a source.

    Attributes:
        path: Relative to the folder that was asked for.
        opener: Opens it for reading.
    """

    path: PurePosixPath
    n_bytes: int
    opener: Opener


class Tree(Protocol):
    """Files of a source."""

    def folders(self) -> list[PurePosixPath]:
        """The folders one level down."""

    def files(self, below: PurePosixPath) -> list[Entry]:
        """Regular files in a folder and below it, without hidden ones.

        A name that begins with a dot is a leftover of an archive. The order is that of
        the archive, in which a packed one is read fastest, and by name in a folder.
        """

    def file(self, path: PurePosixPath) -> Entry | None:
        """The regular file of this path; its entry is named by the last part alone."""


@contextmanager
def open_tree(source: Path) -> Iterator[Tree]:
    """Open a folder, or a tar, plain or packed with gzip, bzip2 or xz.

    Raises:
        ConfigError: If it is neither, or damaged.
        MachineError: If it may not be read.
    """
    if source.is_dir():
        with readable(source, "folder"):
            yield _FolderTree(source)
    elif source.is_file():
        with readable(source, "tar archive", _BROKEN), tarfile.open(source) as archive:
            yield _TarTree(archive, _members(archive, source.name))
    else:
        msg = f"--source {source}: there is no such folder or file"
        raise ConfigError(msg)


def _members(
    archive: tarfile.TarFile, name: str
) -> dict[PurePosixPath, tarfile.TarInfo]:
    """Regular files by name, in stored order.

    Raises:
        ConfigError: If there is a member that no data set has: a link, a device, a
            sparse file, a path that leads out; or if there are too many.
    """
    members: dict[PurePosixPath, tarfile.TarInfo] = {}
    for number, member in enumerate(archive, start=1):
        problem = _problem(member) if number <= _MAX_MEMBERS else "one too many"
        if problem is not None:
            msg = f"{name!r} is refused: its member {number} is {problem}"
            raise ConfigError(msg)
        if member.isfile():
            members[PurePosixPath(member.name)] = member
    return members


def _problem(member: tarfile.TarInfo) -> str | None:
    """What makes it a member that is not read; None for a plain file or folder."""
    path = PurePosixPath(member.name)
    reasons = {
        "a link": member.issym() or member.islnk(),
        "a device or a pipe": member.isdev(),
        "a sparse file": member.issparse(),
        "a path that leads out of its folder": path.is_absolute() or ".." in path.parts,
        "a name that no file system takes": not all(map(_is_name, path.parts)),
    }
    return next((reason for reason, applies in reasons.items() if applies), None)


def _is_name(part: str) -> bool:
    return len(part.encode(errors="replace")) <= _MAX_NAME and part.isprintable()


@dataclass(frozen=True, slots=True)
class _FolderTree:
    folder: Path

    def folders(self) -> list[PurePosixPath]:
        inner = sorted(path.name for path in self.folder.iterdir() if path.is_dir())
        return [PurePosixPath(name) for name in inner]

    def files(self, below: PurePosixPath) -> list[Entry]:
        folder = self.folder / below
        found = sorted(path for path in folder.rglob("*") if path.is_file())
        entries = [_file_entry(file, file.relative_to(folder)) for file in found]
        return [entry for entry in entries if not _is_hidden(entry.path)]

    def file(self, path: PurePosixPath) -> Entry | None:
        file = self.folder / path
        return _file_entry(file, Path(file.name)) if file.is_file() else None


@dataclass(frozen=True, slots=True)
class _TarTree:
    archive: tarfile.TarFile
    members: dict[PurePosixPath, tarfile.TarInfo]

    def folders(self) -> list[PurePosixPath]:
        inner = {path.parts[0] for path in self.members if len(path.parts) > 1}
        return [PurePosixPath(name) for name in sorted(inner)]

    def files(self, below: PurePosixPath) -> list[Entry]:
        inside = [path for path in self.members if path.is_relative_to(below)]
        entries = [self._entry(p.relative_to(below), self.members[p]) for p in inside]
        return [entry for entry in entries if not _is_hidden(entry.path)]

    def file(self, path: PurePosixPath) -> Entry | None:
        member = self.members.get(path)
        return None if member is None else self._entry(PurePosixPath(path.name), member)

    def _entry(self, path: PurePosixPath, member: tarfile.TarInfo) -> Entry:
        def opened() -> BinaryIO:
            return cast("BinaryIO", self.archive.extractfile(member))

        return Entry(path, member.size, opened)


def _file_entry(file: Path, path: Path) -> Entry:
    def opened() -> BinaryIO:
        return file.open("rb")

    return Entry(PurePosixPath(path.as_posix()), file.stat().st_size, opened)


def _is_hidden(path: PurePosixPath) -> bool:
    return any(part.startswith(".") for part in path.parts)
