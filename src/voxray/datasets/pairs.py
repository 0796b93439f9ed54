"""Scans and masks of a source into the folders that the experiments read."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePosixPath

from voxray.core.errors import ConfigError, ScanError
from voxray.core.progress import Listener, Progress
from voxray.datasets.cards import DecathlonCard, FolderCard
from voxray.datasets.store import put, put_stream
from voxray.datasets.tree import Entry, Tree
from voxray.scan_io import read_nifti_grid, split_nifti

_NIFTI = (".nii.gz", ".nii")
_PICTURES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True, slots=True)
class Copied:
    """What came of copying.

    Attributes:
        n_written: Files that were not there yet, or different.
        n_kept: Files that were there already.
        unreadable: Files, relative to the data set's folder, that are no readable NIfTI
            volume, or have not the channels they should have.
    """

    n_written: int
    n_kept: int
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pairs:
    """What was made of a source.

    Attributes:
        scans: Names of scans. An image with several channels is one, and so is a folder
            of files that have no suffix of their own, as DICOM has.
        masks: Names of masks; a mask belongs to the scan of its name.
    """

    scans: frozenset[str]
    masks: frozenset[str]
    copied: Copied


@dataclass(frozen=True, slots=True)
class _Job:
    """One file of the source."""

    entry: Entry
    folder: str
    case: str
    channels: tuple[str, ...] = ()


def copy_pairs(
    card: DecathlonCard | FolderCard, tree: Tree, folder: Path, listen: Listener
) -> Pairs:
    """Copy scans, masks and the label table; split images with several channels.

    An image of a multi-channel set becomes `images/<case>/<case>_<channel>.nii.gz`.

    Args:
        card: Says which folders.
        tree: Files of the source.
        folder: Made when missing.
        listen: Told after each file.

    Raises:
        ConfigError: If the source has another layout.
        MachineError: If the disk is full or the folder may not be written.
    """
    scans, masks, tables = _find_jobs(card, tree)
    total = len(scans) + len(masks) + len(tables)
    copied = []
    for done, job in enumerate(chain(scans, masks, tables), start=1):
        copied.append(_split(job, folder) if job.channels else _copy(job, folder))
        listen(Progress(f"fetching {card.name}", done, total))
    return Pairs(
        scans=frozenset(job.case for job in scans),
        masks=frozenset(job.case for job in masks),
        copied=_together(copied),
    )


def _find_jobs(
    card: DecathlonCard | FolderCard, tree: Tree
) -> tuple[list[_Job], list[_Job], list[_Job]]:
    """Scans, masks and label tables in the first folder that has all of them."""
    for root in tree.roots():
        if isinstance(card, DecathlonCard):
            found = _decathlon_jobs(card, tree, root)
        else:
            found = _folder_jobs(card, tree, root)
        if found is not None:
            return found
    msg = f"the source does not look like {card.name}. Expected: {card.layout}"
    raise ConfigError(msg)


_Jobs = tuple[list[_Job], list[_Job], list[_Job]]


def _decathlon_jobs(
    card: DecathlonCard, tree: Tree, root: PurePosixPath
) -> _Jobs | None:
    for suffix in ("Tr", ""):
        images = _nifti_files(tree, root / f"images{suffix}")
        labels = _nifti_files(tree, root / f"labels{suffix}")
        if images and labels:
            scans = [_decathlon_scan(card, entry) for entry in images]
            return scans, [_Job(e, "labels", _bare(e.path)) for e in labels], []
    return None


def _decathlon_scan(card: DecathlonCard, entry: Entry) -> _Job:
    """A file below a folder of its case is split already."""
    case = _bare(PurePosixPath(entry.path.parts[0]))
    whole = len(card.channels) == 1 or len(entry.path.parts) > 1
    return _Job(entry, "images", case, () if whole else card.channels)


def _folder_jobs(card: FolderCard, tree: Tree, root: PurePosixPath) -> _Jobs | None:
    scans = tree.files(root / card.images)
    masks = [] if card.masks is None else tree.files(root / card.masks)
    table = None if card.table is None else tree.file(root / card.table)
    if not scans or (card.masks and not masks) or (card.table and not table):
        return None
    return (
        [_Job(entry, card.images, _case(entry.path)) for entry in scans],
        [_Job(entry, card.masks or "", _case(entry.path)) for entry in masks],
        [] if table is None else [_Job(table, str(PurePosixPath(card.table or "").parent), "")],
    )


def _nifti_files(tree: Tree, folder: PurePosixPath) -> list[Entry]:
    return [entry for entry in tree.files(folder) if _is_nifti(entry.path)]


def _is_nifti(path: PurePosixPath) -> bool:
    return path.name.lower().endswith(_NIFTI)


def _bare(path: PurePosixPath) -> str:
    text = path.as_posix()
    for suffix in (*_NIFTI, *_PICTURES):
        if text.lower().endswith(suffix):
            return text[: -len(suffix)]
    return text


def _case(path: PurePosixPath) -> str:
    """Name of the scan that a file is, or is a part of."""
    bare = _bare(path)
    return path.parent.as_posix() if bare == path.as_posix() else bare


def _copy(job: _Job, folder: Path) -> Copied:
    inner = PurePosixPath(job.folder, job.entry.path)
    target = folder / inner
    n_written = int(put_stream(target, job.entry.n_bytes, job.entry.opener))
    is_broken = _is_nifti(inner) and not _is_readable(target)
    return Copied(n_written, 1 - n_written, (inner.as_posix(),) if is_broken else ())


def _is_readable(path: Path) -> bool:
    try:
        read_nifti_grid(path, path.name)
    except ScanError:
        return False
    return True


def _split(job: _Job, folder: Path) -> Copied:
    """Write a file for each channel; the whole file, unread, if it has not as many."""
    with job.entry.opener() as stream:
        content = stream.read()
    try:
        volumes = list(split_nifti(content, job.case))
    except ScanError:
        volumes = []
    if len(volumes) != len(job.channels):
        inner = PurePosixPath(job.folder, job.entry.path)
        n_written = int(put(folder / inner, content))
        return Copied(n_written, 1 - n_written, (inner.as_posix(),))
    case = folder / job.folder / job.case
    n_written = sum(
        put(case / f"{job.case}_{channel}.nii.gz", volume)
        for channel, volume in zip(job.channels, volumes, strict=True)
    )
    return Copied(n_written, len(volumes) - n_written)


def _together(copied: Sequence[Copied]) -> Copied:
    return Copied(
        sum(one.n_written for one in copied),
        sum(one.n_kept for one in copied),
        tuple(chain.from_iterable(one.unreadable for one in copied)),
    )
