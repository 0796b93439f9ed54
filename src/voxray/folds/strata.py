"""What a group of patients counts as, so that every fold looks like the whole."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from voxray.core.errors import DatasetError
from voxray.core.records import PatientId, ScanRecord
from voxray.core.specs import ClassifySpec, TaskSpec

Stratum = tuple[str, ...]

_LABEL = "label"
_BUILT_IN = ("site", "scanner", "sex", "modality")


@dataclass(frozen=True, slots=True)
class Group:
    """Patients that stay together.

    Attributes:
        name: First patient by name.
        patients: In order of name.
        classes: Classes any of their scans has; empty without classification.
        stratum: The class the group counts as, then the values of further columns.
    """

    name: str
    patients: tuple[PatientId, ...]
    classes: frozenset[str]
    stratum: Stratum


def describe_groups(
    members: Mapping[str, tuple[PatientId, ...]],
    records: Sequence[ScanRecord],
    task: TaskSpec,
    columns: Sequence[str],
) -> tuple[Group, ...]:
    """Say for each group which classes it has and which stratum it belongs to.

    With two classes a group counts as positive when any scan is. With more it counts as
    the rarest class it has (by groups), of equals the one named last.

    Returns:
        Groups in the order of their images' hashes: an order that neither the rows nor
        the pseudonyms of this user can change.

    Raises:
        DatasetError: If a scan has no label of the task, or no scan has a column.
    """
    scans = scans_by_group(members, records)
    classes = {name: classes_of(scans[name], task.classify) for name in members}
    order = _class_order(classes.values(), task.classify)
    further = [column for column in columns if column != _LABEL]
    check_columns(records, further)
    return tuple(
        Group(
            name,
            members[name],
            classes[name],
            (
                next((c for c in order if c in classes[name]), ""),
                *(group_value(scans[name], column) for column in further),
            ),
        )
        for name in sorted(members, key=lambda name: content_key(scans[name]))
    )


def content_key(scans: Sequence[ScanRecord]) -> tuple[str, str]:
    """Sort key of a group that depends on its images, so that folds repeat anywhere."""
    return min((record.sha256_pixels, record.patient_id) for record in scans)


def merge_small(strata: Sequence[Stratum], at_least: int) -> list[Stratum]:
    """Join strata until each has `at_least` members, as long as there are two.

    The smallest goes into the largest of the same class, or into the largest of all
    when its class has no other.
    """
    merged = list(strata)
    while len(counts := Counter(merged)) > 1:
        ordered = sorted(counts, key=lambda s: (counts[s], s))
        small = ordered[0]
        if counts[small] >= at_least:
            break
        rest = ordered[1:]
        same_class = [s for s in rest if s[0] == small[0]]
        target = (same_class or rest)[-1]
        merged = [target if s == small else s for s in merged]
    return merged


def draw_share(
    strata: Mapping[str, Stratum], share: float, generator: np.random.Generator
) -> frozenset[str]:
    """Draw this share of the groups of every stratum.

    A stratum of two or more gives at least one and keeps at least one; a stratum of
    one gives none.

    Args:
        strata: Group name to stratum, in an order that is always the same.
        share: Between 0 and 1.
        generator: Source of the draw.
    """
    drawn: set[str] = set()
    for stratum in sorted(set(strata.values())):
        names = [name for name, own in strata.items() if own == stratum]
        count = min(max(1, int(share * len(names) + 0.5)), len(names) - 1)
        drawn.update(
            names[index] for index in generator.permutation(len(names))[:count]
        )
    return frozenset(drawn)


def group_value(scans: Iterable[ScanRecord], column: str) -> str:
    """Value of a group in a column; several values are joined, none is ""."""
    found = {value for record in scans if (value := column_value(record, column))}
    return "|".join(sorted(found))


def column_value(record: ScanRecord, column: str) -> str | None:
    """Value of a scan in a column of the label table, else of the scan itself."""
    built_in = {name: getattr(record, name) for name in _BUILT_IN}
    return record.meta.get(column, built_in.get(column)) or None


def check_columns(records: Sequence[ScanRecord], columns: Iterable[str]) -> None:
    """Refuse a column that no scan has.

    Raises:
        DatasetError: Naming the column and those there are.
    """
    for column in columns:
        if any(column_value(record, column) for record in records):
            continue
        known = sorted({name for record in records for name in record.meta})
        msg = (
            f"no scan has a value in the column {column!r} that 'folds' names; "
            f"columns of the label table: {', '.join(known) or 'none'}"
            f"{did_you_mean(column, [*known, *_BUILT_IN])}"
        )
        raise DatasetError(msg)


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """End of a message that names the nearest of what is known; "" without one."""
    near = get_close_matches(name, known, 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def scans_by_group(
    members: Mapping[str, tuple[PatientId, ...]], records: Sequence[ScanRecord]
) -> dict[str, list[ScanRecord]]:
    """Scans of the patients of each group."""
    group_of = {patient: name for name, group in members.items() for patient in group}
    scans: dict[str, list[ScanRecord]] = {name: [] for name in members}
    for record in records:
        if record.patient_id in group_of:
            scans[group_of[record.patient_id]].append(record)
    return scans


def classes_of(
    scans: Sequence[ScanRecord], classify: ClassifySpec | None
) -> frozenset[str]:
    """Classes or labels that any of the scans has; none without classification."""
    if classify is None:
        return frozenset()
    if classify.columns:
        return frozenset(c for s in scans for c in classify.columns if s.labels.get(c))
    return frozenset(_class_of(record, classify) for record in scans)


def _class_of(record: ScanRecord, classify: ClassifySpec) -> str:
    value = record.labels.get(classify.column)
    name = classify.class_of(value)
    if name is None:
        msg = (
            f"scan {record.scan_id!r} has {value!r} in the label column "
            f"{classify.column!r}, which is none of {list(classify.classes)}; ingest "
            "again, or drop the scan"
        )
        raise DatasetError(msg)
    return name


def _class_order(
    found: Iterable[frozenset[str]], classify: ClassifySpec | None
) -> list[str]:
    if classify is None:
        return []
    names = list(classify.label_names)
    if len(classify.classes) == 2:  # noqa: PLR2004 - any positive scan decides
        return sorted(names, key=lambda name: name != classify.positive_class)
    counts = Counter(name for classes in found for name in classes)
    return sorted(names, key=lambda name: (counts[name], -names.index(name)))
