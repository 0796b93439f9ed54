"""The registry of a workspace: list, show, roll back, export."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from voxray import mlflow_store
from voxray.core.errors import ConfigError
from voxray.mlflow_store import ModelDescription, Store
from voxray.stages.environment import artifact_root, tracking_uri
from voxray.stages.track import asked_stores

LIST_HEADER = ("name", "versions", "aliases")


def existing_store(workspace: Path) -> Store:
    """Open the store that holds what was done in a workspace; makes none.

    Raises:
        ConfigError: If nothing was recorded in the workspace yet.
        MachineError: If the store does not answer.
    """
    if not has_store(workspace):
        msg = (
            f"nothing was recorded in the workspace {str(workspace)!r} yet; run an "
            "experiment first, or name another with --workspace"
        )
        raise ConfigError(msg)
    return mlflow_store.open_store(tracking_uri(workspace), artifact_root(workspace))


def all_stores(workspace: Path) -> list[Store]:
    """Open that store, and each that an experiment there names (`track.uri`).

    Stores that are not there are left out, and none is made.

    Raises:
        MachineError: If a store does not answer.
    """
    uris = dict.fromkeys(
        tracking_uri(workspace, asked)
        for asked in (None, *asked_stores(workspace))
        if has_store(workspace, asked)
    )
    return [mlflow_store.open_store(uri, artifact_root(workspace)) for uri in uris]


def has_store(workspace: Path, asked: str | None = None) -> bool:
    """Whether there is a store; a server or database elsewhere counts as one."""
    uri = tracking_uri(workspace, asked)
    file = uri.removeprefix("sqlite:///")
    return file == uri or Path(file).exists()


def find_model(workspace: Path, ref: str) -> Path:
    """Model folder of a reference; a folder on disk needs no store.

    Raises:
        ConfigError: If there is no such model; names what there is.
    """
    if Path(ref).expanduser().is_dir():
        return Path(ref).expanduser()
    if not mlflow_store.is_registered(ref):
        msg = f"there is no model folder {ref!r}; {mlflow_store.HOW_TO_NAME}"
        raise ConfigError(msg)
    store = existing_store(workspace)
    return mlflow_store.resolve_model(store, ref, workspace / "models")


def list_all(workspace: Path) -> list[tuple[str, str, str]]:
    """Name, versions and aliases of every registered model, by name."""
    if not has_store(workspace):
        return []
    return [
        (row.name, _numbers(row.versions), _aliases(row.aliases))
        for row in mlflow_store.list_models(existing_store(workspace))
    ]


def show(workspace: Path, ref: str) -> list[str]:
    """What there is to know about a model, as lines.

    A model folder needs no store.

    Raises:
        ConfigError: If there is no such model.
    """
    if not mlflow_store.is_registered(ref):
        folder = find_model(workspace, ref)
        return _lines(mlflow_store.describe_folder(folder))
    return _lines(mlflow_store.describe_model(existing_store(workspace), ref))


def rollback(workspace: Path, name: str) -> str:
    """Make the champion before this one champion again; returns its reference.

    Raises:
        ConfigError: If there is no earlier champion.
        GateError: If its files are not what was registered.
    """
    return str(mlflow_store.rollback(existing_store(workspace), name))


def export(workspace: Path, ref: str, to: Path) -> int:
    """Copy a model folder to a new folder; returns its number of files.

    Raises:
        ConfigError: If there is no such model, or the folder is in use.
    """
    folder = mlflow_store.export_model(existing_store(workspace), ref, to)
    return sum(path.is_file() for path in folder.rglob("*"))


def _lines(model: ModelDescription) -> list[str]:
    head = [f"name: {model.name}"]
    if model.version is not None:
        head += [f"version: {model.version}", f"aliases: {', '.join(model.aliases)}"]
    tags = [f"{key}: {value}" for key, value in sorted(model.tags.items())]
    metrics = [f"{key}: {value:.4g}" for key, value in sorted(model.metrics.items())]
    text = [model.description] if model.description else []
    return [*head, *tags, *metrics, *text]


def _numbers(versions: Sequence[int]) -> str:
    return ", ".join(str(version) for version in versions)


def _aliases(aliases: Mapping[str, int]) -> str:
    return ", ".join(f"{alias} -> {version}" for alias, version in aliases.items())
