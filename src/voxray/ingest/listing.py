"""Which files under the scan folder may be scans, and which are masks or tables."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from voxray.core.errors import ConfigError
from voxray.ingest.find import Facts
from voxray.ingest.headers import FileFacts
from voxray.ingest.intake import Disposition, IntakeOptions
from voxray.ingest.walk import FoundFile, folder_of, walk_folder
from voxray.scan_io import FileKind, is_mask_modality


@dataclass(frozen=True, slots=True)
class Listing:
    """Every file of the scan folder and of the mask folder.

    Attributes:
        root: What paths of scan files are relative to.
        files: All under the scan folder, sorted.
        set_aside: Masks and tables among them.
        masks: All under the mask folder, relative to it; empty without one.
    """

    root: Path
    files: tuple[FoundFile, ...]
    set_aside: dict[PurePosixPath, Disposition]
    masks: tuple[FoundFile, ...]

    @property
    def to_read(self) -> tuple[PurePosixPath, ...]:
        """Files that may be scans and may be opened."""
        return tuple(file.path for file in self.may_be_scans)

    @property
    def may_be_scans(self) -> tuple[FoundFile, ...]:
        """Files that are neither links nor set aside, and may be opened."""
        return tuple(
            file
            for file in self.files
            if not file.link and not file.problem and file.path not in self.set_aside
        )

    def with_members(self, members: Iterable[FoundFile]) -> "Listing":
        """The same with files in archives, in order of path."""
        files = sorted([*self.files, *members], key=lambda file: file.path.as_posix())
        return replace(self, files=tuple(files))


def list_files(options: IntakeOptions) -> Listing:
    """Walk the scan folder and the mask folder.

    Raises:
        ConfigError: If a folder is missing.
        MachineError: If a folder inside may not be read.
    """
    root = folder_of(options.scans)
    files = walk_folder(options.scans, "data.scans")
    if options.masks is None:
        return Listing(root, files, _aside(files, _inside(root, None), options), ())
    if _real(options.masks) == _real(root):
        return Listing(root, files, _aside(files, None, options), ())
    masks = walk_folder(options.masks, "data.masks")
    scans_in_masks = _inside(options.masks, root)
    masks = tuple(m for m in masks if not _is_under(m.path, scans_in_masks))
    aside = _aside(files, _inside(root, options.masks), options)
    return Listing(root, files, aside, masks)


def with_dicom_masks(listing: Listing, facts: Facts, options: IntakeOptions) -> Listing:
    """Take DICOM masks beside the scans for masks, if `data.masks` holds the scans.

    Raises:
        ConfigError: If both are one folder and there is no DICOM mask.
    """
    if options.masks is None:
        return listing
    inside = _inside(options.masks, listing.root)
    if inside is None:
        return listing
    found = [f for f in listing.files if f.path in facts and _is_mask(facts[f.path])]
    if inside == PurePosixPath() and not found:
        msg = (
            f"data.masks and data.scans are one folder, {str(listing.root)!r}, and no "
            "file in it is a DICOM mask; NIfTI masks need a folder of their own"
        )
        raise ConfigError(msg)
    return replace(
        listing,
        set_aside=listing.set_aside | {f.path: Disposition.MASK for f in found},
        masks=(*listing.masks, *(replace(f, path=inside / f.path) for f in found)),
    )


def _is_mask(fact: FileFacts) -> bool:
    return fact.header is not None and is_mask_modality(fact.header.modality)


def check_any_scan(listing: Listing, facts: Facts) -> None:
    """Refuse a folder in which there is nothing to take in.

    An archive that cannot be read is something: its finding says why.

    Raises:
        ConfigError: If no file is DICOM or NIfTI.
    """
    if any(_may_hold_scan(facts[path]) for path in listing.to_read):
        return
    n_files = len(listing.files)
    found = f"{n_files} files, none of them DICOM or NIfTI" if n_files else "no file"
    if listing.set_aside:
        found += f" besides {len(listing.set_aside)} masks and tables"
    msg = f"data.scans: {str(listing.root)!r} holds {found}"
    raise ConfigError(msg)


def _may_hold_scan(fact: FileFacts) -> bool:
    if fact.kind is FileKind.ARCHIVE:
        return fact.problem is not None
    return fact.kind is not FileKind.OTHER


def _aside(
    files: tuple[FoundFile, ...], masks: PurePosixPath | None, options: IntakeOptions
) -> dict[PurePosixPath, Disposition]:
    table = options.labels.table if options.labels else None
    table_path = _inside(folder_of(options.scans), table)
    aside = {f.path: Disposition.MASK for f in files if _is_under(f.path, masks)}
    if table_path is not None:
        aside |= {f.path: Disposition.TABLE for f in files if f.path == table_path}
    return aside


def _inside(folder: Path, path: Path | None) -> PurePosixPath | None:
    """Path relative to the folder; None when it is not in it."""
    if path is None or not _real(path).is_relative_to(_real(folder)):
        return None
    return PurePosixPath(_real(path).relative_to(_real(folder)).as_posix())


def _is_under(path: PurePosixPath, folder: PurePosixPath | None) -> bool:
    return folder is not None and path.is_relative_to(folder)


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))
