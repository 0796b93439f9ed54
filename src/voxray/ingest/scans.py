"""A volume that was found, good or refused, and what it is called."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from voxray.core.errors import DatasetError
from voxray.core.findings import Action, FindingCode, action_for
from voxray.core.geometry import VoxelGrid
from voxray.core.ids import Pseudonymizer, readable_scan_name
from voxray.core.records import ExamId, FileFormat, Finding, ScanId, ScanState
from voxray.scan_io import DicomHeader

_READER_REPAIRS = {
    FindingCode.GANTRY_TILT: FindingCode.GANTRY_TILT,
    FindingCode.UNEVEN_SPACING: FindingCode.UNEVEN_SPACING,
    FindingCode.MISSING_SLICE: FindingCode.UNEVEN_SPACING,  # read at even steps too
    FindingCode.PADDING_VALUE: FindingCode.PADDING_VALUE,
}
"""What `scan_io` puts right when it reads, and as what; any other repair is a way of
sorting files or of reading that is always done."""


@dataclass(frozen=True, slots=True)
class FoundScan:
    """One volume in the scan folder.

    Attributes:
        identity: What the keyed id is made from.
        path: File (NIfTI), or folder that holds the series.
        files: In slice order; of a refused series in order of path. A file of several
            frames stands once per frame.
        frames: Per file its frame; empty when no file has several.
        dropped: Copies of slices that are left out.
        header: Of the first slice; None for NIfTI and pictures.
        grid: Of a NIfTI file, from its header; None else.
        n_slices: Of a DICOM series; before they are in order, of copies of slices those
            count that have names of their own.
        volume: Index of the volume in its series or file.
        n_volumes: Volumes that the series or file holds.
        told_by: What sets this volume apart from the others.
        repairs: Findings that the reader has to put right.
        findings: Accepted or repaired.
        refusal: Why the scan is not used; None while it may be.
        unjudged: Findings that came after the refusal; they count if it is lifted.
        channel: What the scan is in its exam; "" while it is nothing.
        exam_id: None while the scan is in no exam.
        exam: What the data call the exam: a StudyInstanceUID, a folder, a part of a
            path, a cell; "" where every scan is an exam. Private.
    """

    scan_id: ScanId
    identity: str = field(repr=False)
    format: FileFormat
    path: PurePosixPath = field(repr=False)
    files: tuple[PurePosixPath, ...] = field(repr=False)
    frames: tuple[int, ...] = ()
    dropped: tuple[PurePosixPath, ...] = field(default=(), repr=False)
    header: DicomHeader | None = None
    grid: VoxelGrid | None = None
    n_slices: int = 1
    volume: int = 0
    n_volumes: int = 1
    told_by: str = ""
    repairs: tuple[FindingCode, ...] = ()
    findings: tuple[Finding, ...] = ()
    refusal: Finding | None = None
    unjudged: tuple[Finding, ...] = ()
    state: ScanState = ScanState.ACCEPTED
    channel: str = ""
    exam_id: ExamId | None = None
    exam: str = field(default="", repr=False)

    @property
    def series_uid(self) -> str:
        """SeriesInstanceUID, "" for NIfTI."""
        return (self.header and self.header.series_instance_uid) or ""

    @property
    def study_uid(self) -> str:
        """StudyInstanceUID, "" for NIfTI."""
        return (self.header and self.header.study_instance_uid) or ""

    @property
    def modality(self) -> str:
        """DICOM code, "" for NIfTI."""
        return (self.header and self.header.modality) or ""

    @property
    def sort_key(self) -> tuple[str, str, int]:
        """Path, then series, then volume: the order of every table."""
        return self.path.as_posix(), self.series_uid, self.volume


def judged(
    scan: FoundScan,
    findings: Iterable[Finding],
    policy: Mapping[FindingCode, Action],
) -> FoundScan:
    """Return the scan with what `policy` makes of `findings`; the first refusal counts.

    Findings of a scan that is refused are kept unjudged.
    """
    for finding in findings:
        if scan.refusal is None:
            scan = _with_finding(scan, finding, action_for(finding.code, dict(policy)))
        else:
            scan = replace(scan, unjudged=(*scan.unjudged, finding))
    return scan


def _with_finding(scan: FoundScan, finding: Finding, action: Action) -> FoundScan:
    if action is Action.REFUSE or (action is Action.REPAIR and finding.beyond_repair):
        return replace(scan, refusal=finding)
    findings = (*scan.findings, finding)
    if action is Action.REPAIR:
        repairs = (*scan.repairs, *repaired_by_reader(finding))
        signed = scan.state is ScanState.OVERRIDDEN
        state = ScanState.OVERRIDDEN if signed else ScanState.REPAIRED
        return replace(scan, findings=findings, repairs=repairs, state=state)
    return replace(scan, findings=findings)


def repaired_by_reader(finding: Finding) -> tuple[FindingCode, ...]:
    """What the reader has to put right when a finding is repaired."""
    repair = None if finding.beyond_repair else _READER_REPAIRS.get(finding.code)
    return () if repair is None else (repair,)


def refused(
    scans: Iterable[FoundScan], refusals: Mapping[ScanId, Finding]
) -> tuple[FoundScan, ...]:
    """Return all scans, those in `refusals` refused unless they were before."""
    return tuple(
        replace(scan, refusal=scan.refusal or refusals.get(scan.scan_id))
        for scan in scans
    )


def usable(scans: Iterable[FoundScan]) -> tuple[FoundScan, ...]:
    """Return the scans that nothing spoke against so far."""
    return tuple(scan for scan in scans if scan.refusal is None)


def contenders(scans: Iterable[FoundScan]) -> tuple[FoundScan, ...]:
    """Return the scans that a folder name could mean.

    A report beside a series, or a series that the rules leave out, makes the name of
    their common folder no less clear; a broken series does.
    """
    aside = {FindingCode.UNSUPPORTED_IMAGE, FindingCode.NOT_SELECTED}
    return tuple(s for s in scans if s.refusal is None or s.refusal.code not in aside)


def named(
    scans: Sequence[FoundScan], pseudonymizer: Pseudonymizer
) -> tuple[FoundScan, ...]:
    """Give every scan its id.

    With readable ids, scans of one name (two series in one folder) get the series
    number behind it, or a count where that does not tell them apart.

    Raises:
        DatasetError: If two scans still get one id.
    """
    ordered = sorted(scans, key=lambda scan: scan.sort_key)
    names = _readable_names(ordered)
    with_ids = tuple(
        replace(scan, scan_id=pseudonymizer.scan_id(scan.identity, name))
        for scan, name in zip(ordered, names, strict=True)
    )
    _check_unique(with_ids)
    return with_ids


def _readable_names(scans: Sequence[FoundScan]) -> list[str]:
    plain = [_plain_name(scan.path) for scan in scans]
    numbered = [
        name if n == 1 or not scan.header else f"{name}_s{scan.header.series_number}"
        for scan, name, n in zip(scans, plain, _counts(plain), strict=True)
    ]
    seen: Counter[str] = Counter()
    names = []
    for name, n in zip(numbered, _counts(numbered), strict=True):
        seen[name] += 1
        names.append(name if n == 1 else f"{name}_{seen[name]}")
    return names


def _plain_name(path: PurePosixPath) -> str:
    return readable_scan_name(path) if path.name else "series"


def _counts(names: Sequence[str]) -> list[int]:
    counts = Counter(names)
    return [counts[name] for name in names]


def _check_unique(scans: Sequence[FoundScan]) -> None:
    counts = Counter(scan.scan_id for scan in scans)
    twice = sorted(scan_id for scan_id, n in counts.items() if n > 1)
    if twice:
        msg = (
            f"{len(twice)} ids name more than one scan, first {twice[0]!r}; rename one"
        )
        raise DatasetError(msg)
