"""Show that no patient and no image is on two sides of a split, or fail the run."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from voxray.core.errors import LeakageError
from voxray.core.records import FoldRole, FoldRow, PatientId, ScanRecord
from voxray.folds.groups import Link, group_patients, members_by_group

_SHOWN = 5
_TRAIN = "training"

Roles = dict[tuple[int, int], dict[PatientId, list[str]]]


@dataclass(frozen=True, slots=True)
class AuditCheck:
    """One rule and what it was tried on.

    Attributes:
        rule: What must hold, in words.
        compared: How many patients, groups or images, times folds, were looked at.
    """

    rule: str
    compared: int


@dataclass(frozen=True, slots=True)
class Audit:
    """A passed audit: what was looked at. A failed one is a `LeakageError`.

    Attributes:
        n_groups: Groups of linked patients; equal to `n_patients` without links.
        n_images: Distinct `sha256_pixels`.
        n_linked: Pairs of patients linked by copies.
    """

    n_patients: int
    n_groups: int
    n_scans: int
    n_images: int
    n_linked: int
    n_holdout: int
    n_calibration: int
    n_repeats: int
    n_folds: int
    checks: tuple[AuditCheck, ...]
    passed: bool = True


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What every rule looks at.

    Attributes:
        roles: Per (repeat, fold): the roles the table gives each patient.
        groups: Patients that must stay together.
        images: Patients per image that more than one patient has.
    """

    rows: Sequence[FoldRow]
    patients: frozenset[PatientId]
    roles: Roles
    groups: Mapping[str, tuple[PatientId, ...]]
    images: Mapping[str, tuple[PatientId, ...]]
    n_images: int


def audit(
    rows: Sequence[FoldRow],
    records: Sequence[ScanRecord],
    linked: Iterable[Link] = (),
) -> Audit:
    """Check the fold table against the manifest, trusting neither.

    Args:
        rows: The fold table, as it stands on disk.
        records: Manifest rows.
        linked: Pairs of patients that share an image.

    Raises:
        LeakageError: At the first broken rule; names the patients and folds.
    """
    pairs = tuple(linked)
    evidence = _gather(rows, records, pairs)
    checks = tuple(_run(rule, try_it, evidence) for rule, try_it in _RULES.items())
    return Audit(
        n_patients=len(evidence.patients),
        n_groups=len(evidence.groups),
        n_scans=len(records),
        n_images=evidence.n_images,
        n_linked=len({frozenset(pair) for pair in pairs}),
        n_holdout=len(_having(rows, FoldRole.HOLDOUT)),
        n_calibration=len(_having(rows, FoldRole.CALIBRATION)),
        n_repeats=len({row.repeat for row in rows}),
        n_folds=len({row.fold for row in rows}),
        checks=checks,
    )


def _having(rows: Sequence[FoldRow], *roles: FoldRole) -> set[PatientId]:
    return {row.patient_id for row in rows if row.role in roles}


def audit_to_json(result: Audit) -> dict[str, Any]:
    """Content of `audit.json`."""
    return asdict(result)


def _gather(
    rows: Sequence[FoldRow], records: Sequence[ScanRecord], linked: Sequence[Link]
) -> _Evidence:
    roles: Roles = defaultdict(lambda: defaultdict(list))
    for row in rows:
        roles[row.repeat, row.fold][row.patient_id].append(row.role.value)
    images: dict[str, set[PatientId]] = defaultdict(set)
    for record in records:
        images[record.sha256_pixels].add(record.patient_id)
    return _Evidence(
        rows=rows,
        patients=frozenset(record.patient_id for record in records),
        roles=roles,
        groups=members_by_group(group_patients(records, linked)),
        images={sha: tuple(sorted(p)) for sha, p in images.items() if len(p) > 1},
        n_images=len(images),
    )


_Try = Callable[[_Evidence], tuple[int, Iterable[str]]]


def _run(rule: str, try_it: _Try, evidence: _Evidence) -> AuditCheck:
    compared, found = try_it(evidence)
    problems = list(found)
    if problems:
        more = len(problems) - _SHOWN
        said = "; ".join(problems[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")
        msg = f"leakage audit failed, {rule}: {said}. Split again with stage 3"
        raise LeakageError(msg)
    return AuditCheck(rule, compared)


def _try_known(seen: _Evidence) -> tuple[int, Iterable[str]]:
    named = {row.patient_id for row in seen.rows}
    unknown = sorted(named - seen.patients)
    return len(named), (f"patient {p!r} is not in the manifest" for p in unknown)


def _try_one_role(seen: _Evidence) -> tuple[int, Iterable[str]]:
    return len(seen.rows), (
        f"patient {patient!r} is {' and '.join(roles)} in {_name(cell)}"
        for cell, of_patient in seen.roles.items()
        for patient, roles in of_patient.items()
        if len(roles) > 1
    )


def _try_held_out_once(seen: _Evidence) -> tuple[int, Iterable[str]]:
    repeats = {row.repeat for row in seen.rows}
    return len(seen.patients) * len(repeats), _held_out_problems(seen, repeats)


def _held_out_problems(seen: _Evidence, repeats: set[int]) -> Iterator[str]:
    if not repeats:
        yield "the fold table is empty"
    unused = _having(seen.rows, FoldRole.HOLDOUT, FoldRole.CALIBRATION)
    for repeat in sorted(repeats):
        folds: dict[PatientId, list[int]] = defaultdict(list)
        for row in seen.rows:
            if row.repeat == repeat and row.role is FoldRole.HELD_OUT:
                folds[row.patient_id].append(row.fold)
        for patient in sorted(seen.patients - unused):
            if len(folds[patient]) != 1:
                where = " and ".join(map(str, sorted(folds[patient]))) or "none"
                said = f"is held out in folds {where} of repeat {repeat}"
                yield f"patient {patient!r} {said}"


def _try_holdout(seen: _Evidence) -> tuple[int, Iterable[str]]:
    return _try_everywhere(seen, FoldRole.HOLDOUT)


def _try_calibration(seen: _Evidence) -> tuple[int, Iterable[str]]:
    return _try_everywhere(seen, FoldRole.CALIBRATION)


def _try_everywhere(seen: _Evidence, role: FoldRole) -> tuple[int, Iterable[str]]:
    patients = _having(seen.rows, role)
    return len(patients) * len(seen.roles), (
        f"{role} patient {patient!r} is {_role(of_patient, patient)} in {_name(cell)}"
        for patient in sorted(patients)
        for cell, of_patient in sorted(seen.roles.items())
        if _role(of_patient, patient) != role
    )


def _try_groups(seen: _Evidence) -> tuple[int, Iterable[str]]:
    return _try_together(seen, seen.groups.values(), "are linked by a copy")


def _try_images(seen: _Evidence) -> tuple[int, Iterable[str]]:
    _, problems = _try_together(seen, seen.images.values(), "have the same image")
    return seen.n_images * len(seen.roles), problems


def _try_group_column(seen: _Evidence) -> tuple[int, Iterable[str]]:
    named: dict[str, set[PatientId]] = defaultdict(set)
    for row in seen.rows:
        named[row.group].add(row.patient_id)
    groups = [tuple(sorted(patients)) for patients in named.values()]
    return _try_together(seen, groups, "are one group in the table")


def _try_together(
    seen: _Evidence, groups: Iterable[tuple[PatientId, ...]], why: str
) -> tuple[int, Iterable[str]]:
    together = list(groups)
    problems = (
        f"patients {first!r} ({_role(of_patient, first)}) and {other!r} "
        f"({_role(of_patient, other)}) {why}, in {_name(cell)}"
        for cell, of_patient in sorted(seen.roles.items())
        for first, *others in together
        for other in others
        if _role(of_patient, first) != _role(of_patient, other)
    )
    return len(together) * len(seen.roles), problems


def _role(of_patient: Mapping[PatientId, list[str]], patient: PatientId) -> str:
    return of_patient[patient][0] if patient in of_patient else _TRAIN


def _name(cell: tuple[int, int]) -> str:
    repeat, fold = cell
    return f"fold {fold} of repeat {repeat}"


_RULES: dict[str, _Try] = {
    "every patient in the table is in the manifest": _try_known,
    "a patient has at most one role in a fold": _try_one_role,
    "every patient is held out exactly once a repeat": _try_held_out_once,
    "a holdout patient is used in no fold": _try_holdout,
    "a calibration patient is used in no fold": _try_calibration,
    "the same image is on one side only": _try_images,
    "linked patients are on one side": _try_groups,
    "patients of one group of the table are on one side": _try_group_column,
}
