"""One process at a time writes scores into a folder."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from voxray.core.errors import MachineError
from voxray.core.files import machine_errors

LOCK_FILE = ".lock"


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold a lock file; the system frees it when the process ends in any way.

    Raises:
        MachineError: If another process holds it.
    """
    with machine_errors(path):
        stream = path.open("a", encoding="utf-8")
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            folder = str(path.parent.parent)
            msg = f"another process scores into {folder!r}; wait for it, then run again"
            raise MachineError(msg) from error
        yield
