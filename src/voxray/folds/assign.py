"""Split patients, never scans, into folds."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from sklearn.model_selection import StratifiedKFold

from voxray.core.errors import DatasetError
from voxray.core.records import FoldRole, FoldRow, PatientId, ScanRecord
from voxray.core.specs import FoldsSpec, TaskSpec
from voxray.folds.groups import Link, group_patients, members_by_group
from voxray.folds.holdout import (
    check_calibration,
    check_holdout,
    choose_calibration,
    choose_holdout,
)
from voxray.folds.left_out import values_of_groups
from voxray.folds.strata import Group, describe_groups, draw_share, merge_small

_FOLDS, _VALIDATION = 2, 3
_FoldsOfGroups = tuple[frozenset[str], ...]


def assign_folds(
    records: Sequence[ScanRecord],
    task: TaskSpec,
    spec: FoldsSpec,
    seed: int,
    linked: Iterable[Link] = (),
) -> tuple[FoldRow, ...]:
    """Hold out each patient in exactly one fold of every repeat.

    Groups of patients are balanced over folds by class (a patient is positive when any
    scan is), within it by the columns of `spec.stratify`, and by number. Without
    classes only number and columns count. Repeats draw anew. The order of records does
    not matter, and neither do the pseudonyms: groups are put in order by their images.
    With "leave_one_out_of" nothing is drawn but validation: the folds are the values of
    the column, in order.

    Args:
        records: Manifest rows.
        task: Says which label column holds the class.
        spec: Number of folds and repeats, columns, holdout, calibration, validation.
        seed: Of the experiment.
        linked: Pairs of patients that share an image; they never part.

    Returns:
        Rows for held-out, validation, holdout and calibration patients, by repeat,
        fold, role and patient. A patient without a row in a fold is trained on there.

    Raises:
        DatasetError: If there is one class only, a class or the whole has fewer
            patients than folds, one of several labels has fewer than two patients
            with or without it, the holdout lacks a class or the calibration patients
            one side of a threshold, or a value cannot be left out.
    """
    pairs = tuple(linked)
    holdout = choose_holdout(records, spec, seed, pairs)
    calibration = choose_calibration(records, spec, seed, pairs, holdout)
    members = members_by_group(group_patients(records, pairs))
    described = describe_groups(members, records, task, spec.stratify)
    kept_out = [group for group in described if group.patients[0] in holdout]
    aside = [group for group in described if group.patients[0] in calibration]
    unused = holdout | calibration
    groups = [group for group in described if group.patients[0] not in unused]
    check_holdout(kept_out, task, spec)
    check_calibration(aside, records, task)
    column = spec.left_out_column
    left_out = _by_value(groups, records, column, task) if column else None
    if left_out is None:
        _check_counts(groups, task, spec)
    if task.classify is not None and task.classify.columns:
        patients = {patient for group in groups for patient in group.patients}
        used = [record for record in records if record.patient_id in patients]
        _check_labels(used, task.classify.columns)
    rows = [
        row
        for repeat in range(spec.repeats)
        for row in _one_repeat(
            groups,
            left_out or _split(groups, spec.n, (seed, repeat)),
            spec,
            (seed, repeat),
        )
    ]
    unused_rows = (
        *_in_every_fold(kept_out, rows, FoldRole.HOLDOUT),
        *_in_every_fold(aside, rows, FoldRole.CALIBRATION),
    )
    return tuple(sorted((*rows, *unused_rows), key=_row_order))


def _in_every_fold(
    groups: Sequence[Group], rows: Sequence[FoldRow], role: FoldRole
) -> list[FoldRow]:
    """Rows of groups that have one role everywhere."""
    folds = sorted({(row.repeat, row.fold) for row in rows})
    return [r for g in groups for fold in folds for r in _rows(g, *fold, role)]


def _row_order(row: FoldRow) -> tuple[int, int, int, str]:
    role = list(FoldRole).index(row.role)
    return row.repeat, row.fold, role, row.patient_id


def _by_value(
    groups: Sequence[Group],
    records: Sequence[ScanRecord],
    column: str,
    task: TaskSpec,
) -> _FoldsOfGroups:
    """Groups of each value, in the order of the values."""
    members = {group.name: group.patients for group in groups}
    values = values_of_groups(members, records, column)
    folds = {
        value: frozenset(n for n, own in values.items() if own == value)
        for value in sorted(set(values.values()))
    }
    for value, held_out in folds.items():
        rest = [group for group in groups if group.name not in held_out]
        _check_left(value, rest, task)
    return tuple(folds.values())


def _check_left(value: str, rest: Sequence[Group], task: TaskSpec) -> None:
    """Refuse a value without which there is nothing to learn a class from."""
    if task.classify is None or task.classify.columns:
        return
    left = Counter(name for group in rest for name in group.classes)
    for name in task.classify.classes:
        if not left[name]:
            msg = (
                f"without the patients of {value!r} no patient of class {name!r} is "
                "left to train on; join this value with another in the label table, "
                "or draw folds with folds.scheme: stratified"
            )
            raise DatasetError(msg)


def _one_repeat(
    groups: Sequence[Group],
    folds: _FoldsOfGroups,
    spec: FoldsSpec,
    seeds: tuple[int, int],
) -> Iterator[FoldRow]:
    _, repeat = seeds
    for fold, held_out in enumerate(folds):
        training = {g.name: g.stratum[:1] for g in groups if g.name not in held_out}
        generator = np.random.default_rng([*seeds, _VALIDATION, fold])
        validation = draw_share(training, spec.validation, generator)
        for group in groups:
            if group.name in held_out:
                yield from _rows(group, repeat, fold, FoldRole.HELD_OUT)
            elif group.name in validation:
                yield from _rows(group, repeat, fold, FoldRole.VALIDATION)


def _split(
    groups: Sequence[Group], n_folds: int, seeds: tuple[int, int]
) -> _FoldsOfGroups:
    strata = merge_small([group.stratum for group in groups], n_folds)
    codes = {stratum: code for code, stratum in enumerate(sorted(set(strata)))}
    targets = np.array([codes[stratum] for stratum in strata])
    state = int(np.random.default_rng([*seeds, _FOLDS]).integers(2**32))
    splitter = StratifiedKFold(n_folds, shuffle=True, random_state=state)
    return tuple(
        frozenset(groups[index].name for index in held_out)
        for _, held_out in splitter.split(np.zeros(len(groups)), targets)
    )


def _rows(group: Group, repeat: int, fold: int, role: FoldRole) -> Iterator[FoldRow]:
    for patient in group.patients:
        yield FoldRow(repeat, fold, patient, group.name, role)


def _check_counts(groups: Sequence[Group], task: TaskSpec, spec: FoldsSpec) -> None:
    n_patients = sum(len(group.patients) for group in groups)
    if len(groups) < spec.n:
        linked = f" in {len(groups)} linked groups" if len(groups) < n_patients else ""
        outside = " outside the holdout" if spec.holdout else ""
        msg = (
            f"{n_patients} patients{outside}{linked} are fewer than folds.n = "
            f"{spec.n}; add patients, or set folds.n lower (at least 2)"
        )
        raise DatasetError(msg)
    if task.classify is not None and not task.classify.columns:
        _check_classes(groups, list(task.classify.classes), spec)


def _check_classes(
    groups: Sequence[Group], classes: list[str], spec: FoldsSpec
) -> None:
    outside = " outside the holdout" if spec.holdout else ""
    counts = Counter(name for group in groups for name in group.classes)
    said = ", ".join(f"{name}: {counts[name]}" for name in classes)
    if len(counts) < 2:  # noqa: PLR2004
        msg = (
            f"all patients are {next(iter(counts))!r} (patients per class: {said}); "
            "a classifier needs at least two classes: check task.classify.column and "
            "task.classify.classes"
        )
        raise DatasetError(msg)
    rarest = min(classes, key=lambda name: counts[name])
    if counts[rarest] < spec.n:
        msg = (
            f"class {rarest!r} has {counts[rarest]} patients{outside}, fewer than "
            f"folds.n = {spec.n} (patients per class: {said}); add patients, set "
            "folds.n lower, or leave the class out of task.classify.classes"
        )
        raise DatasetError(msg)


def _check_labels(records: Sequence[ScanRecord], labels: Sequence[str]) -> None:
    """Refuse a label that no fold could learn while another patient is held out."""
    for label in labels:
        having: dict[bool, set[PatientId]] = {True: set(), False: set()}
        for record in records:
            if label in record.labels:
                having[bool(record.labels[label])].add(record.patient_id)
        n_with, n_without = len(having[True]), len(having[False])
        if min(n_with, n_without) < 2:  # noqa: PLR2004
            msg = (
                f"label {label!r} is there in {n_with} patients and absent in "
                f"{n_without}, at least 2 of each are needed; leave it out of "
                "task.classify.columns, or add patients"
            )
            raise DatasetError(msg)
