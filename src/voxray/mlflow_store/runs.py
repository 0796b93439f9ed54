"""Runs of a store: one parent per experiment run, one child per fold.

Everything here may be done again with the same arguments and then changes nothing: what
is sent once more after a kill is not there twice.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from mlflow import MlflowClient
from mlflow.entities import (
    Dataset,
    DatasetInput,
    Experiment,
    InputTag,
    LifecycleStage,
    Param,
    Run,
    RunTag,
    ViewType,
)
from mlflow.entities import (
    RunStatus as MlflowStatus,
)
from mlflow.exceptions import MlflowException
from mlflow.utils import mlflow_tags

from voxray.core.errors import ConfigError
from voxray.core.hashing import sha256_json
from voxray.mlflow_store.store import Store

Row = TypeVar("Row")
KEY_TAG = "voxray.run"
RUNNING = "RUNNING"
_PARAM_CHARACTERS = 6000
_PARAMS_A_BATCH = 100
_DIGEST_CHARACTERS = 36


class RunStatus(StrEnum):
    """How a run ended."""

    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"


@dataclass(frozen=True, slots=True)
class RunIds:
    """Where a run is found in its store."""

    experiment_id: str
    run_id: str


@dataclass(frozen=True, slots=True)
class RunHead:
    """What a run begins with.

    Attributes:
        experiment: Made when absent, with its artifacts beside the database.
        name: Shown in the run list.
        began_ms: Since 1970.
        tags: Shown beside the run.
    """

    experiment: str
    name: str
    began_ms: int
    tags: Mapping[str, str]


def find_or_start(
    store: Store, key: str, head: RunHead, parent: RunIds | None
) -> RunIds:
    """The run that was started with this key, or a new one.

    Raises:
        ConfigError: If an experiment of that name was deleted in MLflow.
        MachineError: If the store is away.
    """
    experiment_id = _experiment_id(store, head.experiment)
    tags = {**head.tags, KEY_TAG: key}
    if parent is not None:
        tags[mlflow_tags.MLFLOW_PARENT_RUN_ID] = parent.run_id
    with store.client() as client:
        if not (ids := _ids_of(client, experiment_id, key)):
            client.create_run(experiment_id, head.began_ms, tags, head.name)
            ids = _ids_of(client, experiment_id, key)
        for surplus in ids[1:]:
            client.delete_run(surplus)
    return RunIds(experiment_id, ids[0])


def _ids_of(client: MlflowClient, experiment_id: str, key: str) -> list[str]:
    """Runs with a key; of those that were all deleted in MLflow one.

    There are several when a request was sent again after its answer was lost, as a
    user's own MLFLOW_HTTP_REQUEST_MAX_RETRIES does.
    """
    asked = f"tags.`{KEY_TAG}` = '{key}'"
    active, deleted = (
        [str(r.info.run_id) for r in client.search_runs([experiment_id], asked, view)]
        for view in (ViewType.ACTIVE_ONLY, ViewType.DELETED_ONLY)
    )
    return active or deleted[:1]


def is_there(store: Store, run_id: str) -> bool:
    """Whether the store knows a run, and it was not deleted there.

    Raises:
        MachineError: If the store is away.
    """
    run = _find(store, run_id)
    return run is not None and run.info.lifecycle_stage == LifecycleStage.ACTIVE


def has_key(store: Store, run_id: str, key: str) -> bool:
    """Whether the run with this id is the one that was started with this key.

    Raises:
        MachineError: If the store is away.
    """
    run = _find(store, run_id)
    return run is not None and run.data.tags.get(KEY_TAG) == key


def _find(store: Store, run_id: str) -> Run | None:
    with store.client() as client:
        try:
            return client.get_run(run_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None


def set_status(store: Store, run_id: str, status: str, at_ms: int) -> None:
    """Close a run at a time, or let it run again.

    Raises:
        MachineError: If the store is away.
    """
    with store.client() as client:
        if status == RUNNING:  # 0 is no end; the client itself cannot take one back
            number = MlflowStatus.from_string(status)
            client._tracking_client.store.update_run_info(run_id, number, 0, None)
        else:
            client.set_terminated(run_id, status=status, end_time=at_ms)


def set_tags(store: Store, run_id: str, tags: Mapping[str, str]) -> None:
    """Set tags of a run; older values of the same names are replaced."""
    rows = [RunTag(name, value) for name, value in tags.items()]
    with store.client() as client:
        for part in batched_rows(rows, _PARAMS_A_BATCH):
            client.log_batch(run_id, tags=part)


def log_params(store: Store, run_id: str, params: Mapping[str, str]) -> None:
    """Record settings, as `flatten` gives them.

    Raises:
        ConfigError: If the run has another value for one of them: a run's parameters
            never change.
        MachineError: If the store is away.
    """
    with store.client() as client:
        known = client.get_run(run_id).data.params if params else {}
        for name, value in params.items():
            if known.get(name, value) != value:
                msg = (
                    f"run {run_id} has {name} = {known[name]!r}, not {value!r}; "
                    "start a new run for other settings"
                )
                raise ConfigError(msg)
        rows = [Param(n, v) for n, v in params.items() if n not in known]
        for part in batched_rows(rows, _PARAMS_A_BATCH):
            client.log_batch(run_id, params=part)


def flatten(params: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as one level of text.

    Lists stand as JSON; a value longer than 6000 characters is cut and ends in "…".

    Example:
        >>> flatten({"train": {"steps": 5}, "classes": ["a", "b"]})
        {'train.steps': '5', 'classes': '["a", "b"]'}
    """
    flat: dict[str, str] = {}
    for name, value in params.items():
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = as_text(value)
    return flat


def as_text(value: object) -> str:
    """A setting as text: lists and groups stand as JSON, cut at 6000 characters."""
    is_list = isinstance(value, (list, tuple, Mapping))
    text = json.dumps(value, default=str) if is_list else str(value)
    cut = text[: _PARAM_CHARACTERS - 1] + "…"
    return text if len(text) <= _PARAM_CHARACTERS else cut


def log_datasets(
    store: Store, run_id: str, datasets: Sequence[Mapping[str, Any]]
) -> None:
    """Say which data a run used. No paths: they may name people.

    Args:
        store: Where.
        run_id: Which run.
        datasets: Each with "name", "part" (what it was used for), "sha256", "counts".
            The UI shows 27 characters of the hash as digest, and 8 of a hash of the
            counts: of two data sets with the same name and digest MLflow keeps one.

    Raises:
        MachineError: If the store is away.
    """
    inputs = [
        DatasetInput(
            Dataset(
                name=f"{said['name']} ({said['part']})",
                digest=_digest(said),
                source_type="voxray",
                source=json.dumps({"sha256": said["sha256"]}),
                profile=json.dumps(said["counts"]),
            ),
            [InputTag(mlflow_tags.MLFLOW_DATASET_CONTEXT, said["part"])],
        )
        for said in datasets
    ]
    with store.client() as client:
        client.log_inputs(run_id, inputs)


def _digest(said: Mapping[str, Any]) -> str:
    of_counts = sha256_json(said["counts"])[:8]
    return f"{said['sha256'][: _DIGEST_CHARACTERS - 9]}-{of_counts}"


def batched_rows(rows: Sequence[Row], size: int) -> Iterator[list[Row]]:
    """Parts of at most `size` rows, as MLflow's log_batch takes them."""
    for start in range(0, len(rows), size):
        yield list(rows[start : start + size])


def _experiment_id(store: Store, name: str) -> str:
    with store.client() as client:
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            return _create_experiment(store, client, name)
    return _active(experiment)


def _active(experiment: Experiment) -> str:
    if experiment.lifecycle_stage != LifecycleStage.ACTIVE:
        msg = (
            f"the experiment {experiment.name!r} was deleted in MLflow; restore it "
            f"(mlflow experiments restore -x {experiment.experiment_id}) or choose "
            "another name"
        )
        raise ConfigError(msg)
    return str(experiment.experiment_id)


def _create_experiment(store: Store, client: MlflowClient, name: str) -> str:
    """Create it, or take the one another process made at the same moment."""
    root = store.artifact_root
    location = (root / name).as_uri() if root else None
    try:
        return str(client.create_experiment(name, location))
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        made = client.get_experiment_by_name(name)
        if made is None:
            raise
        return _active(made)
