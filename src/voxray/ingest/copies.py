"""The same image twice, also under another name or patient."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from voxray.core.errors import DatasetError
from voxray.core.findings import FindingCode
from voxray.core.records import (
    ExamId,
    Finding,
    PatientId,
    ScanId,
    ScanRecord,
    Sha256,
)
from voxray.ingest.intake import Treatment


@dataclass(frozen=True, slots=True)
class Copies:
    """What is done with equal images.

    Attributes:
        refusals: Scans that are left out.
        linked_patients: (patient of the scan that is kept, patient of its copy).
    """

    refusals: dict[ScanId, Finding] = field(default_factory=dict)
    linked_patients: tuple[tuple[PatientId, PatientId], ...] = ()


def find_copies(records: Sequence[ScanRecord], treatment: Treatment) -> Copies:
    """Compare all images by the hash of their pixels.

    Of copies with the same labels the first is kept, or that of the exam that comes
    first. Copies with different labels are all left out: one label is wrong.

    Args:
        records: In order of path.
        treatment: Of one image under two patients; "keep" looks for none.

    Raises:
        DatasetError: If `treatment` is "fail" and there is such an image.
    """
    if treatment == "keep":
        return Copies()
    refusals: dict[ScanId, Finding] = {}
    links: set[tuple[PatientId, PatientId]] = set()
    for group in _groups(records):
        refusals.update(_group_refusals(group, treatment))
        kept = group[0].patient_id
        links |= {(kept, r.patient_id) for r in group if r.patient_id != kept}
    return Copies(refusals, tuple(sorted(links)))


def _groups(records: Sequence[ScanRecord]) -> list[list[ScanRecord]]:
    """Equal images, by exam: of two exams with the same images one stays whole."""
    places: dict[ExamId, int] = {}
    for record in records:
        places.setdefault(record.exam_id, len(places))
    groups: Mapping[Sha256, list[ScanRecord]] = defaultdict(list)
    for record in sorted(records, key=lambda r: places[r.exam_id]):
        groups[record.sha256_pixels].append(record)
    return [group for group in groups.values() if len(group) > 1]


def _group_refusals(
    group: list[ScanRecord], treatment: Treatment
) -> dict[ScanId, Finding]:
    first, *others = group
    patients = {record.patient_id for record in group}
    across = len(patients) > 1
    if across and treatment == "fail":
        msg = (
            f"one image stands under {len(patients)} patients: scans "
            f"{first.scan_id!r} and {others[-1].scan_id!r}; remove one, or set "
            "data.duplicates to link or quarantine"
        )
        raise DatasetError(msg)
    if any(record.labels != first.labels for record in others):
        return {r.scan_id: _conflict(r, group) for r in group}
    left_out = group if across and treatment == "quarantine" else others
    return {
        r.scan_id: _copy(r, first if r is not first else others[0]) for r in left_out
    }


def _conflict(record: ScanRecord, group: list[ScanRecord]) -> Finding:
    others = ", ".join(r.scan_id for r in group if r is not record)
    detail = f"the same pixels as {others}, another label"
    return Finding(FindingCode.COPY_CONFLICT, detail)


def _copy(record: ScanRecord, original: ScanRecord) -> Finding:
    whose = f"patient {original.patient_id}"
    if record.patient_id == original.patient_id:
        whose = "the same patient"
    detail = f"the same pixels as scan {original.scan_id} of {whose}"
    return Finding(FindingCode.COPY_OF, detail)
