"""All that lies below a folder, without opening a file."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from voxray.core.errors import MachineError

TOO_LONG = None
"""Status of a path that is longer than the system can open."""

Entry = tuple[str, os.stat_result | None]
"""Relative path, and what the system says of it; see `TOO_LONG`."""


def entries_below(root: Path) -> Iterator[Entry]:
    """Everything below a folder but folders, in no order; links are not followed.

    Raises:
        MachineError: If a folder inside may not be read.
    """
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(root / folder) as entries:
                for entry in entries:
                    name = f"{folder}{entry.name}"
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(f"{name}/")
                    else:
                        yield from _described(name, entry)
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                _refuse(error)
            yield folder.rstrip("/"), TOO_LONG


def _described(name: str, entry: "os.DirEntry[str]") -> Iterator[Entry]:
    """One entry; none if it is gone meanwhile."""
    try:
        yield name, entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            _refuse(error)
        yield name, TOO_LONG


def _refuse(error: OSError) -> None:
    msg = f"cannot read a folder of the scans: {error.strerror}; allow it and run again"
    raise MachineError(msg) from error
