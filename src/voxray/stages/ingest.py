"""Stage 1: every file under a folder into a manifest, or into quarantine."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from voxray.core.errors import DatasetError
from voxray.core.files import private_folder, read_json
from voxray.core.findings import FindingCode
from voxray.core.hashing import sha256_json
from voxray.core.ids import Pseudonymizer
from voxray.core.progress import Listener
from voxray.core.records import PatientId, Sha256
from voxray.core.specs import DataSpec, Experiment, IntakeRules, TaskSpec
from voxray.core.wording import counted
from voxray.stages.fingerprint import folder_hash, table_hash
from voxray.stages.frame import (
    Stage,
    StageContext,
    StageOutcome,
    StageRecord,
    changed_since,
    planned_record,
    read_record,
    run_recorded,
)
from voxray.stages.run import Session, exit_code
from voxray.stages.workspace import check_outside, claimed

if TYPE_CHECKING:  # loading takes longer than to see that nothing has changed
    from voxray.ingest import Intake, IntakeOptions

FOLDER = "ingest"
MANIFEST = "manifest.csv"
SUMMARY = "summary.json"
PAGE = "intake.html"
_MAY_PASS = {
    FindingCode.UNREADABLE_FILE,
    FindingCode.UNDECODABLE_PIXELS,
    FindingCode.MASK_UNREADABLE,
}
"""What may be due to a disk or a right, and not to the file."""


def intake_rules(data: DataSpec) -> IntakeRules:
    """The part of `data` that also holds when scoring."""
    return IntakeRules(
        channels=dict(data.channels), exam=data.exam, policy=dict(data.policy)
    )


def take_in(
    options: "IntakeOptions",
    folder: Path,
    pseudonymizer: Pseudonymizer,
    listen: Listener,
    say: Callable[[str], None],
) -> StageOutcome:
    """Read a folder of scans and write what was found into a private folder.

    Args:
        options: What to take in.
        folder: Gets `files.parquet`, `manifest.csv`, `quarantine.csv`, `summary.json`,
            `linkage.csv`, and `intake.html` with its pictures.
        pseudonymizer: Makes ids.
        listen: Gets progress events.
        say: Shows a line that a person must know.

    Raises:
        ConfigError: If there is no image under the folder. Nothing is written then.
        DatasetError: If a rule of the data set is broken.
    """
    from voxray.ingest import ingest_folder, summary, write_intake
    from voxray.manifest import write_manifest
    from voxray.stages.intake_page import THUMBNAILS, write_intake_page

    options = replace(options, thumbnails=folder / THUMBNAILS)
    intake = ingest_folder(options, pseudonymizer, listen)
    private_folder(folder)
    write_intake(intake, folder)
    write_manifest(intake.records, folder / MANIFEST)
    write_intake_page(intake, folder / PAGE, options.workers, listen)
    for note in summary(intake)["notes"]:
        say(f"note: {note}")
    return _outcome(intake)


def ingest_into(
    data: DataSpec, out: Path, session: Session, task: TaskSpec | None = None
) -> int:
    """Do stage 1 alone, flat into a folder: `voxray ingest`.

    Args:
        data: Where the scans are and how they are read.
        out: Private folder, made when absent.
        session: For whom.
        task: What will be learned, where it is known: classes and labels are checked.

    Returns:
        Exit code.

    Raises:
        ConfigError: If `out` belongs to something else or lies in the scan folder, or
            there is no image.
    """
    check_outside(out, data.scans)
    pseudonymizer = Pseudonymizer(session.key, readable=data.ids == "path")
    scans = pseudonymizer.study_id(f"scan folder {data.scans.resolve()}")

    def run() -> StageOutcome:
        options = _options(data, task, session.workers, seed=0, folder=out)
        return take_in(options, out, pseudonymizer, session.listen, session.say)

    with claimed(out, {"purpose": "ingest", "scans": scans}, ".voxray.json"):
        specs = {"data": data, **({"task": task} if task else {})}
        config = {name: spec.model_dump(mode="json") for name, spec in specs.items()}
        planned = planned_record(_input_hashes(data, pseudonymizer), config)
        outcome = _unchanged(out, planned) or run_recorded(STAGE, planned, out, run)
    up_to_date = "up to date: " if outcome.skipped else ""
    session.say(f"{up_to_date}{outcome.message}; see {out / PAGE}")
    return exit_code([outcome], strict=session.strict)


def _unchanged(out: Path, planned: StageRecord) -> StageOutcome | None:
    """What an earlier run found, if nothing changed since, and it could read all.

    What could not be read is tried again: a disk or a right may be back.
    """
    found = read_record(out)
    if found is None or changed_since(found, planned, STAGE, out):
        return None
    if found.outcome.counts.get("unreadable", 1):
        return None
    return replace(found.outcome, skipped=True)


def read_links(folder: Path) -> tuple[tuple[PatientId, PatientId], ...]:
    """Pairs of patients that share an image, as stage 1 found them.

    Raises:
        ManifestError: If `summary.json` is missing or broken.
    """
    pairs = read_json(folder / SUMMARY)["linked_patients"]
    return tuple((PatientId(one), PatientId(other)) for one, other in pairs)


def _options(
    data: DataSpec, task: TaskSpec | None, workers: int, seed: int, folder: Path
) -> "IntakeOptions":
    from voxray.ingest import INDEX_FILE, IntakeOptions

    return IntakeOptions(
        scans=data.scans,
        rules=intake_rules(data),
        masks=data.masks,
        labels=data.labels,
        patient=data.patient,
        task=task,
        duplicates=data.duplicates,
        permute_labels=data.permute_labels,
        workers=workers,
        seed=seed,
        overrides=data.overrides,
        index=folder / INDEX_FILE,
    )


def _outcome(intake: "Intake") -> StageOutcome:
    reasons = Counter(row.code.value for row in intake.quarantine)
    patients = {record.patient_id for record in intake.records}
    n_unused = len(intake.quarantine)
    n_unreadable = sum(row.code in _MAY_PASS for row in intake.quarantine)
    counts = {
        "files": len(intake.files),
        "scans": len(intake.records),
        "patients": len(patients),
        "unused": n_unused,
        "unreadable": n_unreadable,
    }
    why = ", ".join(f"{code} {n}" for code, n in sorted(reasons.items()))
    message = (
        f"{counted(counts['files'], 'file')}: {counted(counts['scans'], 'scan')} of "
        f"{counted(counts['patients'], 'patient')} accepted, {n_unused} not used"
    )
    message += f" ({why})" if why else ""
    return StageOutcome(counts=counts, message=message, n_unused=n_unused)


def _config(experiment: Experiment) -> object:
    return {
        "data": experiment.data.model_dump(mode="json"),
        "task": experiment.task.learned(),
        "seed": experiment.seed,
    }


def _inputs(context: StageContext) -> Mapping[str, Sha256]:
    return _input_hashes(context.experiment.data, context.pseudonymizer)


def _input_hashes(data: DataSpec, pseudonymizer: Pseudonymizer) -> Mapping[str, Sha256]:
    found = {
        "scans": folder_hash(data.scans),
        "key": sha256_json(pseudonymizer.study_id("which key")),
    }
    if data.masks is not None:
        found["masks"] = folder_hash(data.masks)
    if data.labels is not None:
        found["labels"] = table_hash(data.labels.table)
    if data.overrides is not None:
        found["overrides"] = table_hash(data.overrides)
    return found


def _run(context: StageContext) -> StageOutcome:
    experiment = context.experiment
    folder = context.folder / FOLDER
    options = _options(
        experiment.data, experiment.task, context.workers, experiment.seed, folder
    )
    outcome = take_in(
        options, folder, context.pseudonymizer, context.listen, context.say
    )
    context.say(f"look at the scans: {folder / PAGE}")
    if not outcome.counts["scans"]:
        msg = f"no scan can be used; see {folder / 'quarantine.csv'}. {outcome.message}"
        raise DatasetError(msg)
    return outcome


STAGE = Stage(
    number=1,
    name="ingest",
    title="find, check and pseudonymise the scans",
    folder=FOLDER,
    config=_config,
    inputs=_inputs,
    run=_run,
)
