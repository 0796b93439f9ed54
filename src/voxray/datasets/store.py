"""Files of a data set, whole or not at all; what is there and the same stays."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

from voxray.core.errors import ConfigError, MachineError
from voxray.core.files import MACHINE_ERRNOS, atomic_path

_BLOCK_BYTES = 1 << 20

Broken = tuple[type[Exception], ...]
Opener = Callable[[], BinaryIO]


def put(target: Path, content: bytes) -> bool:
    """Write a file; False if the same file is there already.

    Raises:
        MachineError: If the disk is full or the folder may not be written.
    """
    if _has_size(target, len(content)) and target.read_bytes() == content:
        return False
    with atomic_path(target) as temporary:
        temporary.write_bytes(content)
    return True


def put_stream(target: Path, n_bytes: int, opener: Opener) -> bool:
    """Write a file of any size; False if the same file is there already.

    Raises:
        MachineError: As `put`.
    """
    if _has_size(target, n_bytes) and _is_same(target, opener):
        return False
    with (
        opener() as stream,
        atomic_path(target) as temporary,
        temporary.open("wb") as out,
    ):
        shutil.copyfileobj(stream, out, _BLOCK_BYTES)
    return True


@contextmanager
def readable(source: Path, kind: str, broken: Broken = ()) -> Iterator[None]:
    """Say which source cannot be read.

    Args:
        source: Named in errors.
        kind: What it should be.
        broken: What a library raises if it is not.

    Raises:
        ConfigError: If it is something else, or damaged.
        MachineError: If the disk or a permission refuses.
    """
    try:
        yield
    except broken as error:
        msg = (
            f"{source.name!r} is no readable {kind}: {_first_line(error)}; get it again"
        )
        raise ConfigError(msg) from error
    except OSError as error:
        if error.errno in MACHINE_ERRNOS:
            msg = f"cannot read {source.name!r}: {error.strerror}; free it, run again"
            raise MachineError(msg) from error
        msg = (
            f"{source.name!r} is no readable {kind}: {_first_line(error)}; get it again"
        )
        raise ConfigError(msg) from error


def _has_size(target: Path, n_bytes: int) -> bool:
    return target.is_file() and target.stat().st_size == n_bytes


def _is_same(target: Path, opener: Opener) -> bool:
    with opener() as stream, target.open("rb") as there:
        return all(
            block == _block(there) for block in iter(lambda: _block(stream), b"")
        )


def _block(stream: IO[bytes]) -> bytes:
    return stream.read(_BLOCK_BYTES)


def _first_line(error: Exception) -> str:
    """What tarfile says in one line; it goes on with each method that it tried."""
    return str(error).partition("\n")[0].rstrip(":")
