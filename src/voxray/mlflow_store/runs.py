"""Runs: one parent per experiment run, one child per fold."""

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
    RunTag,
)
from mlflow.exceptions import MlflowException
from mlflow.utils import mlflow_tags

from voxray.core.errors import ConfigError
from voxray.mlflow_store.store import Store

Row = TypeVar("Row")
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
    """Where a run is found again; kept in `train/run.json`."""

    experiment_id: str
    run_id: str


def start_parent(
    store: Store,
    experiment_name: str,
    run_name: str,
    *,
    description: str = "",
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
) -> RunIds:
    """Open the run of a whole experiment, which the folds hang under.

    Args:
        store: Where.
        experiment_name: Made when absent, with its artifacts beside the database.
        run_name: Shown in the run list.
        description: Markdown on the run's page.
        params: May be nested; see `log_params`.
        tags: Shown beside the run.

    Raises:
        ConfigError: If an experiment of that name was deleted in MLflow.
        MachineError: If the store is away.
    """
    experiment_id = _experiment_id(store, experiment_name)
    note = {mlflow_tags.MLFLOW_RUN_NOTE: description} if description else {}
    run = _create_run(store, experiment_id, run_name, {**note, **(tags or {})})
    log_params(store, run.run_id, params or {})
    return run


def start_fold(
    store: Store,
    parent: RunIds,
    repeat: int,
    fold: int,
    *,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
) -> str:
    """Open the run of one fold under its parent; returns the run id.

    Raises:
        MachineError: If the store is away.
    """
    own = {
        mlflow_tags.MLFLOW_PARENT_RUN_ID: parent.run_id,
        "repeat": str(repeat),
        "fold": str(fold),
    }
    name = f"fold {fold}" if repeat == 0 else f"repeat {repeat}, fold {fold}"
    run = _create_run(store, parent.experiment_id, name, {**own, **(tags or {})})
    log_params(store, run.run_id, params or {})
    return run.run_id


def resume_run(store: Store, run_id: str) -> bool:
    """Continue a run that was started before.

    Returns:
        False if the store does not know the run, or it was deleted there: then start
        a new one.

    Raises:
        MachineError: If the store is away.
    """
    with store.client() as client:
        try:
            run = client.get_run(run_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return False
        if run.info.lifecycle_stage != LifecycleStage.ACTIVE:
            return False
        client.update_run(run_id, status="RUNNING")
    return True


def finish(store: Store, run_id: str, status: RunStatus = RunStatus.FINISHED) -> None:
    """Close a run; it can be resumed.

    Raises:
        MachineError: If the store is away.
    """
    with store.client() as client:
        client.set_terminated(run_id, status=status.value)


def describe_run(store: Store, run_id: str, description: str) -> None:
    """Write the Markdown text on a run's page, in place of what stood there."""
    set_tags(store, run_id, {mlflow_tags.MLFLOW_RUN_NOTE: description})


def set_tags(store: Store, run_id: str, tags: Mapping[str, str]) -> None:
    """Set tags of a run; older values of the same names are replaced."""
    rows = [RunTag(name, value) for name, value in tags.items()]
    with store.client() as client:
        for part in batched_rows(rows, _PARAMS_A_BATCH):
            client.log_batch(run_id, tags=part)


def log_params(store: Store, run_id: str, params: Mapping[str, Any]) -> None:
    """Record settings; nested ones are named with dots, long values are cut.

    Recording the same again does nothing.

    Raises:
        ConfigError: If the run has another value for one of them: a run's parameters
            never change.
        MachineError: If the store is away.
    """
    flat = flatten(params)
    with store.client() as client:
        known = client.get_run(run_id).data.params if flat else {}
        for name, value in flat.items():
            if known.get(name, value) != value:
                msg = (
                    f"run {run_id} has {name} = {known[name]!r}, not {value!r}; "
                    "start a new run for other settings"
                )
                raise ConfigError(msg)
        rows = [Param(n, v) for n, v in flat.items() if n not in known]
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
            flat[f"{prefix}{name}"] = _as_text(value)
    return flat


def _as_text(value: object) -> str:
    is_list = isinstance(value, (list, tuple, Mapping))
    text = json.dumps(value, default=str) if is_list else str(value)
    cut = text[: _PARAM_CHARACTERS - 1] + "…"
    return text if len(text) <= _PARAM_CHARACTERS else cut


def log_dataset(
    store: Store, run_id: str, name: str, hashes: Mapping[str, str]
) -> None:
    """Say which data and split a run used. No paths: they may name people.

    Args:
        store: Where.
        run_id: Which run.
        name: Of the data set, e.g. the experiment's name.
        hashes: sha256 per part, e.g. {"data": …, "split": …}. The UI shows the first 36
            characters of each; the whole is in the tags.

    Raises:
        MachineError: If the store is away.
    """
    inputs = [
        DatasetInput(
            Dataset(
                name=f"{name} ({part})",
                digest=digest[:_DIGEST_CHARACTERS],
                source_type="voxray",
                source=json.dumps({"sha256": digest}),
            ),
            [InputTag(mlflow_tags.MLFLOW_DATASET_CONTEXT, part)],
        )
        for part, digest in hashes.items()
    ]
    with store.client() as client:
        client.log_inputs(run_id, inputs)
    set_tags(store, run_id, {f"sha256.{part}": d for part, d in hashes.items()})


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


def _create_run(
    store: Store, experiment_id: str, name: str, tags: Mapping[str, str]
) -> RunIds:
    with store.client() as client:
        run = client.create_run(experiment_id, tags=dict(tags), run_name=name)
    return RunIds(experiment_id, str(run.info.run_id))
