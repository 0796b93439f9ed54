"""Files into volumes: one or more per DICOM series, NIfTI file or picture."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from voxray.core.errors import ScanError
from voxray.core.findings import FindingCode
from voxray.core.records import FileFormat, Finding, ScanId
from voxray.core.specs import IntakeRules
from voxray.ingest.choose import unwanted
from voxray.ingest.headers import FileFacts
from voxray.ingest.images import image_findings, kind_findings
from voxray.ingest.pixels import equal_pixels
from voxray.ingest.scans import FoundScan, judged
from voxray.ingest.series_checks import check_series
from voxray.ingest.split import Part, split_series
from voxray.ingest.stack import Stack, check_stack
from voxray.scan_io import DicomHeader, FileKind, is_plane

Facts = Mapping[PurePosixPath, FileFacts]


@dataclass(frozen=True, slots=True)
class _Slice:
    """One slice of a series: a file, or a frame of one."""

    path: PurePosixPath
    header: DicomHeader


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
        scan
        for group in series_groups(facts).values()
        for scan in _series_scans(root, group, rules)
    ]
    others = [
        scan
        for path, fact in facts.items()
        if fact.kind in {FileKind.NIFTI, FileKind.PICTURE}
        for scan in _file_scans(path, fact, rules)
    ]
    return series + others


def series_groups(facts: Facts) -> dict[str, dict[PurePosixPath, DicomHeader]]:
    """Headers by SeriesInstanceUID, whatever folders its files are in."""
    groups: dict[str, dict[PurePosixPath, DicomHeader]] = defaultdict(dict)
    for path, fact in facts.items():
        if fact.header is not None and fact.header.series_instance_uid is not None:
            groups[fact.header.series_instance_uid][path] = fact.header
    return groups


def _file_scans(
    path: PurePosixPath, fact: FileFacts, rules: IntakeRules
) -> Iterator[FoundScan]:
    """One scan per volume of a NIfTI file or picture."""
    several = fact.n_volumes > 1
    for volume in range(max(fact.n_volumes, 1)):
        scan = FoundScan(
            scan_id=ScanId(""),
            identity=f"{path}#{volume}" if several else path.as_posix(),
            format=FileFormat(fact.kind.value),
            path=path,
            files=(path,),
            volume=volume,
            n_volumes=max(fact.n_volumes, 1),
            grid=fact.grid,
        )
        if reason := unwanted(scan, rules):
            yield _left_out(scan, reason)
            continue
        findings = [fact.problem] if fact.problem else []
        if several:
            findings.append(_split_finding(volume, fact.n_volumes, "the fourth axis"))
        yield judged(scan, [*findings, *fact.findings], rules.policy)


def _series_scans(
    root: Path, group: Mapping[PurePosixPath, DicomHeader], rules: IntakeRules
) -> Iterator[FoundScan]:
    """The volumes and 2D images of one series."""
    paths = sorted(group, key=PurePosixPath.as_posix)
    slices = [_Slice(path, h) for path in paths for h in group[path].slices()]
    planes = [piece for piece in slices if is_plane(piece.header)]
    seen: Counter[str] = Counter()
    for piece in planes:
        name = piece.header.sop_instance_uid or piece.path.as_posix()
        seen[name] += 1
        yield _plane_scan(piece, name, seen[name], rules)
    rest = [piece for piece in slices if not is_plane(piece.header)]
    if not rest:
        return
    headers = [piece.header for piece in rest]
    if problem := check_series(headers):
        scan = _volume_scan(rest, Part(tuple(range(len(rest)))), 0, 1)
        yield _wanted_or(scan, rules, [problem])
        return
    yield from _volumes(root, rest, split_series(headers), rules)


def _volumes(
    root: Path, slices: Sequence[_Slice], parts: Sequence[Part], rules: IntakeRules
) -> Iterator[FoundScan]:
    for index, part in enumerate(parts):
        own = [slices[i] for i in part.slices]
        scan = _volume_scan(own, part, index, len(parts))
        kinds = kind_findings([piece.header for piece in own])
        if reason := unwanted(scan, rules):
            yield _left_out(scan, reason)
        elif part.problem and part.problem.code is not FindingCode.MISSING_SLICE:
            yield judged(scan, [*kinds, part.problem], rules.policy)
        else:
            told = [*kinds, *filter(None, [part.problem])]
            stack = _checked(root, own, n_in_series=len(slices))
            yield _stacked(scan, stack, told, rules)


def _stacked(
    scan: FoundScan, stack: Stack, told: Sequence[Finding], rules: IntakeRules
) -> FoundScan:
    """A volume in order, with what its headers told before and what the order tells."""
    findings = [*told, *stack.findings]
    if scan.n_volumes > 1:
        findings.insert(0, _split_finding(scan.volume, scan.n_volumes, scan.told_by))
    return judged(_in_order(scan, stack), findings, rules.policy)


def _plane_scan(piece: _Slice, name: str, number: int, rules: IntakeRules) -> FoundScan:
    """A 2D image; of several files of one name each is a scan, maybe a copy."""
    header = piece.header
    again = f"#{number}" if number > 1 else ""
    scan = FoundScan(
        scan_id=ScanId(""),
        identity=f"{header.series_instance_uid}#{name}{again}",
        format=FileFormat.DICOM,
        path=piece.path,
        files=(piece.path,),
        frames=() if header.frame is None else (header.frame,),
        header=header,
    )
    return _wanted_or(scan, rules, image_findings(header))


def _volume_scan(
    slices: Sequence[_Slice], part: Part, index: int, n_parts: int
) -> FoundScan:
    first = slices[0].header
    paths = [piece.path for piece in slices]
    return FoundScan(
        scan_id=ScanId(""),
        identity=f"{first.series_instance_uid}#{index}",
        format=FileFormat.DICOM,
        path=_place(paths, first),
        files=tuple(paths),
        frames=_frames(slices),
        header=first,
        n_slices=_n_distinct(slices),
        volume=index,
        n_volumes=n_parts,
        told_by=part.told_by,
    )


def _n_distinct(slices: Sequence[_Slice]) -> int:
    headers = [piece.header for piece in slices]
    return len({(h.sop_instance_uid, h.frame, h.position_lps_mm) for h in headers})


def _place(paths: list[PurePosixPath], first: DicomHeader) -> PurePosixPath:
    """The folder that holds a series, or the one file of frames."""
    alone = len(set(paths)) == 1 and first.frame is not None
    return paths[0] if alone else common_folder(paths)


def _frames(slices: Sequence[_Slice]) -> tuple[int, ...]:
    """Frames of the slices; a file without frames counts as its first."""
    if all(piece.header.frame is None for piece in slices):
        return ()
    return tuple(piece.header.frame or 0 for piece in slices)


def _left_out(scan: FoundScan, reason: str) -> FoundScan:
    return replace(scan, refusal=Finding(FindingCode.NOT_SELECTED, reason))


def _wanted_or(
    scan: FoundScan, rules: IntakeRules, findings: list[Finding]
) -> FoundScan:
    """Judge a scan that a channel wants; leave out any other."""
    if reason := unwanted(scan, rules):
        return _left_out(scan, reason)
    return judged(scan, findings, rules.policy)


def _split_finding(index: int, n_parts: int, told_by: str) -> Finding:
    detail = f"volume {index + 1} of {n_parts} in the series, told apart by {told_by}"
    return Finding(FindingCode.SPLIT_SERIES, detail)


def _in_order(scan: FoundScan, stack: Stack) -> FoundScan:
    """Put slices in order; refused ones stay in order of path."""
    if not stack.order:
        return scan
    return replace(
        scan,
        files=tuple(scan.files[index] for index in stack.order),
        n_slices=len(stack.order),
        frames=tuple(scan.frames[index] for index in stack.order if scan.frames),
        dropped=tuple(scan.files[index] for index in stack.dropped),
    )


def _checked(root: Path, slices: Sequence[_Slice], n_in_series: int) -> Stack:
    def same_pixels(one: int, other: int) -> bool:
        pair = [(root / slices[i].path, slices[i].header.frame) for i in (one, other)]
        return equal_pixels(*pair)

    try:
        headers = [piece.header for piece in slices]
        return check_stack(headers, same_pixels, n_in_series)
    except ScanError as error:
        problem = Finding(FindingCode.UNDECODABLE_PIXELS, error.problem)
        return Stack((), (), (problem,))


def common_folder(paths: list[PurePosixPath]) -> PurePosixPath:
    """Nearest folder that holds all files, relative like they are."""
    folders = ["/" + path.parent.as_posix() for path in paths]
    return PurePosixPath(os.path.relpath(os.path.commonpath(folders), "/"))
