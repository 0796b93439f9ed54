"""Arrays of an npz file, one row at a time: such a file may be larger than memory.

`numpy.load` reads a whole array, and the memory map that it offers does not reach into
an npz file. Nothing is ever unpickled.
"""

import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from voxray.datasets.store import readable

_SUFFIX = ".npy"
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,  # a packing that Python does not know
    RuntimeError,  # a password
    ValueError,  # a broken header
)


@dataclass(frozen=True, slots=True)
class ArrayHead:
    """Shape and type of an array."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def row_bytes(self) -> int:
        """Bytes of one row: all axes but the first."""
        return prod(self.shape[1:]) * self.dtype.itemsize


def array_heads(path: Path) -> dict[str, ArrayHead]:
    """Shapes and types of all arrays, by name; no values are read.

    Raises:
        ConfigError: If it is no npz file, or an array is damaged or holds objects.
    """
    with readable(path, "npz file", _BROKEN), zipfile.ZipFile(path) as archive:
        members = [m for m in archive.infolist() if m.filename.endswith(_SUFFIX)]
        heads = {}
        for member in members:
            with archive.open(member) as stream:
                head = _read_head(stream, member.file_size)
                heads[member.filename.removesuffix(_SUFFIX)] = head
    return heads


def rows(path: Path, name: str) -> Iterator[NDArray[Any]]:
    """Read an array row by row, each read-only, in stored order.

    Raises:
        ConfigError: If the file is damaged; its checksum is compared after the last
            row.
    """
    with readable(path, "npz file", _BROKEN), zipfile.ZipFile(path) as archive:
        member = archive.getinfo(name + _SUFFIX)
        with archive.open(member) as stream:
            head = _read_head(stream, member.file_size)
            for _ in range(head.shape[0]):
                yield _read_row(stream, head)
            stream.read(1)  # zipfile compares the checksum at the end


def _read_row(stream: IO[bytes], head: ArrayHead) -> NDArray[Any]:
    content = stream.read(head.row_bytes)
    if len(content) < head.row_bytes:
        msg = "it ends too early"
        raise EOFError(msg)
    return np.frombuffer(content, head.dtype).reshape(head.shape[1:])


def _read_head(stream: IO[bytes], n_bytes: int) -> ArrayHead:
    version = npy.read_magic(stream)
    read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    if version not in read:
        msg = f"an array has npy version {version}"
        raise ValueError(msg)
    shape, is_fortran, dtype = read[version](stream)
    if dtype.hasobject or dtype.kind not in "biuf" or (is_fortran and len(shape) > 1):
        msg = f"an array holds no plain numbers by rows: {dtype}"
        raise ValueError(msg)
    head = ArrayHead(shape, dtype)
    stored = n_bytes - stream.tell()
    if not shape or min(shape) < 1 or shape[0] * head.row_bytes != stored:
        msg = f"an array of shape {shape} has {stored} bytes"
        raise ValueError(msg)
    return head
