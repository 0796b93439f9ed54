"""Every file and every volume, once: what became of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from voxray.core.findings import FindingCode
from voxray.core.ids import Pseudonymizer, readable_scan_name
from voxray.core.records import Finding, QuarantineRow
from voxray.ingest.find import Facts
from voxray.ingest.headers import FileFacts
from voxray.ingest.intake import Disposition, FileRow, LinkageRow
from voxray.ingest.listing import Listing
from voxray.ingest.masks import bare_name, left_over_rows
from voxray.ingest.matching import Matched
from voxray.ingest.scans import FoundScan
from voxray.ingest.walk import FoundFile
from voxray.scan_io import FileKind

_OWN_VOLUMES = {FileKind.NIFTI, FileKind.PICTURE}


@dataclass(frozen=True, slots=True)
class Accounts:
    """The tables that stage 1 writes."""

    quarantine: tuple[QuarantineRow, ...]
    files: tuple[FileRow, ...]
    linkage: tuple[LinkageRow, ...]


@dataclass(frozen=True, slots=True)
class _Part:
    """A file's place in a volume; `slice_index` is None for what is not one slice."""

    scan: FoundScan
    slice_index: int | None
    dropped: bool


def account_for(
    listing: Listing,
    facts: Facts,
    scans: Sequence[FoundScan],
    matched: Matched,
    pseudonymizer: Pseudonymizer,
) -> Accounts:
    """Say of each file what it is used for, and of each volume why it is not used.

    A refused series has one row, and each bad file has one.
    """
    parts = _main_parts(scans)
    bad_files = {file.path: file.problem for file in listing.files if file.problem}
    bad_files |= {path: p for path, fact in facts.items() if (p := _own_problem(fact))}
    rows = [_scan_row(scan, scan.refusal) for scan in scans if scan.refusal]
    rows += [
        _file_row(path, problem, parts.get(path), pseudonymizer)
        for path, problem in bad_files.items()
        if path not in listing.set_aside
    ]
    rows += left_over_rows(matched.masks.left_over, pseudonymizer)
    return Accounts(
        quarantine=tuple(sorted(rows, key=_row_order)),
        files=tuple(
            _disposed(
                file,
                listing.set_aside.get(file.path),
                facts.get(file.path),
                parts.get(file.path),
            )
            for file in listing.files
        ),
        linkage=tuple(_linkage(scan, matched) for scan in scans),
    )


def _main_parts(scans: Sequence[FoundScan]) -> dict[PurePosixPath, _Part]:
    """A part per file; of a file in several volumes one that is used, if any is."""
    parts: dict[PurePosixPath, _Part] = {}
    for scan in scans:
        for path, part in _parts(scan):
            before = parts.get(path)
            if before is None or (before.scan.refusal and not scan.refusal):
                parts[path] = part
    return parts


def _parts(scan: FoundScan) -> Iterator[tuple[PurePosixPath, _Part]]:
    one_slice_each = scan.refusal is None and scan.header and not scan.frames
    for k, path in enumerate(scan.files):
        yield path, _Part(scan, k if one_slice_each else None, dropped=False)
    for path in scan.dropped:
        yield path, _Part(scan, None, dropped=True)


def _own_problem(fact: FileFacts) -> Finding | None:
    """What is wrong with a file apart from its volume; a NIfTI file is its volume."""
    return None if fact.kind in _OWN_VOLUMES else fact.problem


def _scan_row(scan: FoundScan, refusal: Finding) -> QuarantineRow:
    return QuarantineRow(
        scan.path, scan.series_uid, scan.scan_id, refusal.code, refusal.detail
    )


def _file_row(
    path: PurePosixPath,
    problem: Finding,
    part: _Part | None,
    pseudonymizer: Pseudonymizer,
) -> QuarantineRow:
    if part is not None:
        scan_id, series = part.scan.scan_id, part.scan.series_uid
    else:
        series = ""
        scan_id = pseudonymizer.scan_id(path.as_posix(), readable_scan_name(path))
    return QuarantineRow(path, series, scan_id, problem.code, problem.detail)


def _row_order(row: QuarantineRow) -> tuple[str, str, str]:
    return row.path.as_posix(), row.series, row.code


def _disposed(
    file: FoundFile,
    aside: Disposition | None,
    fact: FileFacts | None,
    part: _Part | None,
) -> FileRow:
    """Say what became of one file; a link to another file stands for that one."""
    problem = file.problem or (fact.problem if fact else None)
    if aside is not None:
        disposition, code = aside, None
    elif part is not None:
        disposition, code = _part_disposition(part, problem)
    elif problem is not None:
        disposition, code = Disposition.QUARANTINED, problem.code
    elif fact is not None and fact.kind is FileKind.ARCHIVE:
        disposition, code = Disposition.ARCHIVE, None
    else:
        disposition, code = Disposition.DUPLICATE, None
    return FileRow(
        path=file.path,
        kind="link" if file.link else _kind(file, fact),
        size_bytes=file.size_bytes,
        mtime_ns=file.mtime_ns,
        disposition=disposition,
        scan_id=part.scan.scan_id if part else None,
        slice_index=part.slice_index if part else None,
        code=code,
    )


def _part_disposition(
    part: _Part, problem: Finding | None
) -> tuple[Disposition, FindingCode | None]:
    refusal = part.scan.refusal
    if refusal is None and part.dropped:
        return Disposition.DUPLICATE, FindingCode.DUPLICATE_SLICE
    if refusal is None:
        return Disposition.USED, None
    if refusal.code is FindingCode.NOT_SELECTED:
        return Disposition.NOT_SELECTED, refusal.code
    return Disposition.QUARANTINED, problem.code if problem else refusal.code


def _kind(file: FoundFile, fact: FileFacts | None) -> str:
    """By content; of a file that was not opened, by its name."""
    if fact is not None:
        return fact.kind.value
    named_nifti = bare_name(file.path) != file.path.as_posix()
    return (FileKind.NIFTI if named_nifti else FileKind.OTHER).value


def _linkage(scan: FoundScan, matched: Matched) -> LinkageRow:
    header = scan.header
    return LinkageRow(
        scan_id=scan.scan_id,
        patient_id=matched.patients.get(scan.scan_id),
        path=scan.path,
        series_instance_uid=scan.series_uid,
        study_instance_uid=scan.study_uid,
        source_patient=(header.patient_id if header else None) or "",
        source_issuer=(header.issuer_of_patient_id if header else None) or "",
    )
