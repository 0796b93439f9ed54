"""Scans into exams: which scan of an exam fills which channel, and whether they fit.

With one channel and no `choose`, every scan is an exam. Otherwise scans of one study
(or what `data.exam` says) are one exam, of which each channel takes one scan.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from voxray.core.errors import DatasetError
from voxray.core.findings import FindingCode
from voxray.core.ids import Pseudonymizer, readable_scan_name
from voxray.core.records import ExamId, Finding, ScanId
from voxray.core.specs import (
    ChannelRules,
    ExamColumn,
    ExamPattern,
    ExamRule,
    IntakeRules,
    one_scan_an_exam,
)
from voxray.ingest.choose import best_of, why_not, why_worse
from voxray.ingest.label_table import LabelRow
from voxray.ingest.scans import FoundScan, refused, usable

_Channels = Mapping[str, ChannelRules]
_Passing = Mapping[str, Sequence[FoundScan]]
_Taken = Mapping[str, FoundScan]


def assign_exams(
    scans: Sequence[FoundScan],
    rules: IntakeRules,
    pseudonymizer: Pseudonymizer,
    rows: Mapping[ScanId, LabelRow] | None = None,
) -> tuple[FoundScan, ...]:
    """Give each scan its exam, and one scan of each exam to each channel.

    A scan fills one channel at most; the channel with the fewest scans to choose from
    goes first. A scan that passes and is not taken is refused with what was taken
    instead. An exam without a required channel is refused whole, as is one of several
    frames of reference.

    Args:
        scans: With ids; those that were refused before stay refused.
        rules: Channels, and what makes an exam.
        pseudonymizer: Makes the ids of exams.
        rows: Of the label table by scan, for an exam column.

    Raises:
        DatasetError: If two exams get one readable id.
    """
    if one_scan_an_exam(rules.channels):
        channel = next(iter(rules.channels))
        return tuple(
            replace(s, channel=channel, exam_id=ExamId(s.scan_id)) for s in scans
        )
    named = [replace(s, exam=_exam_name(s, rules.exam, rows or {})) for s in scans]
    outside = refused([s for s in named if not s.exam], _in_no_exam(named, rules.exam))
    exams = _by_exam(_identified([s for s in named if s.exam], pseudonymizer))
    inside = [s for exam in exams.values() for s in _filled(exam, rules.channels)]
    inside = list(refused(inside, _of_several_frames(inside)))
    return keep_whole(sorted((*inside, *outside), key=lambda s: s.sort_key), rules)


def _exam_name(scan: FoundScan, rule: ExamRule, rows: Mapping[ScanId, LabelRow]) -> str:
    """What the data call the exam of a scan; "" when they do not."""
    match rule:
        case "study" if scan.study_uid:
            return scan.study_uid
        case "study" | "folder":
            alone = rule == "study" and scan.n_volumes > 1
            return (scan.path if alone else scan.path.parent).as_posix()
        case ExamPattern():
            found = re.search(rule.pattern, scan.path.as_posix())
            return "/".join(group or "" for group in found.groups()) if found else ""
        case ExamColumn():
            row = rows.get(scan.scan_id)
            return row.cells.get(rule.column, "") if row else ""


def _in_no_exam(scans: Sequence[FoundScan], rule: ExamRule) -> dict[ScanId, Finding]:
    what = "the path does not match the pattern of data.exam"
    if isinstance(rule, ExamColumn):
        what = f"the label table has no value in {rule.column!r} for it"
    finding = Finding(FindingCode.NOT_SELECTED, f"in no exam: {what}")
    return {scan.scan_id: finding for scan in scans if not scan.exam}


def _identified(
    scans: Sequence[FoundScan], pseudonymizer: Pseudonymizer
) -> list[FoundScan]:
    ids = {scan.exam: _exam_id(scan, pseudonymizer) for scan in scans}
    n_ids = len(set(ids.values()))
    if n_ids < len(ids):
        msg = (
            f"{len(ids)} exams get {n_ids} readable ids; rename a folder, or use keyed "
            "ids"
        )
        raise DatasetError(msg)
    return [replace(scan, exam_id=ids[scan.exam]) for scan in scans]


def _exam_id(scan: FoundScan, pseudonymizer: Pseudonymizer) -> ExamId:
    if scan.exam == scan.study_uid:
        return pseudonymizer.exam_id(scan.exam, None)
    name = readable_scan_name(PurePosixPath(scan.exam)).lstrip(".") or "exam"
    return pseudonymizer.exam_id(scan.exam, name)


def _by_exam(scans: Iterable[FoundScan]) -> dict[str, list[FoundScan]]:
    exams: dict[str, list[FoundScan]] = defaultdict(list)
    for scan in scans:
        if scan.exam:
            exams[scan.exam].append(scan)
    return exams


def _filled(exam: Sequence[FoundScan], channels: _Channels) -> list[FoundScan]:
    """One exam with its channels filled, and a reason for every scan left out."""
    exam = refused(exam, _unclear(exam, channels))
    passing = {
        name: [scan for scan in usable(exam) if why_not(scan, rule) is None]
        for name, rule in channels.items()
    }
    taken = _taken(passing, channels)
    channel_of = {scan.scan_id: name for name, scan in taken.items()}
    left_out = {
        scan.scan_id: _left_out(scan, passing, taken, channels)
        for scan in usable(exam)
        if scan.scan_id not in channel_of
    }
    return [
        replace(scan, channel=channel_of.get(scan.scan_id, ""))
        for scan in refused(exam, left_out)
    ]


def _unclear(exam: Sequence[FoundScan], channels: _Channels) -> dict[ScanId, Finding]:
    """Files without a header that pass several channels: nothing tells them apart."""
    findings = {}
    for scan in usable(exam):
        names = [name for name, rule in channels.items() if not why_not(scan, rule)]
        if scan.header is None and len(names) > 1:
            detail = (
                f"it passes the rules of {' and '.join(names)}; path, volume or "
                "geometry must tell files without a header apart"
            )
            findings[scan.scan_id] = Finding(FindingCode.NOT_SELECTED, detail)
    return findings


def _taken(passing: _Passing, channels: _Channels) -> dict[str, FoundScan]:
    """One scan per channel; the channel with the fewest scans to choose from first."""
    taken: dict[str, FoundScan] = {}
    left = {name: list(scans) for name, scans in passing.items()}
    while left:
        name = min(left, key=lambda name: len(left[name]))
        scans = left.pop(name)
        if not scans or (channels[name].choose == "only" and len(scans) > 1):
            continue
        taken[name] = best_of(scans, channels[name])
        left = {
            other: [scan for scan in rest if scan is not taken[name]]
            for other, rest in left.items()
        }
    return taken


def _left_out(
    scan: FoundScan, passing: _Passing, taken: _Taken, channels: _Channels
) -> Finding:
    """Why a scan that passes fills no channel."""
    reasons = []
    for name, rule in channels.items():
        if not any(other is scan for other in passing[name]):
            continue
        if name in taken:
            reasons.append(f"{name}: {why_worse(scan, taken[name], rule)}")
        else:
            n_passing = len(passing[name])
            reasons.append(f"{name}: {n_passing} scans pass, and choose is 'only'")
    return Finding(FindingCode.NOT_SELECTED, "; ".join(reasons))


def _of_several_frames(scans: Sequence[FoundScan]) -> dict[ScanId, Finding]:
    """Refuse exams whose scans name more than one FrameOfReferenceUID."""
    findings: dict[ScanId, Finding] = {}
    for exam in _by_exam(usable(scans)).values():
        frames = {
            scan.header.frame_of_reference_uid
            for scan in exam
            if scan.header and scan.header.frame_of_reference_uid
        }
        if len(frames) > 1:
            names = " and ".join(sorted(scan.channel for scan in exam))
            detail = f"{names} name {len(frames)} frames of reference"
            finding = Finding(FindingCode.CHANNELS_UNALIGNED, detail)
            findings |= {scan.scan_id: finding for scan in exam}
    return findings


def keep_whole(scans: Sequence[FoundScan], rules: IntakeRules) -> tuple[FoundScan, ...]:
    """Refuse what is left of exams that lack a required channel.

    The first channel's scan of an exam that lacks an optional one has a finding. To be
    called again whenever scans were refused.
    """
    refusals: dict[ScanId, Finding] = {}
    notes: dict[ScanId, Finding] = {}
    for exam in _by_exam(scans).values():
        present = {scan.channel: scan.scan_id for scan in usable(exam)}
        for name in rules.channels.keys() - present.keys() if present else ():
            finding = _missing(name, exam, rules.channels)
            if rules.channels[name].required:
                refusals |= dict.fromkeys(present.values(), finding)
            else:
                notes[present.get(next(iter(rules.channels)), ScanId(""))] = finding
    return tuple(
        _noted(scan, notes.get(scan.scan_id)) for scan in refused(scans, refusals)
    )


def _missing(name: str, exam: Sequence[FoundScan], channels: _Channels) -> Finding:
    """What is not there, and what is."""
    there = [channel for channel in channels if _has(exam, channel)]
    would = Counter(
        scan.refusal.code.value
        for scan in exam
        if scan.refusal and why_not(scan, channels[name]) is None
    )
    refused_ones = ", ".join(f"{code} {n}" for code, n in sorted(would.items()))
    why = (
        f"scans that pass its rules are refused ({refused_ones})"
        if would
        else f"none of {len(exam)} scans passes its rules"
    )
    detail = f"no {name}: {why}; the exam has {', '.join(there)}"
    return Finding(FindingCode.CHANNEL_MISSING, detail)


def _has(exam: Sequence[FoundScan], channel: str) -> bool:
    return any(scan.channel == channel for scan in usable(exam))


def _noted(scan: FoundScan, note: Finding | None) -> FoundScan:
    if note is None or any(f.code is note.code for f in scan.findings):
        return scan
    return replace(scan, findings=(*scan.findings, note))
