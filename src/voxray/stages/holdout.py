"""`voxray holdout`: the registered model on patients that no fold ever used.

A look is asked for by its own command, never by a run, and is counted; see `looks`.
What a model said and showed is kept: looking again with the same model shows it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from voxray.core.decision import calibrate
from voxray.core.errors import ConfigError, DatasetError, MachineError, ManifestError
from voxray.core.files import atomic_path, read_json, write_json
from voxray.core.hashing import sha256_file, sha256_json
from voxray.core.progress import Progress
from voxray.core.records import (
    ALL,
    ExamId,
    Metric,
    OutOfFoldPrediction,
    PatientId,
    ScanRecord,
    Sha256,
)
from voxray.core.specs import DecisionRule, Experiment, ModelPackage, OperatingPoint
from voxray.core.wording import counted
from voxray.evaluate import (
    Settings,
    holdout_metrics,
    metrics_from_json,
    metrics_to_json,
    network_rows,
    registered_points,
    write_lesions,
    write_predictions,
)
from voxray.mlflow_store import SHEET, TrackedRun, tags_of_runs
from voxray.model import PACKAGE_FILE, choose_compute, load_model, read_package
from voxray.stages import STAGE_NAMES, load_stage
from voxray.stages.class_figures import class_figures
from voxray.stages.evaluate import describe_parent, headline
from voxray.stages.evidence_files import (
    EVALUATION_FILE,
    FIGURES,
    JUDGED_FILE,
    LESIONS_FILE,
)
from voxray.stages.evidence_files import FOLDER as EVALUATE
from voxray.stages.frame import (
    Stage,
    StageContext,
    StageOutcome,
    earlier,
    read_record,
    require_stage,
    run_stage,
)
from voxray.stages.held_out import HeldOut, Judge
from voxray.stages.looks import (
    FOLDER,
    Look,
    Seen,
    TakenLook,
    read_receipt,
    take_look,
    write_receipt,
)
from voxray.stages.mask_figures import draw_masks
from voxray.stages.run import Session, check_paths, claimed_by, make_context
from voxray.stages.study import FoldName, Study, mask_source, read_study
from voxray.stages.tracking import open_tracking, reopened_parent, without_names

MASKS = "masks"
_MODEL = "model"
_SET_TAG, _LOOKS_TAG, _LOOK_TAG = "holdout.sha256", "holdout.looks", "holdout.look."
_SCAN_CHARACTERS = 16


@dataclass(frozen=True, slots=True)
class LookedAt:
    """What a look at the holdout showed.

    Attributes:
        look: Which look it is.
        metrics: Of the registered model.
        folder: Holds predictions, masks and figures.
    """

    look: Look
    metrics: tuple[Metric, ...]
    folder: Path


def holdout_command(experiment: Experiment, session: Session) -> int:
    """Look at the holdout with the model that stage 6 registered.

    Returns:
        Exit code 0.

    Raises:
        ConfigError: If the experiment has no holdout, or a stage has not finished.
        ManifestError: If a stage is out of date.
        DatasetError: If no exam of the holdout could be prepared.
    """
    check_paths(experiment)
    context = make_context(experiment, session)
    with claimed_by(context):
        for name in STAGE_NAMES[: STAGE_NAMES.index("register_model") + 1]:
            require_stage(load_stage(name), context)
        found = look_at_holdout(context)
        _report(context)
    session.say(f"holdout: {in_words(found)}")
    session.say(f"finished, see {found.folder}")
    return 0


def _report(context: StageContext) -> None:
    """Write the report again, where there is one and what it shows is up to date."""
    if read_record(context.folder / "report") is None:
        return
    try:
        require_stage(load_stage("score"), context)
    except (ConfigError, ManifestError):
        context.say("the report does not show this look yet; run the experiment again")
    else:
        run_stage(load_stage("report"), context)


def look_at_holdout(context: StageContext) -> LookedAt:
    """Count the look and judge, or read what the same model showed before.

    Raises:
        ConfigError: If the experiment keeps no holdout.
        DatasetError: If no exam of it could be prepared.
    """
    study = read_study(context)
    exams = _exams(context, study)
    package = read_package(context.folder / _MODEL)
    seen = _seen(context, study, package)
    taken = take_look(context.workspace, seen, _in_store(context, seen))
    _say(context, taken)
    name = sha256_json([seen.model, seen.holdout])[:_SCAN_CHARACTERS]

    def run(context: StageContext) -> StageOutcome:
        folder = context.folder / FOLDER / name
        write_receipt(folder, taken.look)
        with reopened_parent(context) as parent:
            return _judge(
                context, study, exams, LookedAt(taken.look, (), folder), parent
            )

    stage = Stage(
        number=STAGE_NAMES.index("evaluate") + 1,
        name="holdout",
        title="judge the registered model on the locked holdout",
        folder=f"{FOLDER}/{name}",
        config=_config,
        inputs=_inputs,
        run=run,
    )
    run_stage(stage, context)
    return _read(context.folder / FOLDER / name)


def read_looked_at(context: StageContext) -> LookedAt | None:
    """What the registered model showed last; None while it has not looked."""
    places = (context.folder / FOLDER).glob(f"*/{EVALUATION_FILE}")
    found = [_read(path.parent) for path in places if read_record(path.parent)]
    if not found:
        return None
    model = model_identity(read_package(context.folder / _MODEL))
    own = [looked for looked in found if looked.look.seen.model == model]
    return max(own, key=lambda looked: looked.look.at, default=None)


def looked_at_inputs(context: StageContext) -> Mapping[str, Sha256]:
    """What a page depends on that shows the look, for `Stage.inputs`."""
    looked = read_looked_at(context)
    if looked is None:
        return {}
    return {FOLDER: sha256_file(looked.folder / EVALUATION_FILE)}


def in_words(found: LookedAt) -> str:
    """Which look it is, and the most important figures."""
    look = found.look
    rows = [replace(row, subset=ALL) for row in found.metrics]
    before = look.number - 1
    said = f"look {look.number} at {counted(look.seen.n_patients, 'patient')}"
    if before:
        said += (
            f" (looked at {counted(before, 'time')} before: the best of several looks "
            "promises too much)"
        )
    return f"{said}: {headline(rows)}"


def model_identity(package: ModelPackage) -> Sha256:
    """Hash of all that decides what a model says; not of its name, card or licence.

    What a later voxray adds, and an older model leaves at its default, changes nothing.
    """
    said = package.model_dump(mode="json", exclude_defaults=True)
    plan = {name: value for name, value in said["plan"].items() if name != "reasons"}
    kept = ("rules", "fold_values", "clean_up", "decision")
    networks = [package.files[name] for name in package.networks]
    return sha256_json([[said.get(name) for name in kept], plan, networks])


def _exams(context: StageContext, study: Study) -> tuple[ExamId, ...]:
    patients = study.holdout()
    if not patients:
        msg = (
            "this experiment keeps no holdout, so there is nothing to look at; set "
            "folds.holdout and run again. All its patients were in folds"
        )
        raise ConfigError(msg)
    exams = study.exams_of(patients)
    n_asked = sum(r.patient_id in patients for r in map(study.record, study.exams))
    if not exams:
        msg = (
            f"none of the {n_asked} exams of the holdout could be prepared; see stage 2"
        )
        raise DatasetError(msg)
    if lacking := n_asked - len(exams):
        context.say(
            f"holdout: {lacking} of {counted(n_asked, 'exam')} could not be prepared "
            "by stage 2 and have no part in the figures"
        )
    return exams


def _seen(context: StageContext, study: Study, package: ModelPackage) -> Seen:
    patients = study.holdout()
    scans = _scans(study, patients)
    return Seen(
        experiment=context.experiment.name,
        model=model_identity(package),
        holdout=sha256_json(sorted(_known_by(scan, context) for scan in scans)),
        n_patients=len(patients),
        scans=tuple(sorted(s.sha256_pixels[:_SCAN_CHARACTERS] for s in scans)),
    )


def _scans(study: Study, patients: frozenset[PatientId]) -> list[ScanRecord]:
    everything = (scan for exam in study.exams.values() for scan in exam.values())
    return [scan for scan in everything if scan.patient_id in patients]


def _known_by(scan: ScanRecord, context: StageContext) -> list[str]:
    """Pixels, labels and mask: with other ones it is another holdout."""
    classify = context.experiment.task.classify
    labels = (
        [str(scan.labels.get(c)) for c in classify.label_columns] if classify else []
    )
    mask = mask_source(scan, context.experiment)
    drawn = [sha256_file(mask.file)] if mask and mask.file.is_file() else []
    return [scan.sha256_pixels, *labels, *drawn]


def _in_store(context: StageContext, seen: Seen) -> frozenset[str]:
    """Looks at this very holdout that MLflow tells of."""
    try:
        store = open_tracking(context).reach()
        return tags_of_runs(store, (_SET_TAG, seen.holdout), _LOOK_TAG)
    except MachineError as error:
        context.say(f"holdout: looks recorded in MLflow are not compared: {error}")
        return frozenset()


def _say(context: StageContext, taken: TakenLook) -> None:
    for problem in taken.problems:
        context.say(f"warning: holdout: {problem}")
    look = taken.look
    if taken.is_new:
        context.say(f"holdout: this is look {look.number}; it is counted")
    else:
        context.say(
            f"holdout: this model has had look {look.number} ({look.at}); it is shown "
            "again and not counted"
        )


def _judge(
    context: StageContext,
    study: Study,
    exams: Sequence[ExamId],
    place: LookedAt,
    parent: TrackedRun,
) -> StageOutcome:
    """Predict, measure, draw and record."""
    spec, folder, look = context.experiment, place.folder, place.look
    package = read_package(context.folder / _MODEL)
    found = _predict(context, study, exams, folder)
    write_predictions(found.predictions, folder / JUDGED_FILE)
    write_lesions(found.lesions, folder / LESIONS_FILE)
    points = registered_points(package.decision)
    how = (
        f"look {look.number} at the locked holdout, registered ensemble of "
        f"{counted(len(package.networks), 'network')}, which is one fold"
    )
    metrics = holdout_metrics(
        found.predictions,
        found.lesions,
        spec.task,
        Settings(spec.evaluate, spec.seed, points),
        how,
    )
    write_json(folder / EVALUATION_FILE, {"metrics": metrics_to_json(metrics)})
    figures = _draw(context, found, metrics, place, points)
    for name, png in figures.items():
        with atomic_path(folder / FIGURES / name) as temporary:
            temporary.write_bytes(png)
    looked = replace(place, metrics=metrics)
    _record(context, study, parent, looked, figures)
    return StageOutcome({"predictions": len(found.predictions)}, in_words(looked))


def _predict(
    context: StageContext, study: Study, exams: Sequence[ExamId], folder: Path
) -> HeldOut:
    """What the registered model says, as it says it: calibrated."""
    compute = choose_compute(context.experiment.train.device)
    model = load_model(context.folder / _MODEL, compute)
    package = model.package
    judge = Judge(
        context,
        study,
        FoldName(0, 0),
        model.members,
        package.clean_up,
        folder / MASKS,
        compute,
    )
    found = HeldOut()
    for number, exam_id in enumerate(exams, start=1):
        found += judge.predict(exam_id)
        context.listen(Progress("predicting the holdout", number, len(exams)))
    rows = tuple(_calibrated(row, package.decision) for row in found.predictions)
    return HeldOut(rows, found.lesions)


def _calibrated(
    row: OutOfFoldPrediction, rule: DecisionRule | None
) -> OutOfFoldPrediction:
    if rule is None or not row.probabilities:
        return row
    return replace(row, probabilities=calibrate(row.probabilities, rule))


def _draw(
    context: StageContext,
    found: HeldOut,
    metrics: Sequence[Metric],
    place: LookedAt,
    points: Mapping[str, OperatingPoint],
) -> dict[str, bytes]:
    """The pictures of stage 5 that say something of one predictor."""
    note = f"Locked holdout, look {place.look.number}. {context.experiment.note}"
    spec = context.experiment.model_copy(update={"note": note.strip()})
    rows = network_rows([replace(row, subset=ALL) for row in metrics])
    figures = class_figures(found.predictions, rows, spec, points)
    return figures | draw_masks(spec, found.predictions, found.lesions, rows)


def _record(
    context: StageContext,
    study: Study,
    parent: TrackedRun,
    looked: LookedAt,
    figures: Mapping[str, bytes],
) -> None:
    """Log to the run that stage 4 opened, and say there which look it was."""
    look, folder = looked.look, looked.folder
    parent.set_tags(
        {
            _SET_TAG: look.seen.holdout,
            _LOOKS_TAG: str(look.number),
            f"{_LOOK_TAG}{look.number}": look.entry,
        }
    )
    parent.log_metrics(looked.metrics)
    parent.log_files(figures, f"{FOLDER}/{FIGURES}")
    for name in (JUDGED_FILE, LESIONS_FILE):
        table = without_names(context, pd.read_parquet(folder / name))
        parent.log_table(f"{FOLDER}_{Path(name).stem}", table)
    parent.log_files({EVALUATION_FILE: folder / EVALUATION_FILE}, FOLDER)
    before = read_json(context.folder / EVALUATE / EVALUATION_FILE)["metrics"]
    shown = sorted(p.name for p in (context.folder / EVALUATE / FIGURES).glob("*.png"))
    line = f"Locked holdout, {in_words(looked)}."
    metrics = metrics_from_json(before)
    describe_parent(context, study, parent, metrics, (*shown, SHEET), holdout=line)


def _read(folder: Path) -> LookedAt:
    metrics = metrics_from_json(read_json(folder / EVALUATION_FILE)["metrics"])
    return LookedAt(read_receipt(folder), metrics, folder)


def _inputs(context: StageContext) -> Mapping[str, Sha256]:
    return {
        **earlier(context, "ingest", "manifest.csv"),
        **earlier(context, "preprocess"),
        **earlier(context, _MODEL, PACKAGE_FILE),
        "folds/folds.csv": sha256_file(context.folder / "folds" / "folds.csv"),
    }


def _config(experiment: Experiment) -> Mapping[str, object]:
    said = experiment.model_dump(mode="json")
    return {name: said[name] for name in ("seed", "task", "evaluate", "note", "track")}
