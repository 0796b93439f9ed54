"""Stage 4: one network per fold, recorded in MLflow while it learns."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from voxray.core.errors import ManifestError
from voxray.core.files import read_json, write_json
from voxray.core.hashing import sha256_file, sha256_json
from voxray.core.records import ExamId, Sha256
from voxray.core.specs import CleanUp, Experiment
from voxray.mlflow_store import TrackedRun, Tracker
from voxray.model import Compute, choose_compute
from voxray.stages.baseline_columns import check_columns
from voxray.stages.fingerprint import code_hash
from voxray.stages.frame import Stage, StageContext, StageOutcome, earlier
from voxray.stages.study import FoldName, Study, read_study
from voxray.stages.subgroup_columns import check_subgroups
from voxray.stages.targets import check_drawn, check_learnable, class_target
from voxray.stages.tracking import (
    RUN_FILE,
    FoldRun,
    fold_run,
    open_tracking,
    parent_run,
)
from voxray.stages.workspace import stage_folder
from voxray.train import (
    HISTORY_FILE,
    NETWORK_FILE,
    SCHEDULE_FILE,
    EpochRow,
    FoldJob,
    FoldResult,
    FoldSeed,
    TrainingExam,
    drop_state,
    fit_clean_up,
    fit_fold,
    limit_in_words,
    read_result,
)

FOLDER = "train"
DONE_FILE = "done.json"
VALUES_FILE = "fold_values.json"
CLEAN_UP_FILE = "clean_up.json"
_RECORDED = (SCHEDULE_FILE, HISTORY_FILE, VALUES_FILE, CLEAN_UP_FILE)


def run(context: StageContext) -> StageOutcome:
    """Train every fold that is not trained yet, one after another."""
    folder = stage_folder(context, FOLDER)
    study = read_study(context)
    records = [study.record(exam) for exam in study.exams]
    check_columns(records, context.experiment)
    check_subgroups(records, context.experiment)
    compute = choose_compute(context.experiment.train.device)
    context.say(f"computing on {compute.device}, {compute.precision}: {compute.reason}")
    tracker = open_tracking(context)
    names = study.folds()
    with parent_run(context, tracker, study, _made_from(context)) as parent:
        for number, name in enumerate(names, start=1):
            said = f"fold {number} of {len(names)}"
            _train_fold(_FoldTask(context, study, name, said), compute, tracker, parent)
    results = [read_result(folder / name.folder) for name in names]
    context.say(f"where the time went: {limit_in_words(_mean_shares(results))}")
    steps = [result.schedule.steps or 0 for result in results]
    message = f"{len(names)} folds trained, {min(steps)} to {max(steps)} steps each"
    return StageOutcome({"folds": len(names)}, message)


def _mean_shares(results: Sequence[FoldResult]) -> dict[str, float]:
    """Share of all folds' wall time by phase."""
    total_s = sum(result.seconds for result in results) or 1.0
    return {
        name: sum(r.shares[name] * r.seconds for r in results) / total_s
        for name in results[0].shares
    }


class _FoldTask:
    """One fold of one experiment: what to train on, and where."""

    def __init__(
        self, context: StageContext, study: Study, name: FoldName, said: str
    ) -> None:
        self.context, self.study, self.name, self.said = context, study, name, said
        self.folder = context.folder / FOLDER / name.folder

    def job(self) -> FoldJob:
        patients = self.study.patients(self.name)
        experiment = self.context.experiment
        return FoldJob(
            plan=self.study.plan,
            spec=experiment.train,
            seed=FoldSeed(experiment.seed, self.name.repeat, self.name.fold),
            training=self._exams(self.study.exams_of(patients.train)),
            validation=self._exams(self.study.exams_of(patients.validation)),
            values=self.study.fold_values(self.name, self.context),
            folder=self.folder,
            inputs_sha256=sha256_json([_inputs(self.context), code_hash()]),
            name=self.said,
        )

    def _exams(self, ids: Sequence[ExamId]) -> list[TrainingExam]:
        return [
            TrainingExam(
                exam_id,
                self.study.record(exam_id).patient_id,
                self.study.cached[exam_id],
                self._target(exam_id),
            )
            for exam_id in ids
        ]

    def _target(self, exam_id: ExamId) -> tuple[float, ...] | None:
        classify = self.context.experiment.task.classify
        return class_target(self.study.record(exam_id), classify)

    def check(self, job: FoldJob) -> None:
        """Say what this fold cannot learn; refuse it when that is everything."""
        plan, share = job.plan, job.values.class_share
        problem = check_learnable(self.said, plan.classes, share, plan.target)
        if problem:
            self.context.say(problem)
        numbers = dict(zip(plan.structures, plan.mask_values, strict=True))
        if undrawn := check_drawn(self.said, numbers, job.values, plan.classes):
            self.context.say(undrawn)


def _train_fold(
    task: _FoldTask, compute: Compute, tracker: Tracker, parent: TrackedRun
) -> None:
    job = task.job()
    task.check(job)
    is_done = _is_done(task.folder, job)
    if is_done:
        task.context.say(f"{task.said}: trained already")
        if _is_under(parent, task.folder):
            return
    task.folder.mkdir(parents=True, exist_ok=True)
    if not is_done:
        _forget_finished(task.folder)
    write_json(task.folder / VALUES_FILE, job.values.model_dump(mode="json"))
    counts = {"training": len(job.training), "validation": len(job.validation)}
    params = {"exams": counts, "plan": job.plan.model_dump(mode="json")}
    fold = FoldRun(task.name, task.folder, job.sha256, params)
    with fold_run(task.context, tracker, parent, fold) as run:
        result = read_result(task.folder) if is_done else _fit(task, job, compute, run)
        _record_fold(run, task, result)
    done = {"job_sha256": job.sha256, "run": run.key, "files": _hashes(task.folder)}
    write_json(task.folder / DONE_FILE, done)
    drop_state(task.folder)  # not before: what is recorded must not be lost


def _fit(
    task: _FoldTask, job: FoldJob, compute: Compute, run: TrackedRun
) -> FoldResult:
    context = task.context
    result = fit_fold(job, compute, context.listen, _recorder(run), context.say)
    rules = fit_clean_up(job, compute)
    write_json(task.folder / CLEAN_UP_FILE, rules.model_dump(mode="json"))
    return result


def _recorder(run: TrackedRun) -> Callable[[Sequence[EpochRow]], None]:
    return lambda history: run.log_epochs(_curves(history))


def _forget_finished(folder: Path) -> None:
    """A finished fold that is trained anew gets another run, with curves of its own."""
    if (folder / DONE_FILE).is_file():
        (folder / RUN_FILE).unlink(missing_ok=True)
        (folder / DONE_FILE).unlink()


def _is_done(folder: Path, job: FoldJob) -> bool:
    """Whether this very job is finished here, and none of its files was touched."""
    with contextlib.suppress(ManifestError, FileNotFoundError):
        done = read_json(folder / DONE_FILE)
        same = done.get("job_sha256") == job.sha256
        return same and done.get("files") == _hashes(folder)
    return False


def _is_under(parent: TrackedRun, folder: Path) -> bool:
    """Whether the fold's run hangs under this parent; not so in another store."""
    with contextlib.suppress(ManifestError):
        return bool(read_json(folder / RUN_FILE).get("parent") == parent.key)
    return False


def _hashes(folder: Path) -> dict[str, str]:
    names = (NETWORK_FILE, *_RECORDED)
    return {name: str(sha256_file(folder / name)) for name in names}


def _record_fold(run: TrackedRun, task: _FoldTask, result: FoldResult) -> None:
    if result.resumed_at_epoch is not None:
        epoch = result.resumed_at_epoch
        task.context.say(f"{task.said}: continued after epoch {epoch}")
    run.log_epochs(_curves(result.history), now=True)
    schedule = asdict(result.schedule)
    schedule["segments"] = len(result.schedule.segments)
    run.log_params({"schedule": schedule})
    named = {f"share_{name}": share for name, share in result.shares.items()}
    strength = result.history[-1]["augmentation"]
    run.log_values({**named, "augmentation": strength, "train_seconds": result.seconds})
    run.log_files({n: task.folder / n for n in _RECORDED}, "training")


def _curves(rows: Sequence[EpochRow]) -> list[EpochRow]:
    """What is worth a curve; the rest hardly changes, and stands in `history.json`."""
    flat = ("step", "augmentation")
    return [{k: v for k, v in row.items() if k not in flat} for row in rows]


def _made_from(context: StageContext) -> dict[str, object]:
    return {
        "inputs": {name: str(sha256) for name, sha256 in _inputs(context).items()},
        "config_sha256": sha256_json(_config(context.experiment)),
        "code_sha256": code_hash(),
    }


def read_clean_up(folder: Path) -> CleanUp:
    """What the fold trained in this folder takes out of its masks."""
    return CleanUp.model_validate(read_json(folder / CLEAN_UP_FILE))


def _inputs(context: StageContext) -> Mapping[str, Sha256]:
    manifest = earlier(context, "ingest", "manifest.csv")
    table = context.folder / "folds" / "folds.csv"
    preprocess = earlier(context, "preprocess")
    return {**manifest, **preprocess, "folds/folds.csv": sha256_file(table)}


def _config(experiment: Experiment) -> Mapping[str, object]:
    said = experiment.model_dump(mode="json")
    kept = {name: said[name] for name in ("seed", "train", "track")}
    return {**kept, "task": experiment.task.learned()}


STAGE = Stage(
    number=4,
    name="train",
    title="train a network per fold",
    folder=FOLDER,
    config=_config,
    inputs=_inputs,
    run=run,
)
