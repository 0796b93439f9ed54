"""Search what a run wrote for words that must not stand there, in any disguise."""

import base64
import binascii
import gzip
import io
import re
import sqlite3
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
from PIL import Image

_BASE64 = re.compile(rb"[A-Za-z0-9+/]{40,}={0,2}")
_DEEPEST = 6
_SHORT = 12


@dataclass(frozen=True)
class Hit:
    """A token that was found.

    Attributes:
        name: Of the token, e.g. "patient name".
        place: File, and the containers inside it.
    """

    name: str
    place: str


class TokenSearch:
    """Finds tokens as UTF-8, UTF-16, base64 and hexadecimal, in any case.

    Looks into gzip, zip, tar, zlib, Parquet, SQLite, PNG and base64, nested in any way.
    Short tokens of digits count only where no digit or point touches them.

    Args:
        tokens: Text by name; letters and digits of ASCII only.
    """

    def __init__(self, tokens: Mapping[str, str]) -> None:
        self._names = list(tokens)
        parts = [_pattern(token.encode()) for token in tokens.values()]
        self._pattern = re.compile(b"|".join(parts), re.IGNORECASE)

    def in_folder(self, folder: Path, private: Iterable[Path] = ()) -> list[Hit]:
        """Search all files below a folder, and their names, but for private folders."""
        excluded = set(private)
        hits = []
        for path in sorted(folder.rglob("*")):
            if excluded & {path, *path.parents}:
                continue
            place = path.relative_to(folder).as_posix()
            hits += self._found(place.encode(), f"name {place}")
            if path.is_file():
                hits += self.in_bytes(path.read_bytes(), place)
        return hits

    def in_bytes(self, content: bytes, place: str, depth: int = 0) -> list[Hit]:
        """Search bytes and everything packed into them."""
        hits = self._found(content, place)
        if depth < _DEEPEST:
            for inner, how in _unpacked(content):
                hits += self.in_bytes(inner, f"{place} > {how}", depth + 1)
        return hits

    def _found(self, content: bytes, place: str) -> list[Hit]:
        groups = {m.lastindex for m in self._pattern.finditer(content) if m.lastindex}
        return [Hit(self._names[group - 1], place) for group in sorted(groups)]


def _pattern(token: bytes) -> bytes:
    """One group that matches the token in any encoding."""
    text = token.decode()
    plain = re.escape(token)
    if token.isdigit() and len(token) <= _SHORT:
        plain = rb"(?<![\d.])" + plain + rb"(?![\d.])"
    others = [text.encode("utf-16-le"), text.encode("utf-16-be"), token.hex().encode()]
    others += [_inner_base64(token, shift) for shift in range(3)]
    return b"(" + b"|".join([plain, *map(re.escape, others)]) + b")"


def _inner_base64(token: bytes, shift: int) -> bytes:
    """Base64 of the token after `shift` other bytes, without what these change."""
    whole = base64.b64encode(bytes(shift) + token)
    start = (8 * shift + 5) // 6
    end = 8 * (shift + len(token)) // 6
    return whole[start:end]


def _unpacked(content: bytes) -> Iterator[tuple[bytes, str]]:
    """What is packed into bytes, one level down."""
    for how, unpack in _UNPACKERS.items():
        try:
            for inner in unpack(content):
                yield inner, how
        except (OSError, EOFError, ValueError, zlib.error, tarfile.TarError,
                zipfile.BadZipFile, sqlite3.Error):  # fmt: skip
            continue  # it is no such container, or a damaged one


def _gzip(content: bytes) -> Iterator[bytes]:
    if content[:2] == b"\x1f\x8b":
        yield gzip.decompress(content)


def _zlib(content: bytes) -> Iterator[bytes]:
    if content[:1] == b"\x78":
        yield zlib.decompress(content)


def _zip(content: bytes) -> Iterator[bytes]:
    if content[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for info in archive.infolist():
                yield info.filename.encode() + b"\n" + info.comment
                yield archive.read(info)


def _tar(content: bytes) -> Iterator[bytes]:
    if content[257:262] == b"ustar":
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for info in archive:
                yield info.name.encode()
                stream = archive.extractfile(info)
                if stream is not None:
                    yield stream.read()


def _parquet(content: bytes) -> Iterator[bytes]:
    if content[:4] == b"PAR1":
        table = pq.read_table(io.BytesIO(content))
        yield str(table.schema).encode() + str(table.schema.metadata).encode()
        for column in table.columns:
            yield "\n".join(str(value) for value in column.to_pylist()).encode()


def _sqlite(content: bytes) -> Iterator[bytes]:
    if content[:15] == b"SQLite format 3":
        with tempfile.NamedTemporaryFile(suffix=".db") as copy:
            copy.write(content)
            copy.flush()
            database = sqlite3.connect(copy.name)
            yield "\n".join(database.iterdump()).encode()
            database.close()


def _png(content: bytes) -> Iterator[bytes]:
    if content[:8] == b"\x89PNG\r\n\x1a\n":
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            yield repr(image.info).encode()


def _base64(content: bytes) -> Iterator[bytes]:
    for match in _BASE64.finditer(content):
        text = match[0].rstrip(b"=")
        try:
            yield base64.b64decode(text[: len(text) // 4 * 4])
        except binascii.Error:
            continue


_UNPACKERS = {
    "gzip": _gzip,
    "zlib": _zlib,
    "zip": _zip,
    "tar": _tar,
    "parquet": _parquet,
    "sqlite": _sqlite,
    "png": _png,
    "base64": _base64,
}
