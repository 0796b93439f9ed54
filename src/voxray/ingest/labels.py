"""Which row of the label table belongs to which scan, and what it says."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, cycle, islice
from pathlib import PurePosixPath
from typing import TypeVar

import numpy as np

from voxray.core.errors import DatasetError
from voxray.core.findings import FindingCode
from voxray.core.ids import Pseudonymizer
from voxray.core.records import Finding, LabelValue, PatientId, ScanId
from voxray.core.specs import ClassifySpec, LabelsSpec
from voxray.ingest.label_table import LabelRow, LabelTable
from voxray.ingest.masks import bare_name
from voxray.ingest.patients import Names
from voxray.ingest.scans import FoundScan, contenders
from voxray.ingest.table_files import is_missing

_MAX_EXAMPLES = 5
_TRUE, _FALSE = {"true", "yes", "1", "1.0"}, {"false", "no", "0", "0.0"}


@dataclass(frozen=True, slots=True)
class LabelMatch:
    """Rows by scan, and what is left over.

    Attributes:
        ambiguous: Scans whose name in the table could mean another scan too.
        conflicts: Scans of exams whose scans have rows of different labels.
        keys_without_scan: Keys that name no scan of the folder, sorted.
    """

    rows: dict[ScanId, LabelRow]
    ambiguous: frozenset[ScanId]
    keys_without_scan: tuple[str, ...]
    conflicts: frozenset[ScanId] = frozenset()


def match_rows(
    table: LabelTable,
    spec: LabelsSpec,
    scans: Sequence[FoundScan],
    patient_names: Mapping[ScanId, Names],
    pseudonymizer: Pseudonymizer,
) -> LabelMatch:
    """Find each scan's row.

    A scan is named by its relative path with or without suffix or its SeriesInstanceUID
    and, where only one scan has it, by its file or folder name.

    Args:
        table: Rows by key.
        spec: What a key names.
        scans: Good and refused: the row of a refused scan is not left over.
        patient_names: Names of the scan's patient, for a table by patient.
        pseudonymizer: Decides whether an error may show a key.

    Raises:
        DatasetError: If the table has rows and none names a scan.
    """
    names = {
        s.scan_id: _names(s, spec, patient_names.get(s.scan_id, _NO_NAMES))
        for s in scans
    }
    unclear = _unclear_names(scans, names, spec)
    known = {name for group in names.values() for name in chain(*group)}
    _check_any_match(table, known, scans, pseudonymizer)
    rows = {
        scan_id: table.rows[name]
        for scan_id, group in names.items()
        if (name := _first_in(table, group, unclear)) is not None
    }
    ambiguous = {
        scan_id
        for scan_id, group in names.items()
        if scan_id not in rows and unclear & table.rows.keys() & set(chain(*group))
    }
    missing = tuple(sorted(table.rows.keys() - known))
    return LabelMatch(rows, frozenset(ambiguous), missing)


_PICTURES = {".png", ".jpg", ".jpeg"}

_NO_NAMES: Names = ((), ())


def _names(scan: FoundScan, spec: LabelsSpec, patient_names: Names) -> Names:
    match spec.by:
        case "patient":
            return patient_names
        case "study":
            return ((scan.study_uid,) if scan.study_uid else ()), ()
        case "exam" if scan.exam:
            folder = scan.path.parent
            return (scan.exam,), (folder.as_posix(), folder.name)
        case _:
            return _scan_names(scan)


def _scan_names(scan: FoundScan) -> Names:
    path, bare = scan.path.as_posix(), _without_suffix(scan.path)
    short = (scan.path.name, PurePosixPath(bare).name)
    if scan.header is None:
        return (bare, path), short
    return (scan.series_uid,), (path, *short)


def _without_suffix(path: PurePosixPath) -> str:
    if path.suffix.lower() in _PICTURES:
        return path.with_suffix("").as_posix()
    return bare_name(path)


def _unclear_names(
    scans: Sequence[FoundScan], names: Mapping[ScanId, Names], spec: LabelsSpec
) -> set[str]:
    if spec.by == "patient":
        return {name for _, shared in names.values() for name in shared}
    owned = {
        (name, scan.exam or scan.scan_id)
        for scan in contenders(scans)
        for name in names[scan.scan_id][1]
    }
    owners = Counter(name for name, _ in owned)
    return {name for name, n in owners.items() if n > 1}


def _first_in(table: LabelTable, names: Names, unclear: set[str]) -> str | None:
    clear = [*names[0], *(name for name in names[1] if name not in unclear)]
    return next((name for name in clear if name in table.rows), None)


def _check_any_match(
    table: LabelTable,
    known: set[str],
    scans: Sequence[FoundScan],
    pseudonymizer: Pseudonymizer,
) -> None:
    if table.rows.keys() & known or not table.rows or not known:
        return
    key = min(table.rows)
    name = min(known)
    shown = (key, name) if pseudonymizer.readable else (shape_of(key), shape_of(name))
    msg = (
        f"none of the {len(table.rows)} keys of the label table names one of the "
        f"{len(scans)} scans: a key looks like {shown[0]!r}, a scan like {shown[1]!r}; "
        "correct data.labels.key"
    )
    raise DatasetError(msg)


def shape_of(text: str) -> str:
    """Show the form of an identifier and not the identifier.

    Example:
        >>> shape_of("LIDC-0003_R_2")
        'AAAA-9999_A_9'
    """
    return re.sub(r"[^\W\d_]", "A", re.sub(r"\d", "9", text))


def key_examples(keys: Sequence[str], pseudonymizer: Pseudonymizer) -> tuple[str, ...]:
    """Up to five keys, as ids."""
    return tuple(pseudonymizer.scan_id(k, k) for k in keys[:_MAX_EXAMPLES])


def label_problem(
    scan_id: ScanId, match: LabelMatch, classify: ClassifySpec | None
) -> Finding | None:
    """Say why a scan has no usable label; None when it has one."""
    row = match.rows.get(scan_id)
    if scan_id in match.conflicts:
        detail = "the label table has different labels for scans of the exam"
        return Finding(FindingCode.LABEL_CONFLICT, detail)
    if row is not None:
        return _cells_problem(row, classify) if classify else None
    detail = "no row of the label table names it"
    if scan_id in match.ambiguous:
        detail = (
            "the label table names it as it could name another scan or patient; use "
            "the relative path or the SeriesInstanceUID"
        )
    return Finding(FindingCode.NO_LABEL, detail)


def _cells_problem(row: LabelRow, classify: ClassifySpec) -> Finding | None:
    """One label may be missing where there are several, not all."""
    found = {column: row.cells.get(column, "") for column in classify.label_columns}
    if row.conflicts:
        return Finding(FindingCode.LABEL_CONFLICT, next(iter(row.conflicts.values())))
    given = {c: text for c, text in found.items() if not _absent(text, classify)}
    unknown = [c for c, text in given.items() if class_value(text, classify) is None]
    if unknown:
        known = list(classify.classes.values()) or [0, 1]
        detail = f"{unknown[0]!r} holds none of {known}"
        return Finding(FindingCode.UNKNOWN_LABEL, detail)
    if not given:
        columns = ", ".join(map(repr, found))
        detail = (
            f"column {columns} is empty" if len(found) == 1 else f"{columns} are empty"
        )
        return Finding(FindingCode.NO_LABEL, detail)
    return None


def _absent(text: str, classify: ClassifySpec) -> bool:
    return is_missing(text) and class_value(text, classify) is None


def class_value(text: str, classify: ClassifySpec) -> LabelValue | None:
    """Give the value that a cell means; None when it means none.

    Of a class, by its value or its name; of one label among several, 0 or 1.
    """
    if classify.columns:
        known = {**dict.fromkeys(_TRUE, 1), **dict.fromkeys(_FALSE, 0)}
        return known.get(text.lower())
    by_value = (v for v in classify.classes.values() if _means(text, v))
    return next(by_value, classify.classes.get(text))


def _means(text: str, value: LabelValue) -> bool:
    if isinstance(value, bool):
        return text.lower() in (_TRUE if value else _FALSE)
    if isinstance(value, str):
        return text == value
    try:
        return float(text) == value
    except ValueError:
        return False


def shared_in_exams(
    match: LabelMatch, scans: Sequence[FoundScan], columns: Sequence[str]
) -> LabelMatch:
    """Give every scan of an exam the row that one of its scans has.

    Args:
        match: Rows by scan.
        scans: Exams are assigned.
        columns: Rows of one exam that differ in one of them are a conflict.
    """
    exams: dict[str, list[ScanId]] = defaultdict(list)
    for scan in scans:
        if scan.exam and scan.channel:
            exams[scan.exam].append(scan.scan_id)
    rows, conflicts = dict(match.rows), set(match.conflicts)
    for scan_ids in exams.values():
        found = [match.rows[scan_id] for scan_id in scan_ids if scan_id in match.rows]
        if any(len({row.cells.get(c) for row in found}) > 1 for c in columns):
            conflicts |= set(scan_ids)
        elif found:
            rows |= {s: match.rows.get(s, found[0]) for s in scan_ids}
    return replace(match, rows=rows, conflicts=frozenset(conflicts))


_Key = TypeVar("_Key", bound=str)


def permuted(
    labels: Mapping[_Key, Mapping[str, LabelValue]],
    patients: Mapping[_Key, PatientId],
    seed: int,
) -> dict[_Key, Mapping[str, LabelValue]]:
    """Give every patient the labels of a patient drawn without replacement.

    A control: what is learned from such labels is learned from nothing. A patient with
    more scans than the other repeats the other's labels in turn, so that one label per
    patient stays one label per patient.

    Args:
        labels: By exam, in the order of the exams.
        patients: Patient of each of these exams.
        seed: Of the permutation.
    """
    scans_of: dict[PatientId, list[_Key]] = {}
    for scan_id in labels:
        scans_of.setdefault(patients[scan_id], []).append(scan_id)
    order = sorted(scans_of)
    donors = np.random.default_rng(seed).permutation(len(order))
    exchanged: dict[_Key, Mapping[str, LabelValue]] = {}
    for patient, donor in zip(order, donors, strict=True):
        given = cycle([labels[scan_id] for scan_id in scans_of[order[donor]]])
        own = scans_of[patient]
        exchanged.update(zip(own, islice(given, len(own)), strict=True))
    return {scan_id: exchanged[scan_id] for scan_id in labels}
