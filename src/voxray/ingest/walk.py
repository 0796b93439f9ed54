"""Every file under a folder, once, in a fixed order; nothing is opened."""

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from stat import S_ISLNK, S_ISREG

from voxray.core.errors import ConfigError
from voxray.core.findings import FindingCode
from voxray.core.records import Finding
from voxray.core.tree import TOO_LONG, entries_below


@dataclass(frozen=True, slots=True)
class FoundFile:
    """One file, or a symbolic link.

    Attributes:
        path: Relative to the folder that was walked; it may lead into an archive.
        mtime_ns: Of a file in an archive, that of the archive; so is `ctime_ns`.
        link: Whether it is a symbolic link. One that stays inside the folder stands
            for a file that is found under its own name too, and is not read.
        problem: Why it must not be opened; None when it may.
    """

    path: PurePosixPath
    size_bytes: int
    mtime_ns: int
    link: bool = False
    problem: Finding | None = None
    ctime_ns: int = 0


def walk_folder(root: Path, option: str) -> tuple[FoundFile, ...]:
    """List every file and link under `root`, sorted by relative path.

    Links to folders are not followed, so that a loop cannot be entered. Pipes, sockets
    and devices are listed with a problem. When `root` is a file, it is the only one.

    Args:
        root: Folder or file.
        option: What the user called it, for the error, e.g. "data.scans".

    Raises:
        ConfigError: If there is no such folder.
        MachineError: If a folder inside may not be read.
    """
    if root.is_file():
        return (_found(root.parent, root.name, root.lstat()),)
    if not root.is_dir():
        what = "is not a folder" if root.exists() else "does not exist"
        msg = f"{option}: {str(root)!r} {what}"
        raise ConfigError(msg)
    found = (_found(root, name, status) for name, status in entries_below(root))
    return tuple(sorted(found, key=lambda file: file.path.as_posix()))


def folder_of(root: Path) -> Path:
    """Folder that paths of `walk_folder(root)` are relative to."""
    return root.parent if root.is_file() else root


def _found(root: Path, name: str, status: os.stat_result | None) -> FoundFile:
    if status is TOO_LONG:
        too_long = Finding(FindingCode.UNREADABLE_FILE, "its path is too long to open")
        return FoundFile(printable(name), 0, 0, problem=too_long)
    return FoundFile(
        path=printable(name),
        size_bytes=status.st_size,
        mtime_ns=status.st_mtime_ns,
        link=S_ISLNK(status.st_mode),
        problem=_problem(root, name, status) or name_problem(name),
        ctime_ns=status.st_ctime_ns,
    )


def _problem(root: Path, name: str, status: os.stat_result) -> Finding | None:
    if S_ISREG(status.st_mode):
        return None
    if S_ISLNK(status.st_mode):
        return _link_problem(root, root / name)
    detail = "a pipe, a socket or a device, no file"
    return Finding(FindingCode.NOT_AN_IMAGE, detail)


def _link_problem(root: Path, path: Path) -> Finding | None:
    target = Path(os.path.realpath(path))
    if not target.is_relative_to(os.path.realpath(root)):
        return Finding(FindingCode.LINK_OUTSIDE_FOLDER, "its target is not read")
    if not target.exists() or target.is_symlink():
        return Finding(
            FindingCode.UNREADABLE_FILE, "a link to a file that is not there"
        )
    return None


def name_problem(name: str) -> Finding | None:
    """Say why a name cannot stand in a table; None when it can."""
    if name.isascii():
        return None
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        detail = "the file name is not UTF-8; rename the file"
        return Finding(FindingCode.UNREADABLE_FILE, detail)
    return None


def printable(name: str) -> PurePosixPath:
    """Path that can stand in a table: bytes that are no UTF-8 are spelled out."""
    if name.isascii():
        return PurePosixPath(name)
    return PurePosixPath(os.fsencode(name).decode("utf-8", "backslashreplace"))
