"""What earlier runs read, so that an unchanged file is not read again.

A private SQLite file beside the tables of stage 1. A file is known by its relative
path, size, time of modification and time of change, and by the code that read it; a
scan by all its files, its mask and how it is read. An index that is absent, stale or
damaged costs time, never a result.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath
from typing import TypeVar

import voxray
from voxray.core.errors import MachineError
from voxray.core.files import machine_errors, private_folder
from voxray.core.hashing import sha256_files, sha256_json
from voxray.core.records import Sha256
from voxray.ingest.codec import Codec
from voxray.ingest.walk import FoundFile

INDEX_FILE = ".index.sqlite"
_BATCH = {"files": 2000, "scans": 50}
_PAIRED = (".hdr", ".img", ".hdr.gz", ".img.gz")
"""Of files that are read together with another one: these are always read."""
_READERS = ("core", "ingest", "scan_io")
_LIBRARIES = (
    "nibabel",
    "numpy",
    "pillow",
    "pydicom",
    "pylibjpeg-libjpeg",
    "pylibjpeg-openjpeg",
    "pylibjpeg-rle",
)
_TABLES = """
CREATE TABLE IF NOT EXISTS made_by (code TEXT);
CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, stamp TEXT, facts TEXT);
CREATE TABLE IF NOT EXISTS scans (key TEXT PRIMARY KEY, facts TEXT) WITHOUT ROWID;
"""

T = TypeVar("T")


class Index:
    """The one door to the index file; without one it remembers nothing.

    Writes are gathered and committed in batches, so that a killed run keeps most of
    what it read. The file is made when there is something to write.
    """

    def __init__(self, path: Path | None) -> None:
        """Take the file of an earlier run, if this code wrote it.

        Args:
            path: In a private folder, which is made; None remembers nothing.
        """
        self._path = path
        self._connection = _found(path) if path is not None else None
        self._waiting: dict[str, list[tuple[str, ...]]] = {"files": [], "scans": []}
        self._seen: dict[str, set[str]] = {"files": set(), "scans": set()}

    @property
    def remembers(self) -> bool:
        """Whether there is a file, or will be one."""
        return self._path is not None

    def known_files(
        self, files: Iterable[FoundFile], codec: Codec[T]
    ) -> dict[PurePosixPath, T]:
        """What is known of files that have not changed."""
        wanted = {file.path.as_posix(): file for file in files}
        self._seen["files"].update(wanted)
        known: dict[PurePosixPath, T] = {}
        for path, stamp, facts in self._rows("SELECT path, stamp, facts FROM files"):
            file = wanted.get(path)
            if file is not None and stamp == stamp_of(file):
                with contextlib.suppress(ValueError):
                    known[file.path] = codec.from_text(facts)
        return known

    def remember_file(self, file: FoundFile, facts: str) -> None:
        """Keep what a file is; not of one that is read together with another."""
        if not is_paired(file.path.name):
            self._put("files", (file.path.as_posix(), stamp_of(file), facts))

    def known_scan(self, key: Sha256 | None, codec: Codec[T]) -> T | None:
        """What is known of a scan; None if nothing is."""
        if key is None:
            return None
        self._seen["scans"].add(key)
        for (facts,) in self._rows("SELECT facts FROM scans WHERE key = ?", key):
            with contextlib.suppress(ValueError):
                return codec.from_text(facts)
        return None

    def remember_scan(self, key: Sha256 | None, facts: str) -> None:
        """Keep what the voxels of a scan tell."""
        if key is not None:
            self._put("scans", (key, facts))

    def finish(self) -> None:
        """Write what is waiting, and forget what nobody asked for since the start.

        Raises:
            MachineError: If the disk is full or the index may not be written.
        """
        self._commit()
        for table, name in (("files", "path"), ("scans", "key")):
            found = self._rows(f"SELECT {name} FROM {table}")
            gone = [row for row in found if row[0] not in self._seen[table]]
            self._change(f"DELETE FROM {table} WHERE {name} = ?", gone)

    def keep(self) -> None:
        """Write what is waiting, for the run that goes on from here."""
        with contextlib.suppress(MachineError):
            self._commit()

    def close(self) -> None:
        """Keep what was written so far, also of a run that failed."""
        if self._connection is not None:
            with contextlib.suppress(MachineError):
                self._commit()
            self._connection.close()

    def _put(self, table: str, row: tuple[str, ...]) -> None:
        self._waiting[table].append(row)
        if len(self._waiting[table]) >= _BATCH[table]:
            self._commit()

    def _commit(self) -> None:
        files, scans = self._waiting["files"], self._waiting["scans"]
        if self._path is not None and self._connection is None and (files or scans):
            self._connection = _made(self._path)
        self._change("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", files)
        self._change("INSERT OR REPLACE INTO scans VALUES (?, ?)", scans)
        files.clear()
        scans.clear()

    def _rows(self, query: str, *values: str) -> Iterator[tuple[str, ...]]:
        """Rows of a query; damage ends them."""
        if self._connection is None:
            return
        with contextlib.suppress(sqlite3.DatabaseError):
            yield from self._connection.execute(query, values)

    def _change(self, statement: str, rows: list[tuple[str, ...]]) -> None:
        if self._connection is None or not rows:
            return
        try:
            with _disk_errors(), self._connection:
                self._connection.executemany(statement, rows)
        except sqlite3.DatabaseError:  # damaged: the next run makes it anew
            self._connection.close()
            self._path = self._connection = None


@contextlib.contextmanager
def opened_index(path: Path | None) -> Iterator[Index]:
    """Use the index for a run.

    Raises:
        MachineError: If the disk is full or the index may not be written.
    """
    index = Index(path)
    try:
        yield index
        index.finish()
    except KeyboardInterrupt:
        index.keep()
        raise
    finally:
        index.close()


@cache
def readers_hash() -> Sha256:
    """Hash over the code and the libraries that read and judge files."""
    root = Path(voxray.__file__).parent
    files = [f for name in _READERS for f in sorted((root / name).rglob("*.py"))]
    return sha256_json([sha256_files(files, root), [*map(_version, _LIBRARIES)]])


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ""


def is_paired(name: str) -> bool:
    """Whether a file may be read together with one that is not named with it."""
    return name.lower().endswith(_PAIRED)


def stamp_of(file: FoundFile) -> str:
    """What changes whenever a file does."""
    return f"{file.size_bytes} {file.mtime_ns} {file.ctime_ns}"


def stamp_on_disk(path: Path) -> str:
    """The same of a file that was not listed.

    Raises:
        OSError: If it is not there.
    """
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def _found(path: Path) -> sqlite3.Connection | None:
    """The index of an earlier run; None if there is none that can be used."""
    if not path.is_file():
        return None
    try:
        connection = sqlite3.connect(path)
    except sqlite3.DatabaseError:
        return None
    try:
        rows = connection.execute("SELECT code FROM made_by").fetchall()
        connection.execute("SELECT path, stamp, facts FROM files LIMIT 1").fetchall()
        connection.execute("SELECT key, facts FROM scans LIMIT 1").fetchall()
    except sqlite3.DatabaseError:
        rows = []
    if rows == [(readers_hash(),)]:
        return connection
    connection.close()
    return None


def _made(path: Path) -> sqlite3.Connection:
    """A new index in the place of any other."""
    private_folder(path.parent)
    with machine_errors(path):
        for file in path.parent.glob(f"{path.name}*"):
            file.unlink()
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    with _disk_errors():
        connection = sqlite3.connect(path)
        connection.executescript(_TABLES)
        with connection:
            connection.execute("INSERT INTO made_by VALUES (?)", (readers_hash(),))
    return connection


@contextlib.contextmanager
def _disk_errors() -> Iterator[None]:
    """Turn what is the machine's fault, as SQLite tells it, into a `MachineError`."""
    try:
        yield
    except sqlite3.OperationalError as error:
        msg = f"cannot write the index of the scans: {error}; free it and run again"
        raise MachineError(msg) from error
