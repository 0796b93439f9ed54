"""Downloading one large file over connections that break.

What has come lies in `<name>.part`, and beside it which version of the file it is of,
so that a killed download goes on. A file takes its name only when it is whole and its
checksum is right.
"""

import fcntl
import hashlib
import math
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path

from voxray.core.errors import DatasetError, MachineError, ManifestError
from voxray.core.files import machine_errors, read_json, write_json
from voxray.core.progress import Listener, Progress
from voxray.datasets.cards import RemoteFile
from voxray.datasets.web import Answer, PassingError, RangeError, Version, get

_BLOCK_BYTES = 1 << 20
_MB = 1_000_000
_SUFFIX = ".part"


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long a download tries again.

    Attributes:
        tries: In a row that bring nothing new, before it gives up.
        wait_s: Before the second try; doubled each time.
        longest_s: No wait is longer, whatever the server asks for.
        timeout_s: Longest silence of the server.
    """

    tries: int = 6
    wait_s: float = 1.0
    longest_s: float = 60.0
    timeout_s: float = 60.0

    def wait(self, n_failed: int, asked_s: float | None) -> float:
        """Seconds to wait after a number of failures in a row."""
        own = self.wait_s * 2.0 ** (n_failed - 1)
        return min(max(own, asked_s or 0.0), self.longest_s)


def download(
    remote: RemoteFile, folder: Path, listen: Listener, patience: Patience | None = None
) -> Path:
    """Download a file, or the rest of it, and compare its checksum.

    A file that is there already and has the right checksum is kept. A part whose file
    has changed on the server meanwhile is thrown away.

    Args:
        remote: Without a checksum only the size is compared, if the server gives it.
        folder: Made when missing.
        listen: Told how many megabytes are there.
        patience: By default six tries in a row that bring nothing.

    Returns:
        The file, `folder/<name>`.

    Raises:
        MachineError: If the server is away or refuses, or the disk is full; what came
            is kept, and the next run goes on.
        DatasetError: If the checksum is wrong; nothing is kept.
    """
    target = folder / remote.name
    if target.is_file() and has_checksum(target, remote):
        return target
    patience = patience or Patience()
    with _open_part(target, remote.url) as part:
        in_one_go = _finish(part, listen, patience)
        if not in_one_go and not has_checksum(part.path, remote):
            part.restart(None)  # its pieces may be of two versions
            _finish(part, listen, patience)
        if not has_checksum(part.path, remote):
            part.restart(None)
            msg = (
                f"the checksum of {remote.name} is not the published one: {remote.url} "
                "gives another file, or it was damaged on its way"
            )
            raise DatasetError(msg)
        with machine_errors(target):
            part.path.replace(target)
            part.note.unlink()
    return target


def has_checksum(file: Path, remote: RemoteFile) -> bool:
    """Whether a file has the published checksum; true if none is published."""
    if remote.checksum is None:
        return True
    algorithm, wanted = remote.checksum
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest() == wanted


def _finish(part: "_Part", listen: Listener, patience: Patience) -> bool:
    """Ask until the part is the whole file; true if one answer brought all of it."""
    n_failed = 0
    furthest = part.n_bytes
    in_one_go = furthest == 0
    while True:
        try:
            _continue(part, listen, patience.timeout_s)
        except PassingError as error:
            n_failed = 1 if part.n_bytes > furthest else n_failed + 1
            furthest = max(furthest, part.n_bytes)
            in_one_go = False
            if n_failed >= patience.tries:
                msg = f"{error}; what came of {part.name} is kept, run again later"
                raise MachineError(msg) from error
            time.sleep(patience.wait(n_failed, error.wait_s))
        else:
            return in_one_go


def _continue(part: "_Part", listen: Listener, timeout_s: float) -> None:
    """Ask once for what is missing.

    Raises:
        PassingError: If it is not whole afterwards.
    """
    known = part.version()
    if known is not None and known.n_bytes == part.n_bytes:
        return
    try:
        with get(part.url, part.n_bytes, known, timeout_s) as answer:
            _take(part, answer, listen)
    except RangeError as error:
        part.restart(None)
        msg = f"{part.name} has become shorter on the server; it starts anew"
        raise PassingError(msg) from error
    wanted = answer.version.n_bytes
    if wanted not in {None, part.n_bytes}:
        msg = f"the connection broke after {part.n_bytes} of {wanted} bytes"
        raise PassingError(msg)


def _take(part: "_Part", answer: Answer, listen: Listener) -> None:
    """Append the rest of the same version; begin anew with a whole file."""
    if answer.first_byte == 0:
        part.restart(answer.version)
    elif (answer.first_byte, answer.version) != (part.n_bytes, part.version()):
        part.restart(None)
        msg = f"{part.name} has changed on the server; it starts anew"
        raise PassingError(msg)
    part.check_room(answer.version.n_bytes)
    while block := answer.body.read1(_BLOCK_BYTES):
        part.append(block)
        listen(_progress(part.name, part.n_bytes, answer.version.n_bytes))


def _progress(name: str, n_bytes: int, wanted: int | None) -> Progress:
    total = None if wanted is None else math.ceil(wanted / _MB)
    done = total if n_bytes == wanted else n_bytes // _MB
    return Progress(f"downloading {name}, MB", done or 0, total)


@dataclass(frozen=True, slots=True)
class _Part:
    """The door to what has come so far, held by one process."""

    path: Path
    note: Path
    url: str
    stream: FileIO

    @property
    def name(self) -> str:
        return self.path.name.removesuffix(_SUFFIX)

    @property
    def n_bytes(self) -> int:
        return os.fstat(self.stream.fileno()).st_size

    def version(self) -> Version | None:
        """Of which version of the file it is; None if that is not known."""
        try:
            noted = read_json(self.note)
        except ManifestError:
            return None
        if noted.get("url") != self.url:
            return None
        return Version(noted.get("tag", ""), noted.get("n_bytes"))

    def restart(self, version: Version | None) -> None:
        """Throw away what is there; what comes is of this version."""
        with machine_errors(self.path):
            self.stream.truncate(0)
        if version is not None:
            write_json(self.note, {"url": self.url, **asdict(version)})

    def append(self, block: bytes) -> None:
        with machine_errors(self.path):
            rest = memoryview(block)
            while rest:
                rest = rest[self.stream.write(rest) :]

    def check_room(self, wanted: int | None) -> None:
        """Refuse a file that the disk has no room for, before an hour is spent."""
        missing = (wanted or 0) - self.n_bytes
        free = shutil.disk_usage(self.path.parent).free
        if missing > free:
            msg = (
                f"{self.name} needs {missing / _MB:.0f} MB more, the disk has "
                f"{free / _MB:.0f} MB; make room and run again"
            )
            raise MachineError(msg)


@contextmanager
def _open_part(target: Path, url: str) -> Iterator[_Part]:
    path = target.with_name(target.name + _SUFFIX)
    note = target.with_name(f"{target.name}{_SUFFIX}.json")
    with machine_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab", buffering=0) as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                msg = f"another run downloads {target.name!r}; wait for it"
                raise MachineError(msg) from error
            part = _Part(path, note, url, stream)
            if part.version() is None:
                part.restart(None)
            yield part
