"""Packed tars, unpacked once into a private temporary folder.

The file is one tar: no member gets its own name on disk. Whoever unpacked it removes it
at the end; what a killed process left is removed by the next one that unpacks.
"""

import atexit
import bz2
import contextlib
import hashlib
import lzma
import os
import stat
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from voxray.core.errors import UnreadableScanError

_BLOCK_BYTES = 1 << 20
_MAX_XZ_BYTES = 1 << 28
_GZIP_WINDOW = 31  # zlib's word for: a gzip header, then 32 KiB

_UNPACKERS: dict[bytes, Callable[[], Any]] = {
    b"\x1f\x8b": lambda: zlib.decompressobj(_GZIP_WINDOW),
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ\0": lambda: lzma.LZMADecompressor(memlimit=_MAX_XZ_BYTES),
}


def is_packed(start: bytes) -> bool:
    """Whether a file that opens so is packed with gzip, bzip2 or xz."""
    return start.startswith(tuple(_UNPACKERS))


def spooled_tar(archive: Path, stamp: tuple[int, ...], limit: int) -> Path:
    """Unpack a packed tar, or find where this was done.

    Args:
        archive: Packed with gzip, bzip2 or xz.
        stamp: Changes whenever the archive does.
        limit: Bytes it may unpack to.

    Raises:
        UnreadableScanError: If it unpacks to more.
        OSError: If there is no room.
        zlib.error, lzma.LZMAError, EOFError: If it is damaged.
    """
    folder = _private_folder()
    text = f"{os.path.realpath(archive)}\0{stamp}".encode()
    key = hashlib.sha256(text).hexdigest()[:32]
    if found := next(folder.glob(f"{key}-*.tar"), None):
        return found
    _remove_left_over(folder)
    target = folder / f"{key}-{os.getpid()}.tar"
    temporary = target.with_suffix(".part")
    atexit.register(_remove, target, os.getpid())
    try:
        _unpack(archive, temporary, limit)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return target


def _unpack(archive: Path, target: Path, limit: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with (
        archive.open("rb") as packed,
        os.fdopen(os.open(target, flags, 0o600), "wb") as unpacked,
    ):
        n_bytes = 0
        for block in _blocks(packed):
            n_bytes += len(block)
            if n_bytes > limit:
                scan_id = "-"  # what is in an archive has none yet
                problem = f"it unpacks to more than {limit / 1e6:.0f} MB"
                raise UnreadableScanError(scan_id, problem)
            unpacked.write(block)


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    """Unpacked content; several packed streams may follow each other."""
    content = stream.read(_BLOCK_BYTES)
    make = next(make for magic, make in _UNPACKERS.items() if content.startswith(magic))
    while content.strip(b"\0"):
        unpacker = make()
        while not unpacker.eof:
            hungry = getattr(unpacker, "needs_input", True)
            if not content and hungry and not (content := stream.read(_BLOCK_BYTES)):
                raise EOFError
            yield unpacker.decompress(content, _BLOCK_BYTES)
            content = getattr(unpacker, "unconsumed_tail", b"")
        content = unpacker.unused_data or stream.read(_BLOCK_BYTES)


def _private_folder() -> Path:
    """Make or find the folder of this user, which nobody else may enter.

    Raises:
        PermissionError: If another user made it first.
    """
    folder = Path(tempfile.gettempdir()) / f"voxray-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    status = folder.lstat()
    ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
    if not ours or status.st_mode & 0o077:
        raise PermissionError(13, "the temporary folder is not private")
    return folder


def _remove_left_over(folder: Path) -> None:
    for file in folder.iterdir():
        with contextlib.suppress(ValueError, OSError):
            if not _is_running(int(file.stem.rpartition("-")[2])):
                file.unlink()


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _remove(file: Path, process: int) -> None:
    if os.getpid() == process:  # a forked process is not the one that unpacked it
        file.unlink(missing_ok=True)
