"""Patients that no fold ever uses: the holdout, and those that fit the decision."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from voxray.core.errors import DatasetError
from voxray.core.records import PatientId, ScanRecord
from voxray.core.specs import FoldsSpec, TaskSpec
from voxray.core.specs.experiment import HoldoutColumn
from voxray.folds.groups import Link, group_patients, members_by_group
from voxray.folds.strata import (
    Group,
    Stratum,
    check_columns,
    classes_of,
    column_value,
    content_key,
    did_you_mean,
    draw_share,
)

_DRAW, _CALIBRATION = 1, 4


def choose_holdout(
    records: Sequence[ScanRecord],
    spec: FoldsSpec,
    seed: int,
    linked: Iterable[Link] = (),
) -> frozenset[PatientId]:
    """Choose the patients that are kept out of all folds.

    Whole groups are chosen: a patient linked to a holdout patient is one too. A
    fraction is drawn per class, of several labels per rarest one that is there. The
    same arguments give the same patients in every stage; the order of records does not
    matter.

    Args:
        records: Manifest rows.
        spec: `spec.holdout` says which; None chooses nobody.
        seed: Of the experiment.
        linked: As for `assign_folds`.

    Raises:
        DatasetError: If the column, its value or the fraction selects nobody, or all.
    """
    if spec.holdout is None:
        return frozenset()
    groups = group_patients(records, linked)
    if isinstance(spec.holdout, HoldoutColumn):
        chosen = _by_column(records, groups, spec.holdout)
    else:
        chosen = _by_fraction(
            records, groups, spec.holdout.fraction, ("folds.holdout", seed, _DRAW)
        )
    if chosen == set(groups.values()):
        msg = (
            f"folds.holdout takes all {len(groups)} patients; none is left to train on"
        )
        raise DatasetError(msg)
    return frozenset(patient for patient, group in groups.items() if group in chosen)


def choose_calibration(
    records: Sequence[ScanRecord],
    spec: FoldsSpec,
    seed: int,
    linked: Iterable[Link] = (),
    holdout: Collection[PatientId] = frozenset(),
) -> frozenset[PatientId]:
    """Choose the patients that fit calibration and operating point, and nothing else.

    They are drawn as a holdout is, whole groups per class, of the patients that are not
    in the holdout.

    Args:
        records: Manifest rows.
        spec: `spec.calibration` says how many; None chooses nobody.
        seed: Of the experiment.
        linked: As for `assign_folds`.
        holdout: From `choose_holdout`.

    Raises:
        DatasetError: If the fraction is nobody.
    """
    if spec.calibration is None:
        return frozenset()
    rest = [record for record in records if record.patient_id not in holdout]
    groups = group_patients(rest, linked)
    place = "folds.calibration", seed, _CALIBRATION
    chosen = _by_fraction(rest, groups, spec.calibration.fraction, place)
    return frozenset(patient for patient, group in groups.items() if group in chosen)


def _by_column(
    records: Sequence[ScanRecord], groups: dict[PatientId, str], holdout: HoldoutColumn
) -> set[str]:
    check_columns(records, [holdout.column])
    chosen = {
        groups[record.patient_id]
        for record in records
        if column_value(record, holdout.column) == holdout.value
    }
    if not chosen:
        values = sorted({column_value(r, holdout.column) or "" for r in records})
        msg = (
            f"folds.holdout: no scan has {holdout.value!r} in the column "
            f"{holdout.column!r}; its values are {', '.join(values[:10])}"
            f"{did_you_mean(holdout.value, values)}"
        )
        raise DatasetError(msg)
    return chosen


def _by_fraction(
    records: Sequence[ScanRecord],
    groups: dict[PatientId, str],
    fraction: float,
    place: tuple[str, int, int],
) -> set[str]:
    """Groups drawn by a setting, the seed and the number of the draw."""
    setting, *seeds = place
    scans: dict[str, list[ScanRecord]] = {name: [] for name in members_by_group(groups)}
    for record in records:
        scans[groups[record.patient_id]].append(record)
    names = sorted(scans, key=lambda name: content_key(scans[name]))
    strata = _strata({name: scans[name] for name in names})
    drawn = draw_share(strata, fraction, np.random.default_rng(seeds))
    if not drawn:
        msg = (
            f"{setting}: {fraction:g} of {len(names)} patients is nobody; "
            "take a larger fraction"
        )
        raise DatasetError(msg)
    return set(drawn)


def _strata(scans: Mapping[str, Sequence[ScanRecord]]) -> dict[str, Stratum]:
    """What each group counts as: the values of its label.

    Of several labels the rarest that is there, as in folds: most of their combinations
    are of one group, of which nobody could be drawn.
    """
    columns = {key for own in scans.values() for scan in own for key in scan.labels}
    if len(columns) < 2:  # noqa: PLR2004
        return {name: _labels(own) for name, own in scans.items()}
    there = {
        name: {key for scan in own for key, value in scan.labels.items() if value}
        for name, own in scans.items()
    }
    counts = Counter(key for own in there.values() for key in own)
    return {
        name: (min(own, key=lambda key: (counts[key], key), default=""),)
        for name, own in there.items()
    }


def _labels(scans: Sequence[ScanRecord]) -> Stratum:
    found = {f"{key}={value}" for scan in scans for key, value in scan.labels.items()}
    return tuple(sorted(found)) or ("",)


def check_holdout(kept_out: Sequence[Group], task: TaskSpec, spec: FoldsSpec) -> None:
    """Refuse a holdout that could never tell one class from another.

    Raises:
        DatasetError: If its patients lack a class; of several labels nothing is asked.
    """
    classify = task.classify
    if not kept_out or classify is None or classify.columns:
        return
    counts = Counter(name for group in kept_out for name in group.classes)
    lacking = [name for name in classify.classes if not counts[name]]
    if lacking:
        n_patients = sum(len(group.patients) for group in kept_out)
        said = ", ".join(f"{name}: {counts[name]}" for name in classify.classes)
        by_value = isinstance(spec.holdout, HoldoutColumn)
        remedy = "choose another value" if by_value else "take a larger fraction"
        msg = (
            f"folds.holdout keeps {n_patients} patients out, none of class "
            f"{lacking[0]!r} ({said}); nothing could be said about it there: {remedy}"
        )
        raise DatasetError(msg)


def check_calibration(
    kept: Sequence[Group], records: Sequence[ScanRecord], task: TaskSpec
) -> None:
    """Refuse calibration patients on whom no threshold could be chosen.

    Raises:
        DatasetError: If all are of one of two classes, or none is with, or without, one
            of several labels; more classes have no threshold.
    """
    classify = task.classify
    if not kept or classify is None or len(classify.classes) > 2:  # noqa: PLR2004
        return
    patients = {patient for group in kept for patient in group.patients}
    own = [record for record in records if record.patient_id in patients]
    for name in classify.judged_names:
        stated = [r for r in own if not classify.columns or name in r.labels]
        sides = {name in classes_of([record], classify) for record in stated}
        if len(sides) < 2:  # noqa: PLR2004
            n_with = len(patients) if sides == {True} else 0
            msg = (
                f"folds.calibration keeps {len(patients)} patients out, {n_with} of "
                f"them {name!r}; a threshold needs patients with and without it: take "
                "a larger fraction"
            )
            raise DatasetError(msg)
