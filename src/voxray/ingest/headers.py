"""What every file says of itself; pixels are not read."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from voxray.core.errors import GeometryError, ScanError, VoxrayError
from voxray.core.findings import FindingCode
from voxray.core.geometry import VoxelGrid
from voxray.core.progress import Listener
from voxray.core.records import Finding
from voxray.executor import map_tasks
from voxray.ingest.images import picture_findings, size_findings
from voxray.ingest.stack import MAX_SHEAR_DEGREES
from voxray.scan_io import (
    DicomHeader,
    FileKind,
    file_kind,
    read_dicom_header,
    read_nifti_doubt,
    read_nifti_grid,
)

_CHUNK = 64
"""Files sent to a process at once: one header takes less time than sending it."""
_WORTH_WORKERS = 2000
"""Files; starting a process takes as long as reading about a thousand headers."""
_DIMENSIONS = 3
_DIRECTORY_NAME = "DICOMDIR"  # PS3.10 8.6: this name and no other
_SCAN_SUFFIXES = (".dcm", ".nii", ".nii.gz")


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What one file is.

    Attributes:
        header: Of a DICOM file that belongs to a series.
        problem: What is wrong with this file alone; a truncated DICOM file may have a
            header and a problem.
        findings: What else is to be known of it.
        grid: Of a NIfTI file that can be placed.
        n_volumes: Along the fourth axis of a NIfTI file.
    """

    kind: FileKind
    header: DicomHeader | None = None
    problem: Finding | None = None
    findings: tuple[Finding, ...] = ()
    grid: VoxelGrid | None = None
    n_volumes: int = 1


def read_headers(
    root: Path, paths: Iterable[PurePosixPath], workers: int, listen: Listener
) -> dict[PurePosixPath, FileFacts]:
    """Read the header of every file, in parallel."""
    places = {root / path: path for path in paths}
    results = map_tasks(
        read_facts,
        list(places),
        workers=workers if len(places) >= _WORTH_WORKERS else 1,
        task="reading headers",
        listen=listen,
        chunk=_CHUNK,
    )
    return {
        places[path]: _unread(result) if isinstance(result, VoxrayError) else result
        for path, result in results
    }


def read_facts(path: Path) -> FileFacts:
    """Read one file's header. Whatever is wrong with it is a fact, not an error."""
    try:
        return _facts(path, file_kind(path))
    except ScanError as error:
        return _unread(error)


def _facts(path: Path, kind: FileKind) -> FileFacts:
    match kind:
        case FileKind.DICOM:
            return _dicom_facts(path)
        case FileKind.NIFTI:
            return _nifti_facts(path)
        case FileKind.PICTURE:
            problem, findings = picture_findings(path)
            return FileFacts(kind, problem=problem, findings=findings)
        case FileKind.NIFTI_PIXELS:
            return _no_image(kind, "the voxels of the NIfTI header beside it")
        case FileKind.OTHER | FileKind.ARCHIVE:
            return _no_image(kind, _other_detail(path))


def _dicom_facts(path: Path) -> FileFacts:
    if path.name.upper() == _DIRECTORY_NAME:
        return _no_image(FileKind.DICOM, "a DICOMDIR: a list of files")
    return dicom_facts(read_dicom_header(path))


def _no_image(kind: FileKind, detail: str) -> FileFacts:
    return FileFacts(kind, problem=Finding(FindingCode.NOT_AN_IMAGE, detail))


def _other_detail(path: Path) -> str:
    detail = "neither DICOM nor NIfTI nor picture by its content"
    if path.name.lower().endswith(_SCAN_SUFFIXES):
        detail += ", although it is named like one; it may be empty or cut off"
    return detail


def dicom_facts(header: DicomHeader) -> FileFacts:
    """Judge one DICOM header apart from its series."""
    kind = FileKind.DICOM
    if header.truncated:
        detail = "the file ends before its pixels do"
        problem = Finding(FindingCode.TRUNCATED_FILE, detail)
        known = header if header.series_instance_uid is not None else None
        return FileFacts(kind, known, problem)
    if header.series_instance_uid is not None:
        return FileFacts(kind, header)
    detail = "the header has no SeriesInstanceUID; the file may be cut off"
    return FileFacts(kind, problem=Finding(FindingCode.UNREADABLE_FILE, detail))


def _unread(error: VoxrayError) -> FileFacts:
    detail = error.problem if isinstance(error, ScanError) else str(error)
    return FileFacts(
        FileKind.OTHER, problem=Finding(FindingCode.UNREADABLE_FILE, detail)
    )


def _nifti_facts(path: Path) -> FileFacts:
    kind = FileKind.NIFTI
    try:
        grid, dimensions = read_nifti_grid(path, "-")
        doubt = read_nifti_doubt(path, "-")
    except GeometryError as error:
        problem = Finding(FindingCode.MISSING_GEOMETRY, error.problem)
        return FileFacts(kind, problem=problem)
    except ScanError as error:
        problem = Finding(FindingCode.UNREADABLE_FILE, error.problem)
        return FileFacts(kind, problem=problem)
    if wrong := dimension_problem(dimensions):
        return FileFacts(kind, problem=wrong, grid=grid)
    n_volumes = int((*dimensions, 1, 1, 1, 1)[_DIMENSIONS])
    return FileFacts(
        kind,
        problem=shear_problem(grid),
        grid=grid,
        n_volumes=n_volumes,
        findings=(Finding(FindingCode.NO_GEOMETRY, doubt),) if doubt else (),
    )


def dimension_problem(dimensions: tuple[int, ...]) -> Finding | None:
    """Say why a NIfTI image of these sizes holds no volumes or planes."""
    n_vectors = int(np.prod(dimensions[_DIMENSIONS + 1 :], dtype=np.int64))
    sizes = " x ".join(str(n) for n in dimensions)
    if n_vectors != 1:
        detail = f"{n_vectors} values beyond space and time ({sizes})"
    elif max(dimensions[:_DIMENSIONS], default=0) <= 1:
        detail = f"no dimension above 1 ({sizes})"
    else:
        return next(iter(size_findings(dimensions[:_DIMENSIONS])), None)
    return Finding(FindingCode.NOT_A_VOLUME, detail)


def shear_problem(grid: VoxelGrid) -> Finding | None:
    """Say by how much the axes of a grid miss a right angle, beyond rounding."""
    unit = grid.affine[:3, :3] / np.linalg.norm(grid.affine[:3, :3], axis=0)
    cosines = np.abs(unit.T @ unit - np.eye(_DIMENSIONS))
    angle = float(np.degrees(np.arcsin(min(cosines.max(), 1.0))))
    if angle <= MAX_SHEAR_DEGREES:
        return None
    detail = f"axes miss a right angle by {angle:.1f} degrees"
    return Finding(FindingCode.SHEARED_AFFINE, detail)
