"""Which mask file belongs to which scan: by name alone."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from voxray.core.errors import UnreadableScanError
from voxray.core.findings import FindingCode
from voxray.core.ids import Pseudonymizer, readable_scan_name
from voxray.core.records import Finding, QuarantineRow, ScanId
from voxray.ingest.scans import FoundScan, contenders
from voxray.ingest.walk import FoundFile
from voxray.scan_io import FileKind, file_kind

_SUFFIXES = (".nii.gz", ".nii")


@dataclass(frozen=True, slots=True)
class MaskMatch:
    """Masks by scan, and what is left over.

    Attributes:
        masks: Path relative to the mask folder.
        left_over: Files that belong to no scan, and why.
    """

    masks: dict[ScanId, PurePosixPath]
    left_over: dict[PurePosixPath, Finding]


def match_masks(
    folder: Path,
    files: Sequence[FoundFile],
    scans: Sequence[FoundScan],
    scan_files: Iterable[PurePosixPath],
) -> MaskMatch:
    """Match mask files to scans.

    A NIfTI scan's mask has the same relative path, with `.nii` or `.nii.gz`. A DICOM
    series' mask is `<its folder>.nii.gz`, `<its folder>/<SeriesInstanceUID>.nii.gz` or
    `<SeriesInstanceUID>.nii.gz`; the folder alone names no series when it holds two.

    Args:
        folder: Mask folder.
        files: All files in it.
        scans: Good and refused: the mask of a refused scan is not left over.
        scan_files: All files in the scan folder, for the same reason.
    """
    by_name = _by_name(files)
    shared = _shared_folders(scans)
    masks = {
        scan.scan_id: by_name[name][0]
        for scan in scans
        if (name := _mask_name(scan, shared, by_name)) is not None
    }
    claimed = {bare_name(path) for path in scan_files} & by_name.keys()
    used = {*masks.values(), *(by_name[name][0] for name in claimed)}
    left_over = {
        file.path: file.problem or _why_left_over(folder, file.path, shared, used)
        for file in files
        if file.path not in used
    }
    return MaskMatch(masks, left_over)


def left_over_rows(
    left_over: dict[PurePosixPath, Finding], pseudonymizer: Pseudonymizer
) -> list[QuarantineRow]:
    """Rows for mask files that belong to no scan; paths relative to the mask folder."""
    return [
        QuarantineRow(
            path=path,
            series="",
            scan_id=pseudonymizer.scan_id(f"mask/{path}", readable_scan_name(path)),
            code=finding.code,
            detail=finding.detail,
        )
        for path, finding in left_over.items()
    ]


def bare_name(path: PurePosixPath) -> str:
    """Relative path without NIfTI suffixes."""
    text = path.as_posix()
    for suffix in _SUFFIXES:
        if text.lower().endswith(suffix):
            return text[: -len(suffix)]
    return text


def _by_name(files: Sequence[FoundFile]) -> dict[str, list[PurePosixPath]]:
    names: dict[str, list[PurePosixPath]] = defaultdict(list)
    for file in files:
        if file.problem is None:
            names[bare_name(file.path)].append(file.path)
    return dict(names)


def _shared_folders(scans: Sequence[FoundScan]) -> set[PurePosixPath]:
    counts = Counter(s.path for s in contenders(scans) if s.header is not None)
    return {path for path, n in counts.items() if n > 1}


def _mask_name(
    scan: FoundScan,
    shared: set[PurePosixPath],
    by_name: dict[str, list[PurePosixPath]],
) -> str | None:
    names = _possible_names(scan, alone=scan.path not in shared)
    return next((name for name in names if name in by_name), None)


def _possible_names(scan: FoundScan, *, alone: bool) -> list[str]:
    if scan.header is None:
        return [bare_name(scan.path)]
    uid = scan.series_uid
    names = [(scan.path / uid).as_posix(), uid]
    return [*names, scan.path.as_posix()] if alone else names


def _why_left_over(
    folder: Path,
    path: PurePosixPath,
    shared: set[PurePosixPath],
    used: set[PurePosixPath],
) -> Finding:
    name = bare_name(path)
    if name == path.as_posix():
        return _not_nifti(folder / path)
    if PurePosixPath(name) in shared:
        detail = "its folder holds several series; name it by SeriesInstanceUID"
    elif any(PurePosixPath(name + end) in used for end in _SUFFIXES):
        detail = "another mask file has the same name and is used"
    else:
        detail = "no scan of this name"
    return Finding(FindingCode.MASK_WITHOUT_SCAN, detail)


def _not_nifti(path: Path) -> Finding:
    try:
        kind = file_kind(path)
    except UnreadableScanError as error:
        return Finding(FindingCode.MASK_UNREADABLE, error.problem)
    if kind is FileKind.OTHER:
        detail = "in the mask folder, neither NIfTI nor DICOM"
        return Finding(FindingCode.NOT_AN_IMAGE, detail)
    if kind is FileKind.NIFTI:
        return Finding(FindingCode.MASK_WITHOUT_SCAN, "no scan of this name")
    detail = "DICOM masks (SEG, RTSTRUCT) are not read yet; convert it to NIfTI"
    return Finding(FindingCode.MASK_UNREADABLE, detail)
