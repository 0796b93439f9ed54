"""Stage 4: one network per fold, recorded in MLflow while it learns."""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from voxray.core.errors import ManifestError
from voxray.core.files import read_json, write_json
from voxray.core.hashing import sha256_file, sha256_json
from voxray.core.records import ExamId, Sha256
from voxray.core.specs import CleanUp, Experiment
from voxray.mlflow_store import (
    RunIds,
    RunStatus,
    Store,
    finish,
    log_dataset,
    log_epochs,
    log_files,
    log_params,
    log_values,
    open_store,
    resume_run,
    start_fold,
    start_parent,
)
from voxray.model import Compute, choose_compute
from voxray.stages.baseline_columns import check_columns
from voxray.stages.environment import artifact_root, tracking_uri
from voxray.stages.fingerprint import code_hash
from voxray.stages.frame import Stage, StageContext, StageOutcome, earlier
from voxray.stages.study import (
    PLAN_FILE,
    FoldName,
    Study,
    read_study,
)
from voxray.stages.subgroup_columns import check_subgroups
from voxray.stages.targets import check_drawn, check_learnable, class_target
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
RUN_FILE = "run.json"
DONE_FILE = "done.json"
VALUES_FILE = "fold_values.json"
CLEAN_UP_FILE = "clean_up.json"
_RECORD_EVERY_S = 3.0
_DATASETS = {"scans": "ingest/manifest.csv", "split": "folds/folds.csv"}
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
    store = open_tracking(context)
    names = study.folds()
    with _parent_run(context, store, folder) as parent:
        for number, name in enumerate(names, start=1):
            said = f"fold {number} of {len(names)}"
            _train_fold(_FoldTask(context, study, name, said), compute, store, parent)
    results = [read_result(folder / name.folder) for name in names]
    context.say(f"where the time went: {limit_in_words(_mean_shares(results))}")
    steps = [result.schedule.steps or 0 for result in results]
    message = f"{len(names)} folds trained, {min(steps)} to {max(steps)} steps each"
    return StageOutcome({"folds": len(names)}, message)


def open_tracking(context: StageContext) -> Store:
    """Reach the store this experiment is recorded in."""
    uri = tracking_uri(context.workspace, context.experiment.track.uri)
    return open_store(uri, artifact_root(context.workspace))


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
    task: _FoldTask, compute: Compute, store: Store, parent: RunIds
) -> None:
    job = task.job()
    task.check(job)
    is_done = _is_done(task.folder, job)
    if is_done:
        task.context.say(f"{task.said}: trained already")
        if _is_under(parent, task.folder):
            return
    task.folder.mkdir(parents=True, exist_ok=True)
    write_json(task.folder / VALUES_FILE, job.values.model_dump(mode="json"))
    with _fold_run(task, job, store, parent) as run_id:
        result = (
            read_result(task.folder)
            if is_done
            else fit_fold(
                job,
                compute,
                task.context.listen,
                _Recorder(store, run_id),
                task.context.say,
            )
        )
        if not is_done:
            rules = fit_clean_up(job, compute)
            write_json(task.folder / CLEAN_UP_FILE, rules.model_dump(mode="json"))
        _record_fold(store, run_id, task, result)
    done = {"job_sha256": job.sha256, "run_id": run_id, "files": _hashes(task.folder)}
    write_json(task.folder / DONE_FILE, done)
    drop_state(task.folder)  # not before: when the store is away, nothing is lost


class _Recorder:
    """Sends rows to the store now and then: small epochs come faster than it writes."""

    def __init__(self, store: Store, run_id: str) -> None:
        self.store, self.run_id = store, run_id
        self._waiting: list[EpochRow] = []
        self._sent_s, self._took_s = time.monotonic(), 0.0

    def __call__(self, row: EpochRow) -> None:
        """Take a row; at the end all of the history is recorded anyway."""
        self._waiting.append(row)
        began_s = time.monotonic()
        if began_s - self._sent_s >= max(_RECORD_EVERY_S, 100 * self._took_s):
            log_epochs(self.store, self.run_id, _curves(self._waiting))
            self._waiting = []
            self._sent_s = time.monotonic()
            self._took_s = self._sent_s - began_s


def _is_done(folder: Path, job: FoldJob) -> bool:
    """Whether this very job is finished here, and none of its files was touched."""
    with contextlib.suppress(ManifestError, FileNotFoundError):
        done = read_json(folder / DONE_FILE)
        same = done.get("job_sha256") == job.sha256
        return same and done.get("files") == _hashes(folder)
    return False


def _is_under(parent: RunIds, folder: Path) -> bool:
    """Whether the fold's run hangs under this parent; not so in another store."""
    with contextlib.suppress(ManifestError):
        return bool(read_json(folder / RUN_FILE).get("parent") == parent.run_id)
    return False


def _hashes(folder: Path) -> dict[str, str]:
    names = (NETWORK_FILE, *_RECORDED)
    return {name: str(sha256_file(folder / name)) for name in names}


def _record_fold(
    store: Store, run_id: str, task: _FoldTask, result: FoldResult
) -> None:
    if result.resumed_at_epoch is not None:
        epoch = result.resumed_at_epoch
        task.context.say(f"{task.said}: continued after epoch {epoch}")
    log_epochs(store, run_id, _curves(result.history))
    schedule = asdict(result.schedule)
    schedule["segments"] = len(result.schedule.segments)
    log_params(store, run_id, {"schedule": schedule})
    named = {f"share_{name}": share for name, share in result.shares.items()}
    log_values(store, run_id, {**named, "train_seconds": result.seconds})
    log_files(store, run_id, {n: task.folder / n for n in _RECORDED}, "training")


def _curves(rows: Sequence[EpochRow]) -> list[EpochRow]:
    """What is worth a curve; the step only grows, and stands in `history.json`."""
    return [{k: v for k, v in row.items() if k != "step"} for row in rows]


@contextlib.contextmanager
def _parent_run(context: StageContext, store: Store, folder: Path) -> Iterator[RunIds]:
    """The run all folds hang under; `train/run.json` remembers it over a crash."""
    made_from = {
        "inputs": {name: str(sha256) for name, sha256 in _inputs(context).items()},
        "config_sha256": sha256_json(_config(context.experiment)),
        "code_sha256": code_hash(),
    }
    parent = _known_parent(store, folder, made_from) or _new_parent(context, store)
    write_json(folder / RUN_FILE, {**made_from, **asdict(parent)})
    with _ended(store, parent.run_id):
        yield parent


def _known_parent(
    store: Store, folder: Path, made_from: Mapping[str, object]
) -> RunIds | None:
    """The run of the same training, killed or finished: its folds hang under it."""
    try:
        said = read_json(folder / RUN_FILE)
    except ManifestError:
        return None
    same = all(said.get(name) == value for name, value in made_from.items())
    if not same or not resume_run(store, said["run_id"]):
        return None
    return RunIds(said["experiment_id"], said["run_id"])


def _new_parent(context: StageContext, store: Store) -> RunIds:
    experiment = context.experiment
    parent = start_parent(
        store,
        experiment.name,
        run_name=f"{experiment.name} cross-validation",
        description=experiment.note,
        params=_params(experiment),
        tags={"voxray.code_sha256": code_hash()},
    )
    inputs = _inputs(context)
    hashes = {what: str(inputs[name]) for what, name in _DATASETS.items()}
    log_dataset(store, parent.run_id, experiment.name, hashes)
    plan = context.folder / "preprocess" / PLAN_FILE
    log_files(store, parent.run_id, {PLAN_FILE: plan}, "plan")
    return parent


def _params(experiment: Experiment) -> dict[str, object]:
    """Settings without paths, which may name people."""
    said = experiment.model_dump(mode="json", by_alias=True)
    kept = ("seed", "task", "folds", "train", "evaluate", "register")
    data = said["data"]
    shown = ("patient", "ids", "duplicates", "exam", "policy", "permute_labels")
    channels = {
        name: rules.model_dump(mode="json", exclude_defaults=True)
        for name, rules in experiment.data.channels.items()
    }
    data = {**{k: data[k] for k in shown}, "channels": channels}
    return {**{k: said[k] for k in kept}, "data": data}


@contextlib.contextmanager
def _fold_run(
    task: _FoldTask, job: FoldJob, store: Store, parent: RunIds
) -> Iterator[str]:
    """The fold's own run; a killed fold continues the run it had."""
    path = task.folder / RUN_FILE
    run_id = _known_fold(store, path, job, parent)
    if run_id is None:
        counts = {"training": len(job.training), "validation": len(job.validation)}
        run_id = start_fold(
            store,
            parent,
            task.name.repeat,
            task.name.fold,
            params={"exams": counts, "plan": job.plan.model_dump(mode="json")},
        )
        said = {"run_id": run_id, "parent": parent.run_id, "job_sha256": job.sha256}
        write_json(path, said)
    with _ended(store, run_id):
        yield run_id


def _known_fold(store: Store, path: Path, job: FoldJob, parent: RunIds) -> str | None:
    try:
        said = read_json(path)
    except ManifestError:
        return None
    same = said["parent"] == parent.run_id and said["job_sha256"] == job.sha256
    return said["run_id"] if same and resume_run(store, said["run_id"]) else None


@contextlib.contextmanager
def _ended(store: Store, run_id: str) -> Iterator[None]:
    """Close a run by how its block ended."""
    try:
        yield
    except KeyboardInterrupt:
        finish(store, run_id, RunStatus.KILLED)
        raise
    except BaseException:
        finish(store, run_id, RunStatus.FAILED)
        raise
    finish(store, run_id, RunStatus.FINISHED)


def read_clean_up(folder: Path) -> CleanUp:
    """What the fold trained in this folder takes out of its masks."""
    return CleanUp.model_validate(read_json(folder / CLEAN_UP_FILE))


def read_parent(context: StageContext) -> RunIds:
    """The MLflow run that stage 4 opened."""
    said = read_json(context.folder / FOLDER / RUN_FILE)
    return RunIds(said["experiment_id"], said["run_id"])


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
