"""Folders that voxray writes into: whose they are, and one run at a time in each."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from voxray.core.errors import ConfigError
from voxray.core.files import (
    alone,
    machine_errors,
    private_folder,
    read_json,
    write_json,
)
from voxray.core.specs import Experiment
from voxray.stages.frame import StageContext

IDENTITY_NAME = "experiment.json"
PRIVATE_STAGES = frozenset({"ingest"})
_LOCK_NAME = ".lock"


def stage_folder(context: StageContext, name: str) -> Path:
    """Make the folder of a stage; only its owner may enter a private one (0700)."""
    folder = context.folder / name
    if name in PRIVATE_STAGES:
        return private_folder(folder)
    with machine_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def identity_of(experiment: Experiment, keyed_scans: str) -> dict[str, str]:
    """What an experiment folder is recognised by.

    Args:
        experiment: Whose folder it is.
        keyed_scans: Pseudonym of the scan folder's path, which itself is private.
    """
    return {"experiment": experiment.name, "scans": keyed_scans}


@contextlib.contextmanager
def claimed(
    folder: Path, identity: Mapping[str, str], record: str = IDENTITY_NAME
) -> Iterator[Path]:
    """Use a folder for one purpose, alone, while the block runs.

    When the block fails before it wrote anything, the folder is free again.

    Args:
        folder: Made when absent.
        identity: Compared with what the folder was used for before.
        record: File in the folder that holds the identity.

    Raises:
        ConfigError: If the folder belongs to something else, or holds files that are
            not voxray's. Then nothing was written.
        MachineError: If another process uses it, or it may not be written.
    """
    check_folder(folder, identity, record)
    with machine_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    lock = folder / _LOCK_NAME
    with machine_errors(lock), alone(lock, f"writes into {str(folder)!r}"):
        if not (folder / record).exists():
            write_json(folder / record, dict(identity))
        try:
            yield folder
        except BaseException:
            _release(folder, record)
            raise


def check_outside(folder: Path, scans: Path | None) -> None:
    """Refuse to write below a folder of scans: what is written would be taken in.

    Args:
        folder: To be written into.
        scans: Folder of scans, or one file, or None.

    Raises:
        ConfigError: If `folder` is `scans` or lies in it.
    """
    if scans is None or not scans.is_dir():
        return
    if folder.resolve().is_relative_to(scans.resolve()):
        msg = (
            f"the folder {str(folder)!r} lies in the scan folder {str(scans)!r}: what "
            "is written there would be read as scans; choose one elsewhere"
        )
        raise ConfigError(msg)


def check_folder(folder: Path, identity: Mapping[str, str], record: str) -> None:
    """Refuse a folder that belongs to something else; writes nothing.

    Raises:
        ConfigError: If so, naming what differs.
    """
    if folder.exists() and not folder.is_dir():
        msg = f"{str(folder)!r} is a file, a folder is needed"
        raise ConfigError(msg)
    if not folder.exists():
        return
    if not (folder / record).is_file():
        _check_empty(folder)
        return
    found = read_json(folder / record)
    differing = [key for key, value in identity.items() if found.get(key) != value]
    if differing:
        msg = (
            f"the folder {str(folder)!r} belongs to another experiment (other "
            f"{', '.join(differing)}); choose another name or folder, or delete it"
        )
        raise ConfigError(msg)


def _release(folder: Path, record: str) -> None:
    """Give a folder up in which nothing was written but whose it is."""
    if any(
        p.is_file() and p.name not in {record, _LOCK_NAME} for p in folder.rglob("*")
    ):
        return
    for inner in sorted((p for p in folder.rglob("*") if p.is_dir()), reverse=True):
        inner.rmdir()
    (folder / record).unlink(missing_ok=True)
    (folder / _LOCK_NAME).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


def _check_empty(folder: Path) -> None:
    foreign = sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))
    if foreign:
        msg = (
            f"the folder {str(folder)!r} holds {len(foreign)} files or folders that "
            f"voxray did not write, e.g. {foreign[0]!r}; choose an empty or new one"
        )
        raise ConfigError(msg)
