"""The MLflow runs of an experiment: the one of stages 4 to 6, and one per fold."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd

import voxray
from voxray.core.errors import ConfigError, ManifestError
from voxray.core.files import read_json, write_json
from voxray.core.hashing import sha256_file, sha256_json
from voxray.core.ids import Pseudonymizer
from voxray.core.records import ScanId, Sha256
from voxray.core.specs import Experiment
from voxray.mlflow_store import (
    DataUsed,
    NewRun,
    RunIds,
    TrackedRun,
    Tracker,
    as_text,
    flatten,
    open_tracker,
)
from voxray.stages.fingerprint import code_hash, installed_packages
from voxray.stages.frame import StageContext
from voxray.stages.study import PLAN_FILE, FoldName, Study
from voxray.stages.track import tracking_place

RUN_FILE = "run.json"
_TRAIN = "train"
UNSET = "None"
_SHOWN_SETTINGS, _SHOWN_CHARACTERS = 3, 40
_DATASETS = {"scans": "ingest/manifest.csv", "split": "folds/folds.csv"}


def open_tracking(context: StageContext) -> Tracker:
    """Make ready to record this experiment."""
    place = tracking_place(context.workspace, context.experiment.track.uri)
    return open_tracker(place, context.say)


@contextlib.contextmanager
def parent_run(
    context: StageContext,
    tracker: Tracker,
    study: Study,
    made_from: Mapping[str, Any],
) -> Iterator[TrackedRun]:
    """The run all folds hang under; `train/run.json` remembers it over a crash.

    The run of the same training, killed or finished, is continued.
    """
    experiment = context.experiment
    path = context.folder / _TRAIN / RUN_FILE
    settings = flatten(_params(experiment))
    name = run_name(experiment.name, settings, _settings_before(path))
    new = NewRun(experiment.name, name, experiment.note, _code_tags(context))
    describe = partial(_describe, context, study)
    begin = _Beginning(path, made_from, new, None, describe, {"settings": settings})
    with settled(tracker), _under_way(tracker, begin) as run:
        yield run


@dataclass(frozen=True, slots=True)
class _Beginning:
    """How a run begins.

    Attributes:
        path: Remembers the run over a crash.
        made_from: With anything else it is another run.
        new: The run itself.
        parent: Key of the run it hangs under.
        describe: Says what the run is; may do so twice.
        kept: Stands in the file too.
    """

    path: Path
    made_from: Mapping[str, object]
    new: NewRun
    parent: str | None
    describe: Callable[[TrackedRun], None]
    kept: Mapping[str, object] = field(default_factory=dict)


@contextlib.contextmanager
def _under_way(tracker: Tracker, begin: _Beginning) -> Iterator[TrackedRun]:
    """The run that is remembered, or a new one.

    Its key is written first: no kill may leave a run that no file names.
    """
    said = _remembered(begin.path, begin.made_from)
    run = tracker.resume(said["run"]) if "run" in said else None
    if run is None:
        said = {**begin.made_from, **begin.kept, "run": uuid4().hex}
        write_json(begin.path, said)
        run = tracker.start(begin.new, begin.parent, said["run"])
    with run.under_way():
        if not said.get("described"):
            begin.describe(run)
            write_json(begin.path, {**said, "described": True})
        yield run


@dataclass(frozen=True, slots=True)
class FoldRun:
    """What the run of a fold begins with.

    Attributes:
        name: Which fold.
        folder: Its folder, whose `run.json` remembers the run over a crash.
        job_sha256: Of what it trains; another one gets another run.
        params: Settings of this fold.
    """

    name: FoldName
    folder: Path
    job_sha256: str
    params: Mapping[str, object]


@contextlib.contextmanager
def fold_run(
    context: StageContext, tracker: Tracker, parent: TrackedRun, fold: FoldRun
) -> Iterator[TrackedRun]:
    """The fold's own run; a killed fold continues the run it had."""
    made_from = {"parent": parent.key, "job_sha256": fold.job_sha256}
    new = _new_fold(context, fold.name)
    path = fold.folder / RUN_FILE

    def describe(run: TrackedRun) -> None:
        run.log_params(fold.params)

    begin = _Beginning(path, made_from, new, parent.key, describe)
    with _under_way(tracker, begin) as run:
        yield run


@contextlib.contextmanager
def reopened_parent(context: StageContext) -> Iterator[TrackedRun]:
    """The run that stage 4 opened, under way again.

    What it was judged by is said at the end, in place of what an earlier evaluation
    said.

    Raises:
        ConfigError: If it was recorded in another store, or deleted in this one.
    """
    tracker = open_tracking(context)
    said = read_json(context.folder / _TRAIN / RUN_FILE)
    if "run" in said:
        run = tracker.resume(said["run"])
    else:  # of a voxray that knew no outbox
        ids = RunIds(said["experiment_id"], said["run_id"])
        run = tracker.adopt(ids, context.experiment.name)
    if run is None:
        msg = (
            f"the run of this training is not in {tracker.place.label}: it was "
            "recorded elsewhere, or deleted there; run again with --from train --force"
        )
        raise ConfigError(msg)
    with settled(tracker), run.under_way():
        yield run
        run.set_tags(_judged_tags(context.experiment))


@contextlib.contextmanager
def settled(tracker: Tracker) -> Iterator[None]:
    """At the end of the block, whatever it is, send what waits or say that it does."""
    try:
        yield
    finally:
        tracker.settle()


def read_parent_key(context: StageContext) -> str:
    """Key of the run that stage 4 opened; see `Tracker.run_id`."""
    said = read_json(context.folder / _TRAIN / RUN_FILE)
    return str(said.get("run") or said["run_id"])


def without_names(context: StageContext, table: pd.DataFrame) -> pd.DataFrame:
    """The same table with keyed ids in place of readable ones, for the store."""
    return with_keyed_ids(context.pseudonymizer, table)


def with_keyed_ids(ids: Pseudonymizer, table: pd.DataFrame) -> pd.DataFrame:
    """The same of a table whose ids these are."""
    if not ids.readable:
        return table
    keyed = Pseudonymizer(ids.key)
    makers: dict[str, Callable[[str], str]] = {
        "exam_id": lambda name: keyed.exam_id(name, None),
        "patient_id": lambda name: keyed.patient_id(name, ""),
    }
    found = {c: table[c].map(make) for c, make in makers.items() if c in table}
    return table.assign(**found)


def shared_scan_id(context: StageContext, scan_id: ScanId) -> ScanId:
    """Id of a scan for the store: keyed also where ids are readable."""
    if not context.pseudonymizer.readable:
        return scan_id
    return Pseudonymizer(context.pseudonymizer.key).scan_id(scan_id, "")


def _remembered(path: Path, made_from: Mapping[str, object]) -> dict[str, Any]:
    """What the file says; empty if it is of something else."""
    with contextlib.suppress(ManifestError):
        said = read_json(path)
        if all(said.get(name) == value for name, value in made_from.items()):
            return said
    return {}


def _settings_before(path: Path) -> Mapping[str, str]:
    """Those of the run before in this workspace; none where there was none."""
    with contextlib.suppress(ManifestError):
        return dict(read_json(path).get("settings", {}))
    return {}


def run_name(name: str, now: Mapping[str, str], before: Mapping[str, str]) -> str:
    """Tell the run from the one before it, which often differs in one setting.

    Example:
        >>> run_name("liver", {"train.steps": "80"}, {"train.steps": "20"})
        'liver train.steps=80'
    """
    if not before:
        return f"{name} cross-validation"
    changed = [
        f"{key}={now.get(key, UNSET)[:_SHOWN_CHARACTERS]}"
        for key in sorted({*now, *before})
        if now.get(key) != before.get(key)
    ]
    if not changed:
        return f"{name} with the same settings"
    n_more = len(changed) - _SHOWN_SETTINGS
    more = f" and {n_more} more" if n_more > 0 else ""
    return f"{name} {', '.join(changed[:_SHOWN_SETTINGS])}{more}"


def _describe(context: StageContext, study: Study, run: TrackedRun) -> None:
    run.log_params(_stated(_params(context.experiment)))
    run.log_data(_data_used(context, study))
    plan = context.folder / "preprocess" / PLAN_FILE
    run.log_files({PLAN_FILE: plan}, "plan")
    packages = "\n".join(installed_packages()) + "\n"
    run.log_files({"packages.txt": packages}, "environment")


def _new_fold(context: StageContext, name: FoldName) -> NewRun:
    shown = f"fold {name.fold}"
    if name.repeat:
        shown = f"repeat {name.repeat}, {shown}"
    tags = {"repeat": str(name.repeat), "fold": str(name.fold)}
    hashes = {f"sha256.{part}": h for part, h in _data_hashes(context).items()}
    return NewRun(
        context.experiment.name, shown, tags={**tags, **_code_tags(context), **hashes}
    )


def _code_tags(context: StageContext) -> dict[str, str]:
    return {
        "voxray.version": voxray.__version__,
        "sha256.code": code_hash(),
        "sha256.environment": sha256_json(installed_packages()),
        "sha256.experiment": sha256_json(_params(context.experiment)),
    }


def _data_hashes(context: StageContext) -> dict[str, Sha256]:
    folder = context.folder
    return {part: sha256_file(folder / name) for part, name in _DATASETS.items()}


def _data_used(context: StageContext, study: Study) -> list[DataUsed]:
    records = [study.record(exam) for exam in study.exams]
    patients = len({record.patient_id for record in records})
    counts = {
        "scans": {
            "patients": patients,
            "exams": len(study.exams),
            "scans": sum(len(scans) for scans in study.exams.values()),
        },
        "split": {"patients": patients, "folds": len(study.folds())},
    }
    name = context.experiment.name
    hashes = _data_hashes(context)
    return [DataUsed(name, part, str(h), counts[part]) for part, h in hashes.items()]


def _params(experiment: Experiment) -> dict[str, object]:
    """Settings of the training, without paths, which may name people."""
    said = experiment.model_dump(mode="json", by_alias=True)
    kept = ("seed", "folds", "train")
    data = said["data"]
    shown = ("patient", "ids", "duplicates", "exam", "policy", "permute_labels")
    channels = {
        name: rules.model_dump(mode="json", exclude_defaults=True)
        for name, rules in experiment.data.channels.items()
    }
    data = {**{k: data[k] for k in shown}, "channels": channels}
    task = experiment.task.learned()
    return {**{k: said[k] for k in kept}, "task": task, "data": data}


def _judged_tags(experiment: Experiment) -> dict[str, str]:
    """Settings of stage 5: tags, since a run is judged again but trained once."""
    said = experiment.model_dump(mode="json", by_alias=True)
    judged = {"task": said["task"], **said["evaluate"]}
    tags = {f"evaluate.{name}": as_text(value) for name, value in judged.items()}
    made_from = {"sha256.evaluation": sha256_json(judged)}
    return {**tags, **made_from, "sha256.evaluation_code": code_hash()}


def _stated(params: Mapping[str, object]) -> dict[str, str]:
    """Settings without those that are not set: a comparison of runs lists them all."""
    empty = {UNSET, "{}", "[]"}
    return {key: value for key, value in flatten(params).items() if value not in empty}
