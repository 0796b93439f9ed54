"""What only the voxels tell: read once per scan, and nothing of them is kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voxray.core.errors import GeometryError, ScanError, TooLargeError
from voxray.core.findings import FindingCode
from voxray.core.geometry import VoxelGrid
from voxray.core.hashing import sha256_pixels
from voxray.core.records import (
    FileFormat,
    Finding,
    ScanId,
    ScanSource,
    Sha256,
)
from voxray.ingest.burned_in import text_finding
from voxray.ingest.looks import Look, SliceRanges, look_at, slice_ranges
from voxray.ingest.mask_checks import mask_findings
from voxray.ingest.quality import quality_findings
from voxray.ingest.thumbnails import Portrayal, thumbnail_name, write_thumbnail
from voxray.scan_io import DicomHeader, read_volume


@dataclass(frozen=True, slots=True)
class PixelTask:
    """One scan to read, with its mask.

    Attributes:
        mask: None without one.
        mask_values: By class; empty for any.
        may_hold_text: Whether letters in the pixels are looked for.
        burned_in: What the header says of letters in the pixels.
        thumbnails: Folder that gets a small picture; None for none.
        shown: What of the scan it may show.
        headers: Of each DICOM file, where they are known; not read again then.
    """

    source: ScanSource
    mask: Path | None = None
    mask_values: Mapping[str, int] = field(default_factory=dict)
    may_hold_text: bool = False
    burned_in: bool | None = None
    thumbnails: Path | None = None
    shown: Portrayal = Portrayal.NOTHING
    headers: tuple[DicomHeader, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class PixelFacts:
    """What the voxels of one scan, and of its mask, tell.

    Attributes:
        grid: None when the scan could not be read.
        findings: In the order they were seen.
        look: Of voxels that are finite and not all equal; None else.
    """

    grid: VoxelGrid | None
    sha256: Sha256 | None
    findings: tuple[Finding, ...]
    look: Look | None = None


def inspect_pixels(task: PixelTask) -> PixelFacts:
    """Read a scan and its mask; whatever is wrong with them is a finding."""
    try:
        volume = read_volume(task.source, task.headers)
    except ScanError as error:
        return unread(Finding(_unread_code(error, task.source.format), error.problem))
    ranges = slice_ranges(volume.voxels)
    problem = _value_problem(volume.voxels, ranges)
    if problem is not None:
        return PixelFacts(volume.grid, None, (problem,))
    findings = (
        *quality_findings(volume.voxels, ranges),
        *_text(task, volume.voxels),
        *_of_mask(task, volume.grid),
    )
    digest = sha256_pixels(volume.voxels, volume.grid)
    if task.thumbnails is not None and not _holds_text(findings):
        name = thumbnail_name(task.source.scan_id, digest, task.shown)
        write_thumbnail(volume, task.shown, task.thumbnails / name)
    return PixelFacts(
        grid=volume.grid,
        sha256=digest,
        findings=findings,
        look=look_at(volume.voxels, volume.grid, ranges),
    )


def _text(task: PixelTask, voxels: NDArray[np.generic]) -> tuple[Finding, ...]:
    if not (task.may_hold_text or task.burned_in):
        return ()
    finding = text_finding(voxels, stated=task.burned_in)
    return () if finding is None else (finding,)


def _holds_text(findings: tuple[Finding, ...]) -> bool:
    return any(f.code is FindingCode.BURNED_IN_TEXT for f in findings)


def _of_mask(task: PixelTask, grid: VoxelGrid) -> tuple[Finding, ...]:
    if task.mask is None:
        return ()
    return mask_findings(task.mask, task.source.scan_id, grid, task.mask_values)


def unread(problem: Finding) -> PixelFacts:
    """Facts of a scan whose voxels are out of reach."""
    return PixelFacts(None, None, (problem,))


def _unread_code(error: ScanError, stored_as: FileFormat) -> FindingCode:
    """A NIfTI file whose header was good ends too early, or its gzip is broken."""
    if isinstance(error, GeometryError):
        return FindingCode.MISSING_GEOMETRY
    if isinstance(error, TooLargeError):
        return FindingCode.TOO_LARGE
    match stored_as:
        case FileFormat.DICOM | FileFormat.PICTURE:
            return FindingCode.UNDECODABLE_PIXELS
        case FileFormat.NIFTI:
            return FindingCode.TRUNCATED_FILE


def _value_problem(voxels: NDArray[np.generic], ranges: SliceRanges) -> Finding | None:
    low, high = ranges.low, ranges.high
    if not (np.isfinite(low) and np.isfinite(high)):
        n_bad = voxels.size - int(np.isfinite(voxels).sum())
        detail = f"{n_bad} of {voxels.size} voxels are NaN or infinite"
        return Finding(FindingCode.NOT_FINITE, detail)
    if low == high:
        return Finding(FindingCode.CONSTANT_IMAGE, f"every voxel is {low:g}")
    return None


SliceFile = tuple[Path, int | None]
"""A file, and which frame of it; None for a file of one."""


def equal_pixels(one: SliceFile, other: SliceFile) -> bool:
    """Whether two DICOM slices hold the same values after modality rescale.

    Raises:
        ScanError: If one of them cannot be decoded.
    """
    return np.array_equal(_slice_voxels(*one), _slice_voxels(*other))


def _slice_voxels(path: Path, frame: int | None) -> NDArray[np.generic]:
    frames = () if frame is None else (frame,)
    source = ScanSource(ScanId("-"), FileFormat.DICOM, (path,), frames)
    return read_volume(source).voxels
