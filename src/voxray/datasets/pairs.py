"""Scans and masks of a source into the folders that the experiments read."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
    """One file of the source.

    Attributes:
        target: Where it goes, relative to the data set's folder.
        case: Name of the scan that it is, is a part of, or is the mask of.
        channels: Names of the files that it becomes, beside `target`; () for a copy.
    """

    entry: Entry
    target: PurePosixPath
    case: str = ""
    channels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Which files of a source go where."""

    scans: tuple[_Job, ...]
    masks: tuple[_Job, ...] = ()
    tables: tuple[_Job, ...] = ()


def plan_pairs(card: DecathlonCard | FolderCard, tree: Tree) -> Plan:
    """Find scans, masks and the label table; nothing is written.

    They may lie one folder down, as archives are often packed.

    Args:
        card: Says which folders.
        tree: Files of the source.

    Raises:
        ConfigError: If the source has another layout, or several folders have it.
    """
    at_top = _plan_at(card, tree, PurePosixPath())
    if at_top is not None:
        return at_top
    below = {root: _plan_at(card, tree, root) for root in tree.folders()}
    plans = {root: plan for root, plan in below.items() if plan is not None}
    by_its_name = plans.get(_folder_name(card))
    if by_its_name is not None or len(plans) == 1:
        return by_its_name or next(iter(plans.values()))
    problem = f"{len(plans)} of its folders look" if plans else "it does not look"
    msg = f"the source: {problem} like {card.name}. Expected: {card.layout}"
    raise ConfigError(msg)


def write_pairs(plan: Plan, name: str, folder: Path, listen: Listener) -> Pairs:
    """Copy scans, masks and the label table; split images with several channels.

    Args:
        plan: From `plan_pairs`, while the source is open.
        name: Of the data set, for progress.
        folder: Made when missing.
        listen: Told after each file.

    Raises:
        MachineError: If the disk is full or the folder may not be written.
    """
    jobs = (*plan.scans, *plan.masks, *plan.tables)
    copied = []
    for done, job in enumerate(jobs, start=1):
        copied.append(_split(job, folder) if job.channels else _copy(job, folder))
        listen(Progress(f"fetching {name}", done, len(jobs)))
    return Pairs(
        scans=frozenset(job.case for job in plan.scans),
        masks=frozenset(job.case for job in plan.masks),
        copied=_together(copied),
    )


def _folder_name(card: DecathlonCard | FolderCard) -> PurePosixPath:
    """Name of the folder that its archive unpacks to."""
    packed = card.archive.name if card.archive else card.name
    return PurePosixPath(packed.split(".")[0])


def _plan_at(
    card: DecathlonCard | FolderCard, tree: Tree, root: PurePosixPath
) -> Plan | None:
    if isinstance(card, DecathlonCard):
        return _decathlon_plan(card, tree, root)
    return _folder_plan(card, tree, root)


def _decathlon_plan(
    card: DecathlonCard, tree: Tree, root: PurePosixPath
) -> Plan | None:
    for suffix in ("Tr", ""):
        images = _nifti_files(tree, root / f"images{suffix}")
        labels = _nifti_files(tree, root / f"labels{suffix}")
        if images and labels:
            return Plan(
                tuple(_decathlon_scan(card, entry) for entry in images),
                tuple(_decathlon_mask(card, entry) for entry in labels),
            )
    return None


def _decathlon_scan(card: DecathlonCard, entry: Entry) -> _Job:
    case = _first_part(entry.path)
    if _is_whole(card, entry):
        return _Job(entry, "images" / entry.path, case)
    return _Job(entry, PurePosixPath("images", case, entry.path), case, card.channels)


def _decathlon_mask(card: DecathlonCard, entry: Entry) -> _Job:
    """It lies like the first channel, whose grid it shares."""
    case = _first_part(entry.path)
    if _is_whole(card, entry):
        return _Job(entry, "labels" / entry.path, case)
    suffix = entry.path.name[len(_bare(PurePosixPath(entry.path.name))) :]
    name = f"{case}_{card.channels[0]}{suffix}"
    return _Job(entry, PurePosixPath("labels", case, name), case)


def _is_whole(card: DecathlonCard, entry: Entry) -> bool:
    """Whether a file stays as it is; below a folder of its case it is split already."""
    return len(card.channels) == 1 or len(entry.path.parts) > 1


def _first_part(path: PurePosixPath) -> str:
    return _bare(PurePosixPath(path.parts[0]))


def _folder_plan(card: FolderCard, tree: Tree, root: PurePosixPath) -> Plan | None:
    scans = _jobs_in(card.images, tree, root)
    masks = _jobs_in(card.masks, tree, root)
    table = tree.file(root / card.table) if card.table else None
    missing = {
        "masks": card.masks is not None and not masks,
        "table": card.table is not None and table is None,
    }
    if not scans or any(missing[name] for name in missing.keys() - card.optional):
        return None
    tables = () if table is None else (_Job(table, PurePosixPath(card.table or "")),)
    return Plan(scans, masks, tables)


def _jobs_in(folder: str | None, tree: Tree, root: PurePosixPath) -> tuple[_Job, ...]:
    if folder is None:
        return ()
    entries = tree.files(root / folder)
    return tuple(_Job(e, folder / e.path, _case(e.path)) for e in entries)


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
    target = folder / job.target
    n_written = int(put_stream(target, job.entry.n_bytes, job.entry.opener))
    is_broken = _is_nifti(job.target) and not _is_readable(target)
    unreadable = (job.target.as_posix(),) if is_broken else ()
    return Copied(n_written, 1 - n_written, unreadable)


def _is_readable(path: Path) -> bool:
    try:
        read_nifti_grid(path, path.name)
    except ScanError:
        return False
    return True


def _split(job: _Job, folder: Path) -> Copied:
    """Write a file for each channel; the whole file, if it has not as many."""
    volumes = _volumes(job)
    if len(volumes) != len(job.channels):
        copied = _copy(job, folder)
        return replace(copied, unreadable=(job.target.as_posix(),))
    target = (folder / job.target).parent
    n_written = sum(
        put(target / f"{job.case}_{channel}.nii.gz", volume)
        for channel, volume in zip(job.channels, volumes, strict=True)
    )
    return Copied(n_written, len(volumes) - n_written)


def _volumes(job: _Job) -> list[bytes]:
    with job.entry.opener() as stream:
        try:
            return list(split_nifti(stream, job.case))
        except ScanError:
            return []


def _together(copied: Sequence[Copied]) -> Copied:
    return Copied(
        sum(one.n_written for one in copied),
        sum(one.n_kept for one in copied),
        tuple(chain.from_iterable(one.unreadable for one in copied)),
    )
