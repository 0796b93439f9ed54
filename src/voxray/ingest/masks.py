"""Which mask file belongs to which scan: by what a DICOM mask refers to, or by name."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from voxray.core.errors import ScanError
from voxray.core.findings import FindingCode
from voxray.core.ids import Pseudonymizer, readable_scan_name
from voxray.core.records import Finding, QuarantineRow, ScanId
from voxray.ingest.mask_references import Headers, drawn_on, other_place
from voxray.ingest.scans import FoundScan, contenders
from voxray.ingest.walk import FoundFile
from voxray.scan_io import FileKind, MaskReferences, file_kind, read_mask_references

_SUFFIXES = (".nii.gz", ".nii", ".hdr.gz", ".hdr")
_VOXELS_OF_PAIR = (".img.gz", ".img")
_DICOM_SUFFIX = ".dcm"
_FIRST_CHANNEL = "_0000"
"""Ends the name of a scan, and not that of its mask, in data sets for nnU-Net."""


@dataclass(frozen=True, slots=True)
class MaskMatch:
    """Masks by scan, and what is left over.

    Attributes:
        masks: Path relative to the mask folder.
        left_over: Files that belong to no scan, and why.
        refusals: Scans whose mask cannot be told, or lies elsewhere.
    """

    masks: dict[ScanId, PurePosixPath] = field(default_factory=dict)
    left_over: dict[PurePosixPath, Finding] = field(default_factory=dict)
    refusals: dict[ScanId, Finding] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MaskFiles:
    """The files of a mask folder.

    Attributes:
        folder: What `files` are relative to.
        files: All of them.
        scan_files: Of the scan folder, which a mask may have the name of.
    """

    folder: Path
    files: Sequence[FoundFile]
    scan_files: Iterable[PurePosixPath] = ()


def match_masks(
    files: MaskFiles, scans: Sequence[FoundScan], headers: Headers, channel: str
) -> MaskMatch:
    """Match mask files to scans.

    A DICOM mask belongs to the volume whose images its frames or contours name, else
    whose images it lists, else whose series. A mask that refers to no scan is matched
    by name: a NIfTI scan's mask has the same relative path, with `.nii`, `.nii.gz` or
    `.dcm`, and may lack a final `_0000` where no scan is called so; a DICOM series'
    mask is called like its folder, `<its folder>/<SeriesInstanceUID>` or
    `<SeriesInstanceUID>`. The folder alone names no series when it holds two.

    Args:
        files: Of the mask folder.
        scans: Good and refused: the mask of a refused scan is not left over.
        headers: Of DICOM files in the scan folder.
        channel: That masks are for: the first one.
    """
    files = replace(files, files=[f for f in files.files if not _is_part(files, f)])
    references, broken = _dicom_masks(files)
    referring = drawn_on(references, scans, headers, channel)
    by_name = _by_name(files.files, references, referring)
    shared = _shared_folders(scans)
    claimed = {bare_name(path) for path in files.scan_files} & by_name.keys()
    fitting: dict[ScanId, list[PurePosixPath]] = defaultdict(list)
    for path, hits in referring.items():
        for scan in hits:
            fitting[scan.scan_id].append(path)
    for scan in scans:
        fitting[scan.scan_id] += _named_masks(scan, shared, by_name, claimed)
    used = {path for paths in fitting.values() for path in paths}
    used |= {path for name in claimed for path in by_name[name]} - references.keys()
    return MaskMatch(
        masks={s: paths[0] for s, paths in fitting.items() if len(paths) == 1},
        left_over={
            file.path: file.problem
            or broken.get(file.path)
            or _why_left_over(file.path, shared, references)
            for file in files.files
            if file.path not in used
        },
        refusals=_refusals(scans, fitting, referring, references),
    )


def _is_part(files: MaskFiles, file: FoundFile) -> bool:
    """Whether a file holds the voxels of a NIfTI header beside it."""
    named_so = file.path.name.lower().endswith(_VOXELS_OF_PAIR)
    if file.problem is not None or not named_so:
        return False
    with suppress(ScanError):
        return file_kind(files.folder / file.path) is FileKind.NIFTI_PIXELS
    return False


def _dicom_masks(
    files: MaskFiles,
) -> tuple[dict[PurePosixPath, MaskReferences], dict[PurePosixPath, Finding]]:
    """References of DICOM masks, and why other files that are not NIfTI are no masks.

    A file that is named like NIfTI is not opened here.
    """
    references, broken = {}, {}
    for file in files.files:
        if file.problem is None and not _named_nifti(file.path):
            found = _opened(files.folder / file.path)
            if isinstance(found, MaskReferences):
                references[file.path] = found
            elif found is not None:
                broken[file.path] = found
    return references, broken


def _opened(path: Path) -> MaskReferences | Finding | None:
    try:
        kind = file_kind(path)
        if kind is FileKind.DICOM:
            return read_mask_references(path)
    except ScanError as error:
        return Finding(FindingCode.MASK_UNREADABLE, error.problem)
    return None if kind is FileKind.NIFTI else _no_mask(kind)


def _no_mask(kind: FileKind) -> Finding:
    if kind is FileKind.ARCHIVE:
        detail = "an archive; unpack it, or put it among the scans"
        return Finding(FindingCode.MASK_UNREADABLE, detail)
    detail = "in the mask folder, neither NIfTI nor DICOM"
    return Finding(FindingCode.NOT_AN_IMAGE, detail)


def _refusals(
    scans: Sequence[FoundScan],
    fitting: Mapping[ScanId, Sequence[PurePosixPath]],
    referring: Mapping[PurePosixPath, Sequence[FoundScan]],
    references: Mapping[PurePosixPath, MaskReferences],
) -> dict[ScanId, Finding]:
    refusals = {}
    for scan in scans:
        paths = fitting[scan.scan_id]
        n_volumes = max((len(referring.get(path, ())) for path in paths), default=0)
        if len(paths) > 1:
            detail = f"{len(paths)} masks fit it"
            refusals[scan.scan_id] = Finding(FindingCode.MASK_AMBIGUOUS, detail)
        elif n_volumes > 1:
            detail = f"its mask refers to {n_volumes} volumes"
            refusals[scan.scan_id] = Finding(FindingCode.MASK_AMBIGUOUS, detail)
        elif paths and (finding := other_place(scan, references.get(paths[0]))):
            refusals[scan.scan_id] = finding
    return refusals


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


def _named_nifti(path: PurePosixPath) -> bool:
    return bare_name(path) != path.as_posix()


def _by_name(
    files: Sequence[FoundFile],
    references: Mapping[PurePosixPath, MaskReferences],
    referring: Mapping[PurePosixPath, Sequence[FoundScan]],
) -> dict[str, list[PurePosixPath]]:
    """Masks by name without suffix; one that refers to a scan here has no name."""
    names: dict[str, list[PurePosixPath]] = defaultdict(list)
    for file in files:
        if file.problem is None and file.path not in referring:
            name = bare_name(file.path)
            if file.path in references and name.lower().endswith(_DICOM_SUFFIX):
                name = name[: -len(_DICOM_SUFFIX)]
            names[name].append(file.path)
    return dict(names)


def _shared_folders(scans: Sequence[FoundScan]) -> set[PurePosixPath]:
    counts = Counter(s.path for s in contenders(scans) if s.header is not None)
    return {path for path, n in counts.items() if n > 1}


def _named_masks(
    scan: FoundScan,
    shared: set[PurePosixPath],
    by_name: Mapping[str, list[PurePosixPath]],
    claimed: Collection[str],
) -> Iterator[PurePosixPath]:
    for name in _possible_names(scan, claimed, alone=scan.path not in shared):
        yield from by_name.get(name, ())


def _possible_names(
    scan: FoundScan, claimed: Collection[str], *, alone: bool
) -> list[str]:
    if scan.header is None:
        name = bare_name(scan.path)
        without = name.removesuffix(_FIRST_CHANNEL)
        return [name] if name in claimed or without in claimed else [without]
    uid = scan.series_uid
    names = [(scan.path / uid).as_posix(), uid]
    return [*names, scan.path.as_posix()] if alone else names


def _why_left_over(
    path: PurePosixPath,
    shared: set[PurePosixPath],
    references: Iterable[PurePosixPath],
) -> Finding:
    if PurePosixPath(bare_name(path)) in shared:
        detail = "its folder holds several series; name it by SeriesInstanceUID"
    elif path in references:
        detail = "it refers to no scan that is here, and none has its name"
    else:
        detail = "no scan of this name"
    return Finding(FindingCode.MASK_WITHOUT_SCAN, detail)
