"""Folds that are not drawn: each value of a column, such as a site, is one."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from voxray.core.errors import DatasetError
from voxray.core.records import FoldRole, FoldRow, PatientId, ScanRecord
from voxray.folds.strata import check_columns, column_value, scans_by_group

_LEAST, _MOST = 2, 50
_NAMED = 3


def values_of_groups(
    members: Mapping[str, tuple[PatientId, ...]],
    records: Sequence[ScanRecord],
    column: str,
) -> dict[str, str]:
    """The one value of each group of patients.

    A scan without a value counts as the other scans of its group.

    Args:
        members: Patients by group, without the holdout.
        records: Manifest rows.
        column: See `column_value`.

    Raises:
        DatasetError: If a group has several values or none, or there are fewer than 2
            or more than 50 values.
    """
    check_columns(records, [column])
    found = {
        name: sorted({v for scan in scans if (v := column_value(scan, column))})
        for name, scans in scans_by_group(members, records).items()
    }
    _check_one(found, members, column)
    values = sorted({value for of_group in found.values() for value in of_group})
    if not _LEAST <= len(values) <= _MOST:
        named = ", ".join(map(repr, values[:_NAMED]))
        more = ", …" if len(values) > _NAMED else ""
        msg = (
            f"folds.scheme would leave out each value of {column!r}, but there are "
            f"{len(values)} ({named}{more}); {_LEAST} to {_MOST} are possible: name "
            "another column, or draw folds with folds.scheme: stratified"
        )
        raise DatasetError(msg)
    return {name: value for name, (value,) in found.items()}


def _check_one(
    found: Mapping[str, Sequence[str]],
    members: Mapping[str, tuple[PatientId, ...]],
    column: str,
) -> None:
    several = [name for name, values in found.items() if len(values) > 1]
    if several:
        shown = "; ".join(
            f"{' and '.join(map(repr, members[name]))}: {', '.join(found[name])}"
            for name in several[:_NAMED]
        )
        msg = (
            f"{_patients(several, members)} have scans of several values of {column!r} "
            f"({shown}): leaving out one value would leave the patient in training. "
            "Leave their scans of all but one value out of the data, or give the "
            "values one name in a column of their own and name that"
        )
        raise DatasetError(msg)
    without = [name for name, values in found.items() if not values]
    if without:
        shown = ", ".join(repr(members[name][0]) for name in without[:_NAMED])
        msg = (
            f"{_patients(without, members)} have no value of {column!r}, such as "
            f"{shown}: fill the column, or leave their scans out of the data"
        )
        raise DatasetError(msg)


def _patients(
    names: Sequence[str], members: Mapping[str, tuple[PatientId, ...]]
) -> str:
    n, total = (
        sum(len(members[name]) for name in names),
        sum(map(len, members.values())),
    )
    return f"{n} of {total} patients"


def values_of_folds(
    rows: Sequence[FoldRow], records: Sequence[ScanRecord], column: str
) -> dict[int, str]:
    """The value that each fold holds out, whoever made the table.

    Raises:
        DatasetError: If a fold holds out patients of several values, or two folds those
            of one.
    """
    of_patient: dict[PatientId, set[str]] = defaultdict(set)
    for record in records:
        if value := column_value(record, column):
            of_patient[record.patient_id].add(value)
    of_fold: dict[int, set[str]] = defaultdict(set)
    for row in rows:
        if row.role is FoldRole.HELD_OUT:
            of_fold[row.fold] |= of_patient[row.patient_id]
    values = {fold: " and ".join(sorted(of_fold[fold])) for fold in sorted(of_fold)}
    distinct = set[str]().union(*of_fold.values())
    if any(len(own) != 1 for own in of_fold.values()) or len(distinct) < len(values):
        said = "; ".join(f"fold {fold} holds out {own}" for fold, own in values.items())
        msg = f"each fold must hold out one value of {column!r}, but {said}"
        raise DatasetError(msg)
    return values
