"""The readers that `fuzz_intake.py` calls on damaged files."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from voxray.core.errors import ScanError
from voxray.core.geometry import VoxelGrid
from voxray.core.records import FileFormat, MaskSource, ScanId, ScanSource, Volume
from voxray.ingest.headers import read_facts
from voxray.scan_io import (
    FileKind,
    file_kind,
    list_archive,
    read_dicom_header,
    read_drawing,
    read_mask_references,
    read_nifti_grid,
    read_volume,
)

FORMATS = {
    FileKind.DICOM: FileFormat.DICOM,
    FileKind.NIFTI: FileFormat.NIFTI,
    FileKind.PICTURE: FileFormat.PICTURE,
}
MASK_KINDS = {FileKind.DICOM, FileKind.NIFTI}
_MOST_MEMBERS = 4
_LPS_TO_RAS = np.diag([-1.0, -1.0, 2.0, 1.0])
GRID = VoxelGrid.from_affine("fuzz", (6, 8, 5), _LPS_TO_RAS)
"""Of the scan that the masks among the seeds are drawn on."""


def read_all(path: Path) -> Iterator[str]:
    """Call every reader as the intake does; yield what each came to."""
    kind = file_kind(path)
    facts = read_facts(path)
    yield f"kind {kind.value}, {facts.problem.code if facts.problem else 'good'}"
    frames: tuple[int, ...] = ()
    for read in (read_dicom_header, read_nifti_grid):
        try:
            result: Any = read(path, "fuzz")
            frames = frames or tuple(f.index for f in getattr(result, "frames", ()))
            yield f"{read.__name__}: read"
        except ScanError as error:
            yield f"{read.__name__}: {type(error).__name__}"
    if kind is FileKind.ARCHIVE:
        yield from _members(path)
    if kind in FORMATS:
        files = (path,) * (len(frames) or 1)
        source = ScanSource(ScanId("fuzz"), FORMATS[kind], files, frames)
        yield tried(f"{kind.value} volume", lambda: check(read_volume(source)))
    if kind in MASK_KINDS:
        yield tried("mask references", lambda: read_mask_references(path))
        yield tried(f"{kind.value} mask", lambda: check_mask(path))


def _members(path: Path) -> Iterator[str]:
    """The first members of an archive, read like files."""
    try:
        members = list_archive(path)
    except ScanError as error:
        yield f"archive: {type(error).__name__}"
        return
    yield "archive: listed"
    for member in members[:_MOST_MEMBERS]:
        if member.problem is None:
            yield tried("member", partial(read_member, path / member.name))


def read_member(path: Path) -> None:
    """Raise what is wrong with it."""
    kind = file_kind(path)
    if kind in FORMATS:
        check(read_volume(ScanSource(ScanId("fuzz"), FORMATS[kind], (path,))))


def tried(what: str, read: Callable[[], Any]) -> str:
    """What reading came to; only a scan error is one of ours."""
    try:
        read()
    except ScanError as error:
        return f"{what}: {type(error).__name__}"
    return f"{what}: read"


def check_mask(path: Path) -> None:
    """Raise if what is read is no mask on the grid."""
    drawing = read_drawing(MaskSource(ScanId("fuzz"), path, GRID, {"lesion": 1}))
    labels = drawing.volume.voxels
    if labels.dtype.kind not in "iu" or labels.shape != GRID.shape:
        msg = f"no mask: {labels.dtype} {labels.shape}"
        raise AssertionError(msg)


def check(volume: Volume) -> None:
    """Raise if this is no volume."""
    voxels, grid = volume.voxels, volume.grid
    with np.errstate(all="ignore"):
        determinant = float(np.linalg.det(grid.affine[:3, :3]))
    sound = (
        voxels.dtype == np.float32
        and voxels.ndim == 3
        and voxels.shape == tuple(grid.shape)
        and min(voxels.shape) > 0
        and bool(np.isfinite(grid.affine).all())
        and determinant != 0
    )
    if not sound:
        msg = f"no volume: {voxels.dtype} {voxels.shape}, grid {grid}"
        raise AssertionError(msg)
