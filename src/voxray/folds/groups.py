"""Patients that must never part, because copies of one image link them."""

from collections.abc import Iterable, Mapping, Sequence

from voxray.core.records import PatientId, ScanRecord

Link = tuple[PatientId, PatientId]


def group_patients(
    records: Sequence[ScanRecord], linked: Iterable[Link] = ()
) -> dict[PatientId, str]:
    """Name the group of every patient that has a usable scan.

    Two patients are in one group when they are linked, share an image
    (`sha256_pixels`), or are joined by a chain of such pairs. The chain may run through
    a patient whose own scans are all quarantined.

    Args:
        records: Manifest rows.
        linked: Pairs of patients, e.g. from quarantined copies.

    Returns:
        Patient to group name: the group's first patient by name. A patient without a
        partner is its own group. The order of the arguments does not matter.
    """
    parent: dict[str, str] = {}
    for one, other in (*linked, *_same_image(records)):
        _join(parent, one, other)
    members: dict[str, list[PatientId]] = {}
    for patient in sorted({record.patient_id for record in records}):
        members.setdefault(_root(parent, patient), []).append(patient)
    return {patient: group[0] for group in members.values() for patient in group}


def members_by_group(
    groups: Mapping[PatientId, str],
) -> dict[str, tuple[PatientId, ...]]:
    """Turn patient to group around; patients of a group in order of name."""
    members: dict[str, list[PatientId]] = {}
    for patient in sorted(groups):
        members.setdefault(groups[patient], []).append(patient)
    return {group: tuple(patients) for group, patients in members.items()}


def _same_image(records: Sequence[ScanRecord]) -> list[Link]:
    first: dict[str, PatientId] = {}
    pairs = []
    for record in records:
        owner = first.setdefault(record.sha256_pixels, record.patient_id)
        if owner != record.patient_id:
            pairs.append((owner, record.patient_id))
    return pairs


def _root(parent: dict[str, str], patient: str) -> str:
    while parent.get(patient, patient) != patient:
        patient = parent[patient]
    return patient


def _join(parent: dict[str, str], one: str, other: str) -> None:
    parent[_root(parent, one)] = _root(parent, other)
