"""Whose scan it is."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from voxray.core.errors import DatasetError
from voxray.core.findings import FindingCode
from voxray.core.ids import Pseudonymizer, readable_scan_name
from voxray.core.records import Finding, PatientId, ScanId
from voxray.core.specs.data import PatientColumn, PatientPattern, PatientRule
from voxray.ingest.label_table import LabelRow
from voxray.ingest.scans import FoundScan, usable

_REMEDY = (
    "say who the patients are with data.patient: {column: NAME} of the label table, "
    "{pattern: REGEX} on the path, or each_file"
)


@dataclass(frozen=True, slots=True)
class Person:
    """A patient as the data name them. Private.

    Attributes:
        name: PatientID, cell of a column, or part of a path.
        issuer: Who gave the PatientID; "" when unknown.
    """

    name: str = field(repr=False)
    issuer: str = field(default="", repr=False)

    def patient_id(self, pseudonymizer: Pseudonymizer) -> PatientId:
        """Id of the patient; one number of two issuers is two patients."""
        readable = f"{self.issuer}_{self.name}" if self.issuer else self.name
        return pseudonymizer.patient_id(f"{self.issuer}\0{self.name}", readable)


def find_people(
    scans: Sequence[FoundScan], rule: PatientRule, rows: Mapping[ScanId, LabelRow]
) -> dict[ScanId, Person]:
    """Name the patient of every scan that has one.

    Args:
        scans: Good and refused.
        rule: `data.patient`.
        rows: Of the label table, for a patient column.
    """
    people = {scan.scan_id: _person(scan, rule, rows) for scan in scans}
    return {scan_id: person for scan_id, person in people.items() if person is not None}


def check_people(
    scans: Sequence[FoundScan], rule: PatientRule, people: Mapping[ScanId, Person]
) -> None:
    """Refuse a data set whose patients cannot be told apart.

    One PatientID in several studies means that it was blanked out; several series of
    one study are of one patient.

    Raises:
        DatasetError: If no scan has a patient, or all studies have the same one.
    """
    good = usable(scans)
    if not good:
        return
    known = [scan for scan in good if scan.scan_id in people]
    if not known:
        msg = f"none of {len(good)} scans has {_what(rule)}; {_REMEDY}"
        raise DatasetError(msg)
    studies = {scan.study_uid for scan in known}
    names = {people[scan.scan_id] for scan in known}
    if rule == "dicom" and len(names) == 1 and len(studies) > 1:
        msg = (
            f"the PatientID is the same in all {len(studies)} studies "
            f"({len(known)} scans); {_REMEDY}"
        )
        raise DatasetError(msg)


def no_patient(
    scans: Sequence[FoundScan], rule: PatientRule, people: Mapping[ScanId, Person]
) -> dict[ScanId, Finding]:
    """Findings for the scans without a patient, while others have one."""
    finding = Finding(FindingCode.NO_PATIENT, f"the scan has no {_what(rule)[2:]}")
    return {s.scan_id: finding for s in scans if s.scan_id not in people}


def of_several_people(
    scans: Sequence[FoundScan], people: Mapping[ScanId, Person]
) -> dict[ScanId, Finding]:
    """Findings for exams whose scans are of more than one patient."""
    exams: dict[str, list[ScanId]] = defaultdict(list)
    for scan in usable(scans):
        if scan.exam and scan.scan_id in people:
            exams[scan.exam].append(scan.scan_id)
    findings: dict[ScanId, Finding] = {}
    for scan_ids in exams.values():
        n_people = len({people[scan_id] for scan_id in scan_ids})
        if n_people > 1:
            detail = f"{n_people} patients in one exam; say what an exam is: data.exam"
            finding = Finding(FindingCode.MIXED_PATIENTS, detail)
            findings |= dict.fromkeys(scan_ids, finding)
    return findings


def maybe_one(
    people: Mapping[ScanId, Person], pseudonymizer: Pseudonymizer
) -> tuple[tuple[PatientId, PatientId], ...]:
    """Pairs of patients of one PatientID, of whom one has no issuer.

    Routes into an archive differ in whether they state the issuer; the two may be one
    person, and must not part.
    """
    known = set(people.values())
    pairs = {
        (Person(person.name), person)
        for person in known
        if person.issuer and Person(person.name) in known
    }
    return tuple(
        sorted(
            (one.patient_id(pseudonymizer), other.patient_id(pseudonymizer))
            for one, other in pairs
        )
    )


Names = tuple[tuple[str, ...], tuple[str, ...]]
"""Names that mean one scan or patient wherever they stand; names that may be shared."""


def patient_names(
    scans: Sequence[FoundScan], people: Mapping[ScanId, Person]
) -> dict[ScanId, Names]:
    """Names by which a table may call the patient of each scan.

    A PatientID that two issuers gave is shared: a table cannot say which it means.
    """
    stated = {person for scan in scans if (person := _dicom_person(scan))}
    issuers = Counter(person.name for person in stated if person.issuer)
    found = {}
    for scan in scans:
        both = (_dicom_name(scan), _name(people.get(scan.scan_id)))
        names = tuple(name for name in both if name is not None)
        found[scan.scan_id] = (
            tuple(name for name in names if issuers[name] <= 1),
            tuple(name for name in names if issuers[name] > 1),
        )
    return found


def _person(
    scan: FoundScan, rule: PatientRule, rows: Mapping[ScanId, LabelRow]
) -> Person | None:
    match rule:
        case "dicom":
            return _dicom_person(scan)
        case "each_file":
            return Person(scan.exam or _file_name(scan))
        case PatientColumn():
            row = rows.get(scan.scan_id)
            name = row.cells.get(rule.column) if row else None
            return Person(name) if name else None
        case PatientPattern():
            return _pattern_person(scan, rule.pattern)


def _dicom_person(scan: FoundScan) -> Person | None:
    name = _dicom_name(scan)
    if name is None or scan.header is None:
        return None
    return Person(name, (scan.header.issuer_of_patient_id or "").strip())


def _dicom_name(scan: FoundScan) -> str | None:
    return ((scan.header and scan.header.patient_id) or "").strip() or None


def _name(person: Person | None) -> str | None:
    return person.name if person else None


def _file_name(scan: FoundScan) -> str:
    name = readable_scan_name(scan.path)
    return f"{name}_{scan.series_uid}" if scan.series_uid else name


def _pattern_person(scan: FoundScan, pattern: str) -> Person | None:
    found = re.search(pattern, scan.path.as_posix())
    return Person(found[1]) if found and found[1] else None


def _what(rule: PatientRule) -> str:
    match rule:
        case "dicom":
            return "a PatientID"
        case "each_file":
            return "a name"
        case PatientColumn():
            return f"a value in column {rule.column!r} of the label table"
        case PatientPattern():
            return f"a path that matches {rule.pattern!r}"
