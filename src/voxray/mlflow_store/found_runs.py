"""Find a run that a person names, and read the files on its page."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run, ViewType
from mlflow.exceptions import MlflowException
from mlflow.utils import mlflow_tags

from voxray.core.errors import ConfigError
from voxray.mlflow_store.store import Store

_RUN_ID = re.compile(r"[0-9a-f]{32}")
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run of a whole experiment."""

    run_id: str
    name: str


def find_run(stores: Sequence[Store], named: str) -> tuple[Store, FoundRun]:
    """The run with this id, or the only one with this name, and where it is.

    Args:
        stores: Where to look; at least one.
        named: Run id (32 hexadecimal digits) or run name. Runs of folds have no name of
            their own that counts.

    Raises:
        ConfigError: If there is no such run, or several have the name.
        MachineError: If a store is away.
    """
    found = [(store, run) for store in stores for run in _runs(store, named)]
    if not found:
        labels = ", ".join(store.label for store in stores)
        msg = (
            f"there is no run with the id or name {named!r} in {labels}; see them "
            "with: voxray ui"
        )
        raise ConfigError(msg)
    if len(found) > 1:
        ids = ", ".join(run.info.run_id for _, run in found[:_MOST_NAMED])
        msg = f"{len(found)} runs are named {named!r}; give an id, newest first: {ids}"
        raise ConfigError(msg)
    ((store, run),) = found
    return store, FoundRun(run.info.run_id, run.info.run_name)


def _runs(store: Store, named: str) -> list[Run]:
    with store.client() as client:
        runs = _by_id(client, named) if _RUN_ID.fullmatch(named) else []
        return runs or _by_name(client, named)


def _by_id(client: MlflowClient, run_id: str) -> list[Run]:
    try:
        return [client.get_run(run_id)]
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return []


def _by_name(client: MlflowClient, name: str) -> list[Run]:
    if "'" in name and '"' in name:
        return []
    quote = '"' if "'" in name else "'"
    experiments = [e.experiment_id for e in client.search_experiments()]
    found: Sequence[Run] = client.search_runs(
        experiments,
        f"attributes.run_name = {quote}{name}{quote}",
        ViewType.ACTIVE_ONLY,
        order_by=["attributes.start_time DESC"],
    )
    return [r for r in found if mlflow_tags.MLFLOW_PARENT_RUN_ID not in r.data.tags]


def tags_of_runs(store: Store, having: tuple[str, str], prefix: str) -> frozenset[str]:
    """Values of the tags whose names begin so, over all runs with a certain tag.

    Args:
        store: Where.
        having: Name and value of the tag that a run must have.
        prefix: Of the names of the tags that are read.

    Raises:
        MachineError: If the store is away.
    """
    name, value = having
    with store.client() as client:
        experiments = [e.experiment_id for e in client.search_experiments()]
        runs = client.search_runs(experiments, f"tags.`{name}` = '{value}'")
    return frozenset(
        tag
        for run in runs
        for key, tag in run.data.tags.items()
        if key.startswith(prefix)
    )


def fetch_files(
    store: Store, run_id: str, folder: str, names: Sequence[str], to: Path
) -> Path:
    """Copy files of a run's artifact folder to this disk; returns the folder there.

    Args:
        store: Where.
        run_id: Which run.
        folder: Artifact folder, e.g. "tables".
        names: Files in it, at least one.
        to: A folder that is there.

    Raises:
        ConfigError: If the run lacks one of them.
        MachineError: If the store is away or the disk is full.
    """
    with store.client() as client:
        there = {Path(f.path).name for f in client.list_artifacts(run_id, folder)}
        if missing := [name for name in names if name not in there]:
            msg = (
                f"run {run_id} has no {missing[0]!r} in its folder {folder!r}: it "
                "waits to be sent (`voxray track sync` does it), stage 5 has not "
                "finished, or an older voxray recorded it (run stage 5 again)"
            )
            raise ConfigError(msg)
        there_now = [
            Path(client.download_artifacts(run_id, f"{folder}/{name}", str(to)))
            for name in names
        ]
    return there_now[0].parent
