"""Bring a data set into the layout that the experiments read.

From a folder or file of the user's, or from its server. A file that is there already
and is the same is kept, so a killed fetch goes on.
"""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from voxray.core.errors import ConfigError
from voxray.core.files import write_text
from voxray.core.progress import Listener, ignore_progress
from voxray.datasets.cards import DataCard, DecathlonCard, FolderCard, NpzCard
from voxray.datasets.catalogue import Wanted, find_wanted
from voxray.datasets.contents import (
    EXPERIMENT_FILE,
    Checksum,
    Contents,
    check_free,
    claimed,
    read_contents,
    write_contents,
)
from voxray.datasets.download import Patience, download, has_checksum
from voxray.datasets.npz_scans import read_splits, write_npz_scans
from voxray.datasets.pairs import Pairs, plan_pairs, write_pairs
from voxray.datasets.starter import starter_experiment
from voxray.datasets.tree import open_tree

_DOWNLOADS = ".download"
_WITHOUT_TEST = "_trainval.npz"


@dataclass(frozen=True, slots=True)
class FetchResult:
    """What came of a fetch.

    Attributes:
        card: What was fetched.
        folder: Where it is.
        experiment: The file to run it with; the user's own if there was one.
        n_written: Files that were not there yet, or different.
        n_kept: Files that were there already; None if it was complete, and no file
            was compared.
    """

    card: DataCard
    folder: Path
    experiment: Path
    contents: Contents
    n_written: int
    n_kept: int | None


@dataclass(frozen=True, slots=True)
class _Job:
    wanted: Wanted
    source: Path
    checksum: Checksum
    folder: Path
    listen: Listener


def fetch(
    name: str,
    to: Path,
    source: Path | None = None,
    listen: Listener = ignore_progress,
    patience: Patience | None = None,
) -> FetchResult:
    """Bring a data set into `to/<name>`.

    Args:
        name: As `find_wanted` takes it.
        to: Made when missing.
        source: Folder or file that holds the data set; None to download it, unless it
            is there already.
        listen: Told how far it is.
        patience: Of a download.

    Raises:
        ConfigError: If there is no such data set, the source is another one, or the
            folder holds something else.
        DatasetError: If what was downloaded is not the published file.
        MachineError: If the disk is full, or the server is away; what came is kept.
    """
    wanted = find_wanted(name)
    folder = to / wanted.name
    check_free(folder, wanted.name)
    if source is None and (contents := read_contents(folder)):
        return _result(wanted, folder, contents, (0, None))
    with _at_hand(wanted, source, folder, listen, patience) as (path, checksum):
        job = _Job(wanted, path, checksum, folder, listen)
        contents, n_written, n_kept = _bring(job)
    write_contents(folder, wanted.name, wanted.card, contents)
    return _result(wanted, folder, contents, (n_written, n_kept))


def _result(
    wanted: Wanted, folder: Path, contents: Contents, files: tuple[int, int | None]
) -> FetchResult:
    experiment = folder / EXPERIMENT_FILE
    if not experiment.exists():
        text = starter_experiment(wanted.card, wanted.name, contents.splits)
        write_text(experiment, text)
    return FetchResult(wanted.card, folder, experiment, contents, *files)


@contextlib.contextmanager
def _at_hand(
    wanted: Wanted,
    source: Path | None,
    folder: Path,
    listen: Listener,
    patience: Patience | None,
) -> Iterator[tuple[Path, Checksum]]:
    """The file or folder to read, and whether it is the published one.

    A download is thrown away at the end, and kept if something goes wrong.
    """
    if source is not None:
        path = _find_source(wanted, source)
        yield path, _compare(wanted, path)
        return
    if wanted.remote is None:
        page = f", see {wanted.card.source}" if wanted.card.source else ""
        msg = (
            f"voxray knows no address of the files of {wanted.name}{page}; name the "
            "folder that holds them with --source"
        )
        raise ConfigError(msg)
    downloads = folder / _DOWNLOADS
    file = download(wanted.remote, downloads, listen, patience)
    yield file, Checksum.VERIFIED if wanted.remote.checksum else Checksum.UNVERIFIED
    shutil.rmtree(downloads, ignore_errors=True)


def _find_source(wanted: Wanted, source: Path) -> Path:
    """The published file in a folder, or one without a test split; or the folder."""
    if not source.exists():
        msg = f"--source {source}: there is no such folder or file"
        raise ConfigError(msg)
    if source.is_file() or wanted.remote is None:
        return source
    name = wanted.remote.name
    names = (name, name.removesuffix(".npz") + _WITHOUT_TEST)
    found = [source / n for n in names if (source / n).is_file()]
    if found:
        return found[0]
    if isinstance(wanted.card, NpzCard):
        msg = f"--source {source}: it holds neither {names[0]} nor {names[1]}"
        raise ConfigError(msg)
    return source


def _compare(wanted: Wanted, path: Path) -> Checksum:
    if path.is_dir():
        return Checksum.FOLDER
    if wanted.remote is None or wanted.remote.checksum is None:
        return Checksum.UNVERIFIED
    same = has_checksum(path, wanted.remote)
    return Checksum.VERIFIED if same else Checksum.DIFFERENT


def _bring(job: _Job) -> tuple[Contents, int, int]:
    """Contents, files written and files kept."""
    card = job.wanted.card
    if isinstance(card, NpzCard):
        return _bring_npz(card, job)
    return _bring_files(card, job)


def _bring_npz(card: NpzCard, job: _Job) -> tuple[Contents, int, int]:
    pixels = job.wanted.pixels or min(card.files)
    splits = read_splits(card, pixels, job.source)
    with claimed(job.folder, job.wanted.name, card):
        n_written = write_npz_scans(card, splits, job.source, job.folder, job.listen)
    by_name = {split.name: split.n for split in splits}
    contents = Contents(
        checksum=job.checksum,
        n_scans=sum(by_name.values()),
        splits=by_name,
        missing_splits=tuple(name for name in card.splits if name not in by_name),
    )
    return contents, n_written, contents.n_scans + 1 - n_written


def _bring_files(
    card: DecathlonCard | FolderCard, job: _Job
) -> tuple[Contents, int, int]:
    with open_tree(job.source) as tree:
        plan = plan_pairs(card, tree)
        with claimed(job.folder, job.wanted.name, card):
            pairs = write_pairs(plan, card.name, job.folder, job.listen)
    contents = _paired(job.checksum, pairs)
    return contents, pairs.copied.n_written, pairs.copied.n_kept


def _paired(checksum: Checksum, pairs: Pairs) -> Contents:
    if not pairs.masks:
        return Contents(checksum, len(pairs.scans), unreadable=pairs.copied.unreadable)
    return Contents(
        checksum=checksum,
        n_scans=len(pairs.scans),
        n_pairs=len(pairs.scans & pairs.masks),
        scans_without_mask=tuple(sorted(pairs.scans - pairs.masks)),
        masks_without_scan=tuple(sorted(pairs.masks - pairs.scans)),
        unreadable=pairs.copied.unreadable,
    )
