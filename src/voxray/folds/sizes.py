"""Parts of the data on which little can be said, named before anything is trained."""

from collections.abc import Iterator, Sequence

from voxray.core.records import FoldRole, FoldRow, PatientId, ScanRecord
from voxray.core.specs import FoldsSpec, TaskSpec
from voxray.core.wording import counted
from voxray.folds.left_out import values_of_folds
from voxray.folds.strata import classes_of

ENOUGH_PATIENTS = 10
"""With fewer of a class an interval is "not estimable"; as in `evaluate`."""


def small_parts(
    rows: Sequence[FoldRow],
    records: Sequence[ScanRecord],
    task: TaskSpec,
    spec: FoldsSpec,
) -> Iterator[str]:
    """Say which value that is left out, or whether the holdout, will lack intervals.

    Args:
        rows: The fold table.
        records: Manifest rows.
        task: Says what the classes are.
        spec: Says whether folds are the values of a column.

    Yields:
        One line for each part with fewer than 10 patients, or of a class.
    """
    if spec.left_out_column is not None:
        for fold, value in values_of_folds(rows, records, spec.left_out_column).items():
            patients = {r.patient_id for r in rows if _holds_out(r, fold)}
            name = f"{spec.left_out_column} = {value!r}"
            yield from _small(name, patients, records, task)
    holdout = {row.patient_id for row in rows if row.role is FoldRole.HOLDOUT}
    if holdout:
        yield from _small("the holdout", holdout, records, task)


def _holds_out(row: FoldRow, fold: int) -> bool:
    return row.fold == fold and row.role is FoldRole.HELD_OUT


def _small(
    name: str,
    patients: set[PatientId],
    records: Sequence[ScanRecord],
    task: TaskSpec,
) -> Iterator[str]:
    counts = _counts(patients, records, task)
    few = len(patients) < ENOUGH_PATIENTS
    if not few and all(n >= ENOUGH_PATIENTS for n in counts.values()):
        return
    said = "".join(f", {of_class}: {n}" for of_class, n in counts.items())
    lost = "its figures" if few else "its figures of classes"
    no_auc = "it has no AUC, and " if 0 in counts.values() else ""
    each = " of each class" if counts else ""
    yield (
        f"{name} has {counted(len(patients), 'patient')}{said}: {no_auc}{lost} have "
        f"no interval. {ENOUGH_PATIENTS} patients{each} are needed; add patients, or "
        "join small values in the label table"
    )


def _counts(
    patients: set[PatientId], records: Sequence[ScanRecord], task: TaskSpec
) -> dict[str, int]:
    """Patients with a scan of each class or label; nothing without classification."""
    if task.classify is None:
        return {}
    having: dict[str, set[PatientId]] = {
        name: set() for name in task.classify.label_names
    }
    for record in records:
        if record.patient_id in patients:
            for name in classes_of([record], task.classify):
                having[name].add(record.patient_id)
    return {name: len(own) for name, own in having.items()}
