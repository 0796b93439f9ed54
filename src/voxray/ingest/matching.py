"""What stands beside the scans: masks, labels and patients."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from voxray.core.findings import FindingCode
from voxray.core.ids import Pseudonymizer
from voxray.core.records import Finding, LabelValue, PatientId, ScanId
from voxray.core.specs import ClassifySpec, ExamColumn
from voxray.core.specs.data import PatientColumn
from voxray.ingest.exams import keep_whole
from voxray.ingest.find import Facts
from voxray.ingest.intake import IntakeOptions
from voxray.ingest.label_table import LabelRow, LabelTable, read_label_table
from voxray.ingest.labels import (
    LabelMatch,
    class_value,
    label_problem,
    match_rows,
    shared_in_exams,
)
from voxray.ingest.listing import Listing
from voxray.ingest.masks import MaskFiles, MaskMatch, match_masks
from voxray.ingest.patients import (
    Person,
    check_people,
    find_people,
    maybe_one,
    no_patient,
    of_several_people,
    patient_names,
)
from voxray.ingest.scans import FoundScan, refused

_NO_LABELS = LabelMatch({}, frozenset(), ())


@dataclass(frozen=True, slots=True)
class Matched:
    """Scans, and what belongs to each.

    Attributes:
        scans: All; those that lack what the task needs are refused.
        labels: By scan, then by column.
        meta: Other cells of the label table.
        patients: Of every scan that has one; when scoring, of every scan.
        studies: Pseudonym of the DICOM study; a NIfTI file is its own.
        linked_patients: Pairs that may be one person.
        rows_without_scan: Rows of the label table that name no scan.
    """

    scans: tuple[FoundScan, ...]
    masks: MaskMatch = field(default_factory=MaskMatch)
    labels: Mapping[ScanId, Mapping[str, LabelValue]] = field(default_factory=dict)
    meta: Mapping[ScanId, Mapping[str, str]] = field(default_factory=dict)
    patients: Mapping[ScanId, PatientId] = field(default_factory=dict)
    studies: Mapping[ScanId, str] = field(default_factory=dict)
    linked_patients: tuple[tuple[PatientId, PatientId], ...] = ()
    rows_without_scan: int = 0
    keys_without_scan: tuple[str, ...] = ()


def rows_naming_exams(
    scans: tuple[FoundScan, ...],
    options: IntakeOptions,
    pseudonymizer: Pseudonymizer,
) -> Mapping[ScanId, LabelRow]:
    """Rows by scan where a column of the label table names the exam; else none.

    Raises:
        ConfigError: If the label table or one of its columns is missing.
        DatasetError: If no row fits any scan.
    """
    if not isinstance(options.rules.exam, ExamColumn):
        return {}
    return _rows(_table(options), scans, options, pseudonymizer).rows


def match_all(
    scans: tuple[FoundScan, ...],
    listing: Listing,
    facts: Facts,
    options: IntakeOptions,
    pseudonymizer: Pseudonymizer,
) -> Matched:
    """Match masks, then rows of the label table, then patients.

    Raises:
        ConfigError: If the label table or one of its columns is missing.
        DatasetError: If labels contradict each other, no label fits any scan, or the
            patients cannot be told apart.
    """
    masks = _of_exams(_masks(scans, listing, facts, options), scans, options)
    table = _table(options)
    rows = _rows(table, scans, options, pseudonymizer)
    people = find_people(scans, options.patient, rows.rows)
    if options.patient_required:
        check_people(scans, options.patient, people)
    for refusals in (
        _mask_refusals(scans, masks, options),
        _label_refusals(scans, rows, options),
        no_patient(scans, options.patient, people) if options.patient_required else {},
        of_several_people(scans, people),
    ):
        scans = refused(scans, refusals)
    return Matched(
        scans=keep_whole(scans, options.rules),
        masks=masks,
        labels=_labels(rows, options),
        meta=_meta(rows, table, options, pseudonymizer),
        patients=_patients(scans, people, options, pseudonymizer),
        studies={
            s.scan_id: pseudonymizer.study_id(s.study_uid or s.identity) for s in scans
        },
        linked_patients=maybe_one(people, pseudonymizer),
        rows_without_scan=_n_rows_without_scan(table, rows),
        keys_without_scan=rows.keys_without_scan,
    )


def _masks(
    scans: Sequence[FoundScan], listing: Listing, facts: Facts, options: IntakeOptions
) -> MaskMatch:
    if options.masks is None:
        return MaskMatch()
    files = MaskFiles(options.masks, listing.masks, listing.to_read)
    headers = {path: fact.header for path, fact in facts.items() if fact.header}
    return match_masks(files, scans, headers, next(iter(options.rules.channels)))


def _of_exams(
    masks: MaskMatch, scans: Sequence[FoundScan], options: IntakeOptions
) -> MaskMatch:
    """Give the first channel of an exam the mask that one of its scans has.

    A second mask of an exam is left over, and says so.
    """
    by_scan, left_over = dict(masks.masks), dict(masks.left_over)
    channels = list(options.rules.channels)
    firsts = {s.exam: s for s in scans if s.exam and s.channel == channels[0]}
    others = [s for s in scans if s.exam in firsts and s.channel in channels[1:]]
    for scan in sorted(others, key=lambda s: channels.index(s.channel)):
        mask = by_scan.pop(scan.scan_id, None)
        if mask is None:
            continue
        first = firsts[scan.exam].scan_id
        if by_scan.setdefault(first, mask) != mask:
            detail = f"a mask of {scan.channel}; its exam has one of an earlier channel"
            left_over[mask] = Finding(FindingCode.MASK_AMBIGUOUS, detail)
    return replace(masks, masks=by_scan, left_over=left_over)


def _mask_refusals(
    scans: Sequence[FoundScan], masks: MaskMatch, options: IntakeOptions
) -> dict[ScanId, Finding]:
    wanted = options.task is not None and options.task.segment is not None
    if options.masks is None and not wanted:
        return {}
    finding = Finding(FindingCode.NO_MASK, "no mask refers to it or has its name")
    others = set(options.rules.channels) - {next(iter(options.rules.channels))}
    return {
        s.scan_id: masks.refusals.get(s.scan_id, finding)
        for s in scans
        if s.scan_id in masks.refusals
        or (s.scan_id not in masks.masks and s.channel not in others)
    }


def _classify(options: IntakeOptions) -> ClassifySpec | None:
    return options.task.classify if options.task else None


def _table(options: IntakeOptions) -> LabelTable | None:
    if options.labels is None:
        return None
    identity = _identity_columns(options)
    return read_label_table(options.labels, _label_columns(options), sorted(identity))


def _label_columns(options: IntakeOptions) -> tuple[str, ...]:
    classify = _classify(options)
    return classify.label_columns if classify else ()


def _rows(
    table: LabelTable | None,
    scans: Sequence[FoundScan],
    options: IntakeOptions,
    pseudonymizer: Pseudonymizer,
) -> LabelMatch:
    if table is None or options.labels is None:
        return _NO_LABELS
    people: Mapping[ScanId, Person] = find_people(scans, options.patient, {})
    names = patient_names(scans, people)
    match = match_rows(table, options.labels, scans, names, pseudonymizer)
    return shared_in_exams(match, scans, _label_columns(options))


def _label_refusals(
    scans: Sequence[FoundScan], rows: LabelMatch, options: IntakeOptions
) -> dict[ScanId, Finding]:
    """Labels are needed for a classification, and when a table comes without a task."""
    classify = _classify(options)
    if classify is None and (options.task is not None or options.labels is None):
        return {}
    problems = {s.scan_id: label_problem(s.scan_id, rows, classify) for s in scans}
    return {scan_id: p for scan_id, p in problems.items() if p is not None}


def _labels(
    rows: LabelMatch, options: IntakeOptions
) -> dict[ScanId, dict[str, LabelValue]]:
    classify = _classify(options)
    if classify is None:
        return {}
    return {
        scan_id: {
            column: value
            for column in classify.label_columns
            if (value := class_value(row.cells.get(column, ""), classify)) is not None
        }
        for scan_id, row in rows.rows.items()
    }


def _meta(
    rows: LabelMatch,
    table: LabelTable | None,
    options: IntakeOptions,
    pseudonymizer: Pseudonymizer,
) -> dict[ScanId, dict[str, str]]:
    """Cells that are neither label nor, unless ids are readable, identity."""
    hidden = set(_label_columns(options))
    if not pseudonymizer.readable:
        hidden |= set(table.key_columns) if table else set()
        hidden |= _identity_columns(options)
    return {
        scan_id: {c: text for c, text in row.cells.items() if c not in hidden}
        for scan_id, row in rows.rows.items()
    }


def _identity_columns(options: IntakeOptions) -> set[str]:
    return {
        rule.column
        for rule in (options.patient, options.rules.exam)
        if isinstance(rule, PatientColumn | ExamColumn)
    }


def _patients(
    scans: Sequence[FoundScan],
    people: Mapping[ScanId, Person],
    options: IntakeOptions,
    pseudonymizer: Pseudonymizer,
) -> dict[ScanId, PatientId]:
    patients = {
        scan_id: person.patient_id(pseudonymizer) for scan_id, person in people.items()
    }
    if options.patient_required:
        return patients
    of_exam = {s.exam: patients[s.scan_id] for s in scans if s.scan_id in patients}
    alone = {
        scan.scan_id: (scan.exam and of_exam.get(scan.exam))
        or pseudonymizer.patient_id(
            f"exam/{scan.exam}" if scan.exam else f"scan/{scan.identity}",
            scan.exam_id or scan.scan_id,
        )
        for scan in scans
    }
    return alone | patients


def _n_rows_without_scan(table: LabelTable | None, rows: LabelMatch) -> int:
    if table is None:
        return 0
    return table.n_without_key + len(rows.keys_without_scan)
