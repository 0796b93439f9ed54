"""Files into volumes: one per NIfTI file, one per DICOM series."""

import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from voxray.core.errors import ScanError
from voxray.core.findings import FindingCode
from voxray.core.records import FileFormat, Finding, ScanId
from voxray.core.specs import IntakeRules
from voxray.ingest.choose import why_not
from voxray.ingest.headers import FileFacts
from voxray.ingest.pixels import equal_pixels
from voxray.ingest.scans import FoundScan, judged
from voxray.ingest.stack import Stack, check_stack
from voxray.scan_io import DicomHeader, FileKind

Facts = Mapping[PurePosixPath, FileFacts]


def find_scans(root: Path, facts: Facts, rules: IntakeRules) -> list[FoundScan]:
    """Group files into volumes, order their slices and check how they lie.

    Args:
        root: What paths are relative to.
        facts: What each file is.
        rules: Which scans are wanted, and what their findings mean. A scan that no
            channel wants is not checked further.

    Returns:
        Scans without an id yet; a file that belongs to none is in none.
    """
    series = [
        _series_scan(root, group, rules) for group in series_groups(facts).values()
    ]
    images = [
        _nifti_scan(path, fact, rules)
        for path, fact in facts.items()
        if fact.kind is FileKind.NIFTI
    ]
    return series + images


def series_groups(facts: Facts) -> dict[str, dict[PurePosixPath, DicomHeader]]:
    """Headers by SeriesInstanceUID, whatever folders its files are in."""
    groups: dict[str, dict[PurePosixPath, DicomHeader]] = defaultdict(dict)
    for path, fact in facts.items():
        if fact.header is not None and fact.header.series_instance_uid is not None:
            groups[fact.header.series_instance_uid][path] = fact.header
    return groups


def _nifti_scan(path: PurePosixPath, fact: FileFacts, rules: IntakeRules) -> FoundScan:
    scan = FoundScan(
        scan_id=ScanId(""),
        identity=path.as_posix(),
        format=FileFormat.NIFTI,
        path=path,
        files=(path,),
    )
    return judged(scan, [fact.problem] if fact.problem else [], rules.policy)


def _series_scan(
    root: Path, group: Mapping[PurePosixPath, DicomHeader], rules: IntakeRules
) -> FoundScan:
    paths = sorted(group, key=PurePosixPath.as_posix)
    first = group[paths[0]]
    scan = FoundScan(
        scan_id=ScanId(""),
        identity=f"{first.series_instance_uid}#0",
        format=FileFormat.DICOM,
        path=common_folder(paths),
        files=tuple(paths),
        header=first,
    )
    if reason := why_not(scan, next(iter(rules.channels.values()))):
        return replace(scan, refusal=Finding(FindingCode.NOT_SELECTED, reason))
    stack = _checked(root, paths, [group[path] for path in paths])
    return judged(_in_order(scan, stack), stack.findings, rules.policy)


def _in_order(scan: FoundScan, stack: Stack) -> FoundScan:
    if not stack.order:
        return scan
    return replace(
        scan,
        files=tuple(scan.files[index] for index in stack.order),
        dropped=tuple(scan.files[index] for index in stack.dropped),
    )


def _checked(
    root: Path, paths: list[PurePosixPath], headers: list[DicomHeader]
) -> Stack:
    def same_pixels(one: int, other: int) -> bool:
        return equal_pixels(root / paths[one], root / paths[other])

    try:
        return check_stack(headers, same_pixels)
    except ScanError as error:
        problem = Finding(FindingCode.UNDECODABLE_PIXELS, error.problem)
        return Stack((), (), (problem,))


def common_folder(paths: list[PurePosixPath]) -> PurePosixPath:
    """Nearest folder that holds all files, relative like they are."""
    folders = ["/" + path.parent.as_posix() for path in paths]
    return PurePosixPath(os.path.relpath(os.path.commonpath(folders), "/"))
