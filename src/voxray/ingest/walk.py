"""Every file under a folder, once, in a fixed order; nothing is opened."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from stat import S_ISREG

from voxray.core.errors import ConfigError, MachineError
from voxray.core.findings import FindingCode
from voxray.core.records import Finding


@dataclass(frozen=True, slots=True)
class FoundFile:
    """One file, or a symbolic link.

    Attributes:
        path: Relative to the folder that was walked.
        link: Whether it is a symbolic link. One that stays inside the folder stands
            for a file that is found under its own name too, and is not read.
        problem: Why it must not be opened; None when it may.
    """

    path: PurePosixPath
    size_bytes: int
    mtime_ns: int
    link: bool = False
    problem: Finding | None = None


def walk_folder(root: Path, option: str) -> tuple[FoundFile, ...]:
    """List every regular file and link under `root`, sorted by relative path.

    Links to folders are not followed, so that a loop cannot be entered; sockets and
    pipes are passed over. When `root` is a file, it is the only one.

    Args:
        root: Folder or file.
        option: What the user called it, for the error, e.g. "data.scans".

    Raises:
        ConfigError: If there is no such folder.
        MachineError: If a folder inside may not be read.
    """
    if root.is_file():
        return tuple(_found(root.parent, root))
    if not root.is_dir():
        what = "is not a folder" if root.exists() else "does not exist"
        msg = f"{option}: {str(root)!r} {what}"
        raise ConfigError(msg)
    found = [file for path in _entries(root) for file in _found(root, path)]
    return tuple(sorted(found, key=lambda file: file.path.as_posix()))


def folder_of(root: Path) -> Path:
    """Folder that paths of `walk_folder(root)` are relative to."""
    return root.parent if root.is_file() else root


def _entries(root: Path) -> Iterator[Path]:
    for folder, subfolders, names in os.walk(root, onerror=_refuse):
        links = [name for name in subfolders if (Path(folder) / name).is_symlink()]
        yield from (Path(folder) / name for name in (*links, *names))


def _refuse(error: OSError) -> None:
    msg = f"cannot read a folder of the scans: {error.strerror}; allow it and run again"
    raise MachineError(msg) from error


def _found(root: Path, path: Path) -> Iterator[FoundFile]:
    """Describe one entry; yields nothing for what is no file."""
    status = path.lstat()
    link = path.is_symlink()
    if not link and not S_ISREG(status.st_mode):
        return
    relative = path.relative_to(root)
    problem = _link_problem(root, path) if link else None
    yield FoundFile(
        path=_printable(relative),
        size_bytes=status.st_size,
        mtime_ns=status.st_mtime_ns,
        link=link,
        problem=problem or _name_problem(relative),
    )


def _link_problem(root: Path, path: Path) -> Finding | None:
    target = Path(os.path.realpath(path))
    if not target.is_relative_to(os.path.realpath(root)):
        return Finding(FindingCode.LINK_OUTSIDE_FOLDER, "its target is not read")
    if not target.exists() or target.is_symlink():
        return Finding(
            FindingCode.UNREADABLE_FILE, "a link to a file that is not there"
        )
    return None


def _name_problem(path: Path) -> Finding | None:
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        detail = "the file name is not UTF-8; rename the file"
        return Finding(FindingCode.UNREADABLE_FILE, detail)
    return None


def _printable(path: Path) -> PurePosixPath:
    text = os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")
    return PurePosixPath(text)
