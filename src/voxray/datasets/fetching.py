"""Bring a data set into the layout the experiments read, from a folder of the user's.

A file that is there already and is the same is kept, so a killed fetch goes on.
"""

import filecmp
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from voxray.core.errors import ConfigError, ScanError
from voxray.core.files import atomic_path
from voxray.core.progress import Listener, Progress, ignore_progress
from voxray.datasets.cards import DataCard, find_card
from voxray.scan_io import read_nifti_grid

_LAYOUTS = (("imagesTr", "labelsTr"), ("images", "labels"))
_SUFFIXES = (".nii.gz", ".nii")


@dataclass(frozen=True, slots=True)
class FetchResult:
    """What came of a fetch.

    Attributes:
        card: What was fetched.
        folder: Holds `images` and `labels`.
        n_images, n_labels, n_pairs: Files, and names that both folders have.
        images_without_label, labels_without_image: Names only one folder has.
        unreadable: Files, relative to `folder`, that are no readable NIfTI volume.
        n_copied: Files that were not there yet, or different.
    """

    card: DataCard
    folder: Path
    n_images: int
    n_labels: int
    n_pairs: int
    images_without_label: tuple[str, ...]
    labels_without_image: tuple[str, ...]
    unreadable: tuple[str, ...]
    n_copied: int


def fetch(
    name: str, to: Path, source: Path | None, listen: Listener = ignore_progress
) -> FetchResult:
    """Copy a data set from `source` into `to/<name>/images` and `labels`.

    Args:
        name: Of a card.
        to: Made when missing.
        source: Folder the user got from the card's page: the published layout, or one
            with `images` and `labels`. None: not downloaded either, so an error.
        listen: Told after each file.

    Returns:
        Counts and what does not fit together; nothing is left out for it.

    Raises:
        ConfigError: If the name is unknown, no source is given, or the source has
            another layout.
        MachineError: If the disk is full or the folder may not be written.
    """
    card = find_card(name)
    parts = _source_folders(card, source)
    folder = to / card.name
    wanted = [
        (file, folder / part / file.name)
        for part, here in parts.items()
        for file in _nifti_files(here)
    ]
    copied, unreadable = _copy_all(card.name, wanted, listen)
    images = {t.name for _, t in wanted if t.parent.name == "images"}
    labels = {t.name for _, t in wanted if t.parent.name == "labels"}
    return FetchResult(
        card=card,
        folder=folder,
        n_images=len(images),
        n_labels=len(labels),
        n_pairs=len(images & labels),
        images_without_label=tuple(sorted(images - labels)),
        labels_without_image=tuple(sorted(labels - images)),
        unreadable=tuple(t.relative_to(folder).as_posix() for t in unreadable),
        n_copied=copied,
    )


def _source_folders(card: DataCard, source: Path | None) -> dict[str, Path]:
    if source is None:
        msg = (
            f"{card.name} is not downloaded by voxray: get it from {card.source} "
            f"({card.licence}), unpack it, and give the folder with --source DIR"
        )
        raise ConfigError(msg)
    if not source.is_dir():
        msg = f"--source {source}: there is no such folder"
        raise ConfigError(msg)
    for root in (source, *_subfolders(source)):
        for images, labels in _LAYOUTS:
            if _nifti_files(root / images) and _nifti_files(root / labels):
                return {"images": root / images, "labels": root / labels}
    msg = f"--source {source} does not look like {card.name}. Expected: {card.layout}"
    raise ConfigError(msg)


def _subfolders(folder: Path) -> Iterable[Path]:
    """Folders one level down: an archive is often unpacked into one."""
    return sorted(path for path in folder.iterdir() if path.is_dir())


def _nifti_files(folder: Path) -> list[Path]:
    """List NIfTI files; names that begin with a dot are leftovers of an archive."""
    if not folder.is_dir():
        return []
    found = (f for f in folder.iterdir() if f.name.endswith(_SUFFIXES) and f.is_file())
    return sorted(file for file in found if not file.name.startswith("."))


def _copy_all(
    name: str, wanted: list[tuple[Path, Path]], listen: Listener
) -> tuple[int, list[Path]]:
    n_copied = 0
    unreadable = []
    for done, (source, target) in enumerate(wanted, start=1):
        n_copied += _copy(source, target)
        if not _is_readable(target):
            unreadable.append(target)
        listen(Progress(f"fetching {name}", done, len(wanted)))
    return n_copied, unreadable


def _copy(source: Path, target: Path) -> bool:
    """Copy whole or not at all; false if the same file is there already."""
    if target.exists() and filecmp.cmp(source, target, shallow=False):
        return False
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)
    return True


def _is_readable(path: Path) -> bool:
    try:
        read_nifti_grid(path, path.name)
    except ScanError:
        return False
    return True
