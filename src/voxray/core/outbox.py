"""What one run has to tell a store: kept on disk, in order, until the store has it.

An outbox is a folder:

    about.json        what the run is; written once
    000001.json       a record that waits: its kind and its value
    000001/           files that belong to it
    refused/          records that the store did not take
    sent.json         where the run is in the store; absent until it is there
    values.json, metrics.json
                      single numbers it said, and when it said them first
    alive             locked by the process of the run; absent when it ended

A record appears whole and on the disk, after its files, and is deleted once it was
sent. So whatever is killed when, and after a power cut, each record is sent in order,
and again only if the kill came between the store's answer and the deletion. A number is
used once.
The lock of `alive` goes with its process in whatever way that ends: when nobody locks a
file `alive`, its process is gone.
"""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import Any
from uuid import uuid4

from voxray.core.errors import MachineError, ManifestError
from voxray.core.files import (
    force_to_disk,
    machine_errors,
    private_folder,
    read_json,
    write_json,
)

Files = Mapping[str, bytes | str | Path]
"""Content, or a file to copy, per name; a name may hold folders."""

_ABOUT, _SENT, _ALIVE, _SENDING = "about.json", "sent.json", "alive", ".sending"
_REFUSED, _LAST = "refused", ".last"
_NUMBERED = "[0-9]" * 6


@dataclass(frozen=True, slots=True)
class Record:
    """Something that waits to be sent.

    Attributes:
        path: Its file.
        kind: What to do with it.
        value: As JSON.
        files: Folder with files that belong to it; None without.
        names: Of these files.
    """

    path: Path
    kind: str
    value: Any
    files: Path | None
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outbox:
    """The outbox of one run. One process puts records in, one at a time sends them.

    Attributes:
        folder: Its name is the key of the run.
    """

    folder: Path

    @property
    def key(self) -> str:
        """What the run is called until the store has given it an id, and after."""
        return self.folder.name

    @property
    def is_made(self) -> bool:
        """Whether there is such a run."""
        return (self.folder / _ABOUT).is_file()

    def make(self, about: Mapping[str, Any]) -> None:
        """Say what the run is."""
        write_json(self.folder / _ABOUT, dict(about), durable=True)
        force_to_disk(self.folder.parent)

    def about(self) -> dict[str, Any]:
        """What `make` was given.

        Raises:
            ManifestError: If it cannot be read.
        """
        return _read(self.folder / _ABOUT)

    @property
    def is_sent(self) -> bool:
        """Whether the run is in the store; its records may not be."""
        return (self.folder / _SENT).is_file()

    def sent(self) -> dict[str, Any] | None:
        """Where the run is in the store; None if it is not there yet."""
        path = self.folder / _SENT
        return _read(path) if path.is_file() else None

    def note_sent(self, where: Mapping[str, Any]) -> None:
        """Keep where the run is in the store."""
        write_json(self.folder / _SENT, dict(where), durable=True)

    def put(self, kind: str, value: object, files: Files | None = None) -> None:
        """Add a record after all others.

        Args:
            kind: What to do with it.
            value: As JSON.
            files: That belong to it.

        Raises:
            FileNotFoundError: If a file to copy is not there.
            MachineError: If the disk is full.
        """
        name = f"{self._last() + 1:06d}"
        if files:
            _write_all(self.folder / name, files)
        said = {"kind": kind, "value": value, "files": sorted(files or ())}
        write_json(self.folder / f"{name}.json", said, durable=True)
        with contextlib.suppress(FileNotFoundError):
            os.utime(self.folder / _ALIVE)

    @property
    def has_waiting(self) -> bool:
        """Whether records were not sent; reads none."""
        return any(self.folder.glob(f"{_NUMBERED}.json"))

    def waiting(self) -> list[Record]:
        """Records that were not sent, oldest first."""
        return [self._read(p) for p in sorted(self.folder.glob(f"{_NUMBERED}.json"))]

    def drop(self, record: Record) -> None:
        """Delete a record that was sent."""
        self._note_last(record)
        record.path.unlink()
        if record.files is not None:
            shutil.rmtree(record.files, ignore_errors=True)

    def refuse(self, record: Record) -> Path:
        """Put a record aside that the store does not take; returns where it is now."""
        self._note_last(record)
        aside = private_folder(self.folder / _REFUSED) / record.path.name
        with machine_errors(aside):
            if record.files is not None and record.files.is_dir():
                record.files.rename(aside.with_suffix(""))
            record.path.rename(aside)
        return aside

    @contextlib.contextmanager
    def sending(self, *, wait: bool = True) -> Iterator[None]:
        """Be the only one who sends.

        Args:
            wait: For another who does.

        Raises:
            BlockingIOError: If another does, and `wait` is False.
        """
        with machine_errors(self.folder):
            stream = (self.folder / _SENDING).open("a", encoding="utf-8")
        with stream:
            fcntl.flock(stream, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            yield

    def occupy(self) -> TextIOWrapper:
        """Say that the run is under way in this process, until the file is closed.

        Only its owner may enter the folder (0700), which is made when absent.

        Raises:
            MachineError: If it is under way in another process.
        """
        private_folder(self.folder.parent)
        private_folder(self.folder)
        stream = self._new_alive() or self._locked_alive() or self._new_alive()
        if stream is None:
            msg = f"another process records into run {self.key}; wait for it"
            raise MachineError(msg)
        self._drop_torn()
        return stream

    def leave(self, alive: TextIOWrapper) -> None:
        """Say that the run ended."""
        (self.folder / _ALIVE).unlink(missing_ok=True)
        alive.close()

    @contextlib.contextmanager
    def abandoned(self) -> Iterator[float | None]:
        """Hold a run whose process is gone, and leave it when the block succeeds.

        Yields:
            When it last put a record in, in seconds since 1970; None if the run ended
            or its process lives.
        """
        alive = self._locked_alive()
        if alive is None:
            yield None
            return
        with alive:
            yield (self.folder / _ALIVE).stat().st_mtime
            self.leave(alive)

    def _new_alive(self) -> TextIOWrapper | None:
        """Make `alive`, locked from the first moment on; None if it is there."""
        path = self.folder / _ALIVE
        hidden = path.with_name(f".{_ALIVE}-{uuid4().hex}")
        with machine_errors(path):
            stream = hidden.open("x", encoding="utf-8")
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            try:
                path.hardlink_to(hidden)
            except FileExistsError:
                stream.close()
                return None
            finally:
                hidden.unlink()
        return stream

    def _locked_alive(self) -> TextIOWrapper | None:
        """Lock `alive`; None if another process has it, or it is not there to open."""
        path = self.folder / _ALIVE
        with machine_errors(path), contextlib.suppress(FileNotFoundError):
            while True:
                stream = path.open("r+", encoding="utf-8")
                try:
                    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    stream.close()
                    return None
                if _is_same(stream, path):
                    return stream
                stream.close()  # deleted meanwhile by the one who held it
        return None

    def _drop_torn(self) -> None:
        """Delete files of a record that was killed before it appeared."""
        for folder in self.folder.glob(_NUMBERED):
            if not folder.with_suffix(".json").exists():
                shutil.rmtree(folder, ignore_errors=True)  # another may do the same

    def _note_last(self, record: Record) -> None:
        """Keep the number of a record before it goes, so that none is used again."""
        with machine_errors(self.folder / _LAST):
            (self.folder / _LAST).write_text(record.path.stem, encoding="utf-8")

    def _last(self) -> int:
        names = [p.stem for p in self.folder.glob(f"{_NUMBERED}*")]
        with contextlib.suppress(FileNotFoundError):  # read later: see `_note_last`
            names.append((self.folder / _LAST).read_text(encoding="utf-8"))
        return max((int(name) for name in names if name.isdigit()), default=0)

    def _read(self, path: Path) -> Record:
        said = {"kind": "unknown", "value": None, **_read(path)}
        folder = path.with_suffix("")
        names = tuple(said.get("files", ()))
        files = folder if names or folder.is_dir() else None
        return Record(path, said["kind"], said["value"], files, names)


def outboxes(spool: Path) -> list[Outbox]:
    """All runs below a folder, by name."""
    return [Outbox(path.parent) for path in sorted(spool.glob(f"*/{_ABOUT}"))]


def has_abandoned(spool: Path) -> bool:
    """Whether a process that is gone left a run below a folder; changes nothing."""
    found = [box.folder / _ALIVE for box in outboxes(spool)]
    return any(path.exists() and _is_unlocked(path) for path in found)


def _read(path: Path) -> dict[str, Any]:
    """As `read_json`, but the message names the whole path: there are many outboxes."""
    try:
        return read_json(path)
    except ManifestError as error:
        msg = f"{error}; it is {path}: restore it, or delete it to give it up"
        raise ManifestError(msg) from error


def _is_unlocked(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:  # locked, or gone meanwhile, or another user's
        return False
    return True


def _is_same(stream: TextIOWrapper, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(stream.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _write_all(folder: Path, files: Files) -> None:
    try:
        with machine_errors(folder):
            for name, content in files.items():
                _write(folder / name, content)
            for inner in [folder, *folder.rglob("*")]:
                force_to_disk(inner)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _write(target: Path, content: bytes | str | Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, Path):
        shutil.copyfile(content, target)
    elif isinstance(content, str):
        target.write_text(content, encoding="utf-8", newline="\n")
    else:
        target.write_bytes(content)
