"""What every file says of itself; pixels are not read."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from voxray.core.errors import GeometryError, ScanError, VoxrayError
from voxray.core.findings import FindingCode
from voxray.core.geometry import VoxelGrid
from voxray.core.progress import Listener
from voxray.core.records import Finding
from voxray.executor import get_ready, map_tasks
from voxray.ingest.codec import Codec
from voxray.ingest.images import picture_findings, size_findings
from voxray.ingest.index import Index
from voxray.ingest.stack import MAX_SHEAR_DEGREES
from voxray.ingest.walk import FoundFile
from voxray.scan_io import (
    DicomHeader,
    FileKind,
    inspect,
    read_dicomdir,
    read_nifti_doubt,
    read_nifti_grid,
)

_CHUNK = 64
"""Files sent to a process at once: one header takes less time than sending it."""
_WORTH_WORKERS = 20_000
"""Files; loading the readers takes as long as reading about 5,000 headers."""
_WORTH_LOADING = 200
"""Files; when fewer are new, there may be no voxels to read."""
_DIMENSIONS = 3
_DIRECTORY_NAME = "DICOMDIR"  # PS3.10 8.6: this name and no other
_DIRECTORY_CLASS = "1.2.840.10008.1.3.10"  # Media Storage Directory
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
        listed: Of a DICOMDIR, the files it names, relative to its folder.
    """

    kind: FileKind
    header: DicomHeader | None = None
    problem: Finding | None = None
    findings: tuple[Finding, ...] = ()
    grid: VoxelGrid | None = None
    n_volumes: int = 1
    listed: tuple[str, ...] = field(default=(), repr=False)


_CODEC = Codec(FileFacts)


def read_headers(
    root: Path,
    files: Sequence[FoundFile],
    workers: int,
    listen: Listener,
    index: Index,
) -> dict[PurePosixPath, FileFacts]:
    """Read the header of every file that the index does not know, in parallel."""
    known = index.known_files(files, _CODEC)
    unknown = [file for file in files if file.path not in known]
    if len(unknown) >= _WORTH_LOADING:
        get_ready(read_facts, workers)  # for the voxels, while headers are read here
    results = map_tasks(
        partial(_read_below, root),
        [file.path.as_posix() for file in unknown],
        workers=workers if len(unknown) >= _WORTH_WORKERS else 1,
        task="reading headers",
        listen=listen,
        chunk=_CHUNK,
    )
    for file, (_, result) in zip(unknown, results, strict=True):
        facts = _unread(result) if isinstance(result, VoxrayError) else result
        known[file.path] = facts
        if not _may_pass(facts):
            index.remember_file(file, _CODEC.to_text(facts))
    return {file.path: known[file.path] for file in files}


def _may_pass(facts: FileFacts) -> bool:
    """Whether a file may be readable the next time, though it has not changed."""
    problem = facts.problem
    return problem is not None and problem.code is FindingCode.UNREADABLE_FILE


def _read_below(root: Path, name: str) -> FileFacts:
    return read_facts(root / name)


def read_facts(path: Path) -> FileFacts:
    """Read one file's header. Whatever is wrong with it is a fact, not an error."""
    try:
        kind, header = inspect(path)
        return _facts(path, kind, header)
    except ScanError as error:
        return _unread(error)


def _facts(path: Path, kind: FileKind, header: DicomHeader | None) -> FileFacts:
    if header is not None:
        return _dicom_facts(path, header)
    match kind:
        case FileKind.NIFTI:
            facts = _nifti_facts(path)
        case FileKind.PICTURE:
            problem, findings = picture_findings(path)
            facts = FileFacts(kind, problem=problem, findings=findings)
        case FileKind.NIFTI_PIXELS:
            facts = _no_image(kind, "the voxels of the NIfTI header beside it")
        case FileKind.ARCHIVE:
            facts = FileFacts(kind)
        case _:  # DICOM has a header
            facts = _no_image(kind, _other_detail(path))
    return facts


def _dicom_facts(path: Path, header: DicomHeader) -> FileFacts:
    named = path.name.upper() == _DIRECTORY_NAME
    if not named and header.sop_class_uid != _DIRECTORY_CLASS:
        return dicom_facts(header)
    problem = Finding(FindingCode.NOT_AN_IMAGE, "a DICOMDIR: a list of files")
    return FileFacts(FileKind.DICOM, problem=problem, listed=read_dicomdir(path))


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
