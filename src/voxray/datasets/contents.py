"""What a fetched data set holds, and the record of it beside the files."""

import fcntl
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

from voxray.core.errors import ConfigError, MachineError, ManifestError
from voxray.core.files import machine_errors, read_json, write_json
from voxray.datasets.cards import DataCard

RECORD_FILE = "data_set.json"
EXPERIMENT_FILE = "experiment.yaml"
_LOCK = ".lock"
_TEMPORARY = re.compile(r"\.[0-9a-f]{8}-.+")
"""Names that `core.files.atomic_path` gives."""
_FACTS = ("title", "licence", "citation", "origin", "source")


class Checksum(StrEnum):
    """How a source compares with what its publisher says of it."""

    VERIFIED = "verified"
    DIFFERENT = "not the published file"
    UNVERIFIED = "unverified: none is published"
    FOLDER = "unverified: a folder"


@dataclass(frozen=True, slots=True)
class Contents:
    """What a fetched data set holds.

    Attributes:
        checksum: Of the source.
        n_scans: Images; one with several channels counts once.
        n_pairs: Scans with a mask; None where the data set has no masks.
        splits: Scans by published split, where there are such.
        missing_splits: Published splits that the source does not hold.
        scans_without_mask, masks_without_scan: Names.
        unreadable: Files, relative to the folder, that are no readable NIfTI volume,
            or have not the channels that they should have.
    """

    checksum: Checksum
    n_scans: int
    n_pairs: int | None = None
    splits: Mapping[str, int] = field(default_factory=dict)
    missing_splits: tuple[str, ...] = ()
    scans_without_mask: tuple[str, ...] = ()
    masks_without_scan: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()


@contextmanager
def claimed(folder: Path, name: str, card: DataCard) -> Iterator[None]:
    """Note whose folder it is, before the first file is written, and hold it.

    What a killed run left half-written is removed.

    Raises:
        ConfigError: If something else lies there.
        MachineError: If the folder may not be written, or another run writes there.
    """
    check_free(folder, name)
    lock = folder / _LOCK
    with machine_errors(lock):
        folder.mkdir(parents=True, exist_ok=True)
        stream = lock.open("ab")
    with stream:
        _hold(stream, folder)
        for path in folder.rglob(".*"):
            if _TEMPORARY.fullmatch(path.name):
                path.unlink()
        _write_record(folder, name, card, {"complete": False})
        yield
        lock.unlink()


def check_free(folder: Path, name: str) -> None:
    """Check that a folder is free for a data set, or holds it already.

    Raises:
        ConfigError: If something else lies there.
    """
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not nearest.is_dir():
        msg = f"{str(nearest)!r} is a file, not a folder to put {name} into"
        raise ConfigError(msg)
    noted = _read_record(folder)
    if noted.get("name") == name or not (folder.exists() and _has_content(folder)):
        return
    there = noted.get("name")
    what = f"the data set {there!r}" if there else "files that no fetch has written"
    msg = (
        f"{str(folder)!r} holds {what}; give another folder with --to, or move it away"
    )
    raise ConfigError(msg)


def write_contents(folder: Path, name: str, card: DataCard, contents: Contents) -> None:
    """Note that a data set is complete, and what it holds."""
    state = {"complete": True, "contents": asdict(contents), "stock": _stock(folder)}
    _write_record(folder, name, card, state)


def read_contents(folder: Path) -> Contents | None:
    """What a complete data set holds.

    Returns:
        None if it is not complete, or files were added, lost or cut since.
    """
    noted = _read_record(folder)
    if not noted.get("complete") or noted.get("stock") != _stock(folder):
        return None
    held = noted["contents"]
    lists = {key: tuple(value) for key, value in held.items() if type(value) is list}
    return Contents(**{**held, **lists, "checksum": Checksum(held["checksum"])})


def _hold(stream: IO[bytes], folder: Path) -> None:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        msg = f"another run fetches into {folder.name!r}; wait for it"
        raise MachineError(msg) from error


def _write_record(
    folder: Path, name: str, card: DataCard, state: Mapping[str, object]
) -> None:
    facts = {key: getattr(card, key) for key in _FACTS}
    write_json(folder / RECORD_FILE, {"name": name, **facts, **state})


def _read_record(folder: Path) -> dict[str, Any]:
    try:
        return read_json(folder / RECORD_FILE)
    except ManifestError:
        return {}


def _stock(folder: Path) -> dict[str, int]:
    """Number and bytes of the files of the data set itself."""
    sizes = [
        path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file() and not _is_own(path.relative_to(folder))
    ]
    return {"files": len(sizes), "bytes": sum(sizes)}


def _has_content(folder: Path) -> bool:
    return any(not _is_own(Path(path.name)) for path in folder.iterdir())


def _is_own(path: Path) -> bool:
    """Whether a fetch put it there besides the data set; a download is hidden."""
    return path.parts[0].startswith(".") or str(path) in {RECORD_FILE, EXPERIMENT_FILE}
