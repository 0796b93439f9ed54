"""Files that are whole or absent, and folders that only their owner reads."""

import contextlib
import errno
import fcntl
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from voxray.core.errors import MachineError, ManifestError

SCHEMA_VERSION = 1
MACHINE_ERRNOS = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.EIO,
}


@contextlib.contextmanager
def atomic_path(target: Path, *, durable: bool = False) -> Iterator[Path]:
    """Give a temporary name beside `target`; rename it there when the block succeeds.

    The name keeps the suffixes of `target`, since writers choose a format by them.
    When the block fails, nothing is left and an older file stays as it was.

    Args:
        target: Where the file appears.
        durable: Whether it is forced to the disk, so that a power cut leaves it.

    Raises:
        MachineError: If the disk is full or the folder may not be written.
    """
    with machine_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{uuid.uuid4().hex[:8]}-{target.name}")
    try:
        with machine_errors(target):
            yield temporary
            if durable:
                force_to_disk(temporary)
            temporary.replace(target)
            if durable:
                force_to_disk(target.parent)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


@contextlib.contextmanager
def machine_errors(target: Path) -> Iterator[None]:
    """Turn a full disk or a refused permission into a `MachineError` that names it."""
    try:
        yield
    except OSError as error:
        if error.errno not in MACHINE_ERRNOS:
            raise
        msg = f"cannot write {target.name!r}: {error.strerror}; free it and run again"
        raise MachineError(msg) from error


@contextlib.contextmanager
def alone(path: Path, does: str) -> Iterator[None]:
    """Hold a lock file; the system frees it when the process ends in any way.

    Args:
        path: Names the process that holds it.
        does: What the holder does, e.g. "writes into 'out'".

    Raises:
        MachineError: If another process holds it.
    """
    with machine_errors(path):
        stream = path.open("a+", encoding="utf-8")
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            stream.seek(0)
            holder = stream.read().strip() or "unknown"
            msg = f"another run (process {holder}) {does}; wait for it, then run again"
            raise MachineError(msg) from error
        with machine_errors(path):
            stream.truncate(0)
            stream.write(f"{os.getpid()}\n")
            stream.flush()
        yield


def force_to_disk(path: Path) -> None:
    """Wait until a file, or the names in a folder, would outlive a power cut."""
    with machine_errors(path):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_text(target: Path, text: str, *, durable: bool = False) -> None:
    """Write UTF-8 text, whole or not at all; see `atomic_path`."""
    with atomic_path(target, durable=durable) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(target: Path, value: dict[str, Any], *, durable: bool = False) -> None:
    """Write a JSON object with `schema_version` first; NaN is refused.

    Args:
        target: Where the file appears, whole.
        value: As JSON.
        durable: As in `atomic_path`.

    Raises:
        ValueError: If a number is NaN or infinite.
    """
    whole = {"schema_version": SCHEMA_VERSION, **value}
    text = json.dumps(whole, indent=2, allow_nan=False) + "\n"
    write_text(target, text, durable=durable)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object that `write_json` wrote.

    Raises:
        ManifestError: If it is missing, broken, or of a newer schema.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = f"cannot read {path.name!r}: {error}"
        raise ManifestError(msg) from error
    version = value.get("schema_version") if isinstance(value, dict) else None
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        msg = (
            f"{path.name!r} has schema_version {version}, this voxray reads up to "
            f"{SCHEMA_VERSION}; update voxray"
        )
        raise ManifestError(msg)
    return dict(value)


def private_folder(path: Path) -> Path:
    """Make a folder that only its owner may enter (0700), and return it."""
    with machine_errors(path):
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        if path.stat().st_mode & 0o077:
            path.chmod(0o700)
    return path


def fsync_append(path: Path, text: str) -> None:
    """Append text and force it to disk, so that a killed run keeps what it finished."""
    with machine_errors(path), path.open("a", encoding="utf-8", newline="") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
