"""What stands in the model registry, for a person to read."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from voxray.mlflow_store.package_files import read_package_file
from voxray.mlflow_store.refs import (
    all_names,
    find_version,
    is_registered,
    registered_model,
    resolve_model,
    version_numbers,
)
from voxray.mlflow_store.store import Store


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One registered model.

    Attributes:
        versions: Ascending.
        aliases: Version per alias.
        tags: Of the model, not of a version.
    """

    name: str
    versions: tuple[int, ...]
    aliases: Mapping[str, int]
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """One version, or a model folder.

    Attributes:
        version: None for a folder.
        aliases: Names that mean this version now.
        metrics: Of the run that made it, interval ends included.
        run_id: None for a folder.
    """

    name: str
    version: int | None
    aliases: tuple[str, ...]
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    description: str
    run_id: str | None


def list_models(store: Store) -> tuple[ModelRow, ...]:
    """All registered models, by name.

    Raises:
        MachineError: If the store is away.
    """
    with store.client() as client:
        return tuple(_row(client, store, name) for name in all_names(client))


def describe_model(store: Store, ref: str) -> ModelDescription:
    """One version or model folder, with the metrics of its run.

    Raises:
        ConfigError: If it does not exist; names what does.
        MachineError: If the store is away.
    """
    if not is_registered(ref):
        return describe_folder(resolve_model(store, ref, Path()))
    found = find_version(store, ref)
    with store.client() as client:
        version = client.get_model_version(found.name, str(found.version))
        model = registered_model(client, store, found.name)
        metrics = _metrics(client, version)
    meant = sorted(a for a, v in model.aliases.items() if int(v) == found.version)
    return ModelDescription(
        name=found.name,
        version=found.version,
        aliases=tuple(meant),
        tags=dict(version.tags),
        metrics=metrics,
        description=version.description or "",
        run_id=version.run_id,
    )


def describe_folder(folder: Path) -> ModelDescription:
    """A model folder; it has no version and no run.

    Raises:
        ConfigError: If it is none.
    """
    package = read_package_file(folder)
    tags = {"licence": package.licence, "voxray_version": package.voxray_version}
    return ModelDescription(
        package.name, None, (), tags, {}, package.intended_use, run_id=None
    )


def _row(client: MlflowClient, store: Store, name: str) -> ModelRow:
    model = registered_model(client, store, name)
    aliases = {alias: int(v) for alias, v in sorted(model.aliases.items())}
    versions = tuple(version_numbers(client, name))
    return ModelRow(name, versions, aliases, dict(model.tags))


def _metrics(client: MlflowClient, version: ModelVersion) -> dict[str, float]:
    """Metrics of the version's run that hold; none when it was deleted for good."""
    if not version.run_id:
        return {}
    try:
        found = client.get_run(version.run_id).data.metrics
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return {}
    return {name: v for name, v in found.items() if math.isfinite(v)}
