"""Stage 3: patients into folds, and the audit that no one is on two sides.

A `folds.csv` that was edited by hand is kept: it is audited like a drawn one, and used
if it passes. Deleting it draws a new one.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

from voxray.core.errors import DatasetError, ManifestError
from voxray.core.files import read_json, write_json
from voxray.core.hashing import sha256_file
from voxray.core.records import FoldRow, PatientId, ScanRecord, Sha256
from voxray.core.specs import Experiment, FoldsSpec
from voxray.core.wording import counted
from voxray.folds import (
    Audit,
    assign_folds,
    audit,
    audit_to_json,
    read_folds,
    small_parts,
    values_of_folds,
    write_folds,
)
from voxray.manifest import read_manifest
from voxray.stages.frame import Stage, StageContext, StageOutcome, earlier
from voxray.stages.ingest import FOLDER as INGEST
from voxray.stages.ingest import MANIFEST, SUMMARY, read_links
from voxray.stages.workspace import stage_folder

FOLDER = "folds"
TABLE = "folds.csv"
AUDIT = "audit.json"

_Links = Sequence[tuple[PatientId, PatientId]]


def _config(experiment: Experiment) -> object:
    return {
        "folds": experiment.folds.model_dump(mode="json"),
        "task": experiment.task.learned(),
        "seed": experiment.seed,
    }


def _inputs(context: StageContext) -> Mapping[str, Sha256]:
    return earlier(context, INGEST, MANIFEST, SUMMARY)


def _run(context: StageContext) -> StageOutcome:
    records = read_manifest(context.folder / INGEST / MANIFEST)
    linked = read_links(context.folder / INGEST)
    folder = stage_folder(context, FOLDER)
    drawn_sha256 = _draw(context.experiment, records, linked, folder)
    by_hand = _settle(folder, drawn_sha256)
    if by_hand:
        context.say(f"split_folds: {TABLE} was edited by hand; it is kept and audited")
    spec = context.experiment.folds
    result = _audit(folder / TABLE, records, linked, spec)
    rows = read_folds(folder / TABLE)
    for line in small_parts(rows, records, context.experiment.task, spec):
        context.say(f"split_folds: {line}")
    origin = {
        "origin": "by hand" if by_hand else "drawn",
        "table_sha256": sha256_file(folder / TABLE),
        "drawn_sha256": drawn_sha256,
    }
    write_json(folder / AUDIT, {**audit_to_json(result), **origin})
    return _outcome(result, spec)


def _draw(
    experiment: Experiment,
    records: Sequence[ScanRecord],
    linked: _Links,
    folder: Path,
) -> Sha256:
    """Draw a table beside the one in use, and return its hash."""
    rows = assign_folds(
        records, experiment.task, experiment.folds, experiment.seed, linked
    )
    write_folds(rows, _fresh(folder))
    return sha256_file(_fresh(folder))


def _settle(folder: Path, drawn_sha256: Sha256) -> bool:
    """Put the drawn table in place, unless a person changed the one that is there.

    Returns:
        Whether the table in place is a person's.
    """
    table = folder / TABLE
    ours = {drawn_sha256, _drawn_before(folder)}
    if table.exists() and sha256_file(table) not in ours:
        _fresh(folder).unlink()
        return True
    _fresh(folder).replace(table)
    return False


def _fresh(folder: Path) -> Path:
    return folder / f".drawn-{TABLE}"


def _drawn_before(folder: Path) -> str | None:
    try:
        return str(read_json(folder / AUDIT).get("drawn_sha256"))
    except ManifestError:
        return None


def _audit(
    table: Path, records: Sequence[ScanRecord], linked: _Links, spec: FoldsSpec
) -> Audit:
    try:
        rows = read_folds(table)
        _check_folds(rows, records, spec)
        return audit(rows, records, linked)
    except DatasetError as error:
        msg = f"{error}. Correct {str(table)!r}, or delete it to draw a new one"
        raise type(error)(msg) from error


def _check_folds(
    rows: Sequence[FoldRow], records: Sequence[ScanRecord], spec: FoldsSpec
) -> None:
    if spec.left_out_column is not None:
        values_of_folds(rows, records, spec.left_out_column)
        return
    found = {(row.repeat, row.fold) for row in rows}
    asked = set(product(range(spec.repeats), range(spec.n)))
    if found != asked:
        msg = (
            f"{TABLE} has {len(found)} (repeat, fold) pairs, folds.n = {spec.n} and "
            f"folds.repeats = {spec.repeats} ask for {len(asked)}"
        )
        raise ManifestError(msg)


def _outcome(result: Audit, spec: FoldsSpec) -> StageOutcome:
    counts = {
        "patients": result.n_patients,
        "groups": result.n_groups,
        "folds": result.n_folds,
        "repeats": result.n_repeats,
        "holdout": result.n_holdout,
        "calibration": result.n_calibration,
    }
    patients = counted(result.n_patients, "patient")
    groups = counted(result.n_groups, "group")
    repeats = counted(result.n_repeats, "repeat")
    column = spec.left_out_column
    folds = f"{result.n_folds} folds"
    folds += f", one per value of {column!r}" if column else ""
    aside = f"{result.n_holdout} in the holdout"
    if result.n_calibration:
        aside += f", {result.n_calibration} for calibration"
    message = (
        f"{patients} ({groups}, {aside}), {folds}, {repeats}; audit passed: no patient "
        "and no image is on two sides"
    )
    return StageOutcome(counts=counts, message=message)


STAGE = Stage(
    number=3,
    name="split_folds",
    title="split the patients into folds and audit the split",
    folder=FOLDER,
    config=_config,
    inputs=_inputs,
    run=_run,
)
