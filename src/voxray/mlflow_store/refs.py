"""From what a person writes (`models:/NAME@champion`) to a model folder on disk."""

import contextlib
import hashlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import mlflow.artifacts
from mlflow import MlflowClient
from mlflow.entities.model_registry import RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from voxray.core.errors import ConfigError, MachineError, ManifestError
from voxray.core.files import machine_errors
from voxray.core.hashing import sha256_file
from voxray.mlflow_store.package_files import (
    PACKAGE_FILE,
    PACKAGE_TAG,
    file_problems,
    read_package_file,
)
from voxray.mlflow_store.store import Store

_SCHEME = "models:"
_REF = re.compile(r"models:/([^/@]+)(?:/([1-9][0-9]*)|@([^/@]+))")
HOW_TO_NAME = "write models:/NAME@ALIAS, models:/NAME/VERSION, or a model folder"


@dataclass(frozen=True, slots=True)
class ModelVersionRef:
    """One registered version."""

    name: str
    version: int

    def __str__(self) -> str:
        """As a person may write it."""
        return f"{_SCHEME}/{self.name}/{self.version}"


def is_registered(ref: str) -> bool:
    """Whether a reference means the registry and not a folder."""
    return ref.startswith(_SCHEME)


def resolve_model(store: Store, ref: str, cache: Path) -> Path:
    """Model folder (with `package.json`) of a reference.

    Args:
        store: Asked about `models:/…` references only.
        ref: `models:/NAME@ALIAS`, `models:/NAME/VERSION`, or a folder.
        cache: Where versions of a remote store are kept; one on this disk is not
            copied.

    Raises:
        ConfigError: If it does not exist; names what does.
        MachineError: If the store is away.
    """
    if is_registered(ref):
        return fetch_version(store, find_version(store, ref), cache)
    folder = Path(ref).expanduser()
    if not folder.is_dir():
        msg = f"there is no model folder {ref!r}; {HOW_TO_NAME}"
        raise ConfigError(msg)
    read_package_file(folder)
    return folder


def export_model(store: Store, ref: str, to: Path) -> Path:
    """Copy a model folder out of the store; returns `to`.

    Args:
        store: As in `resolve_model`.
        ref: As in `resolve_model`.
        to: Must not exist, or be empty.

    Raises:
        ConfigError: If `to` is in use, the reference does not exist, or the model does
            not match its hashes.
        MachineError: If the store is away or the disk is full.
    """
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        msg = f"{str(to)!r} is in use; export to a new folder"
        raise ConfigError(msg)
    with tempfile.TemporaryDirectory() as cache:
        folder = resolve_model(store, ref, Path(cache))
        problems = file_problems(folder)
        if problems:
            msg = f"model {ref!r} is damaged and was not copied: {'; '.join(problems)}"
            raise ConfigError(msg)
        _copy_whole(folder, to)
    return to


def find_version(store: Store, ref: str) -> ModelVersionRef:
    """Which version a `models:/…` reference means now.

    Raises:
        ConfigError: If it cannot be read, or does not exist; names what does.
    """
    match = _REF.fullmatch(ref)
    if match is None:
        msg = f"cannot read the model reference {ref!r}; {HOW_TO_NAME}"
        raise ConfigError(msg)
    name, version, alias = match.groups()
    with store.client() as client:
        model = registered_model(client, store, name)
        if alias:
            return ModelVersionRef(name, _aliased(model, alias))
        _check_version(client, model, int(version))
    return ModelVersionRef(name, int(version))


def registered_model(client: MlflowClient, store: Store, name: str) -> RegisteredModel:
    """Registry entry of a name.

    Raises:
        ConfigError: If there is none; names those there are.
    """
    try:
        return client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        there = ", ".join(all_names(client)) or "none yet"
        msg = f"no model {name!r} in {store.label}; registered: {there}"
        raise ConfigError(msg) from error


def all_names(client: MlflowClient) -> list[str]:
    """Names of all registered models, sorted."""
    names: list[str] = []
    token = None
    while True:
        page = client.search_registered_models(page_token=token)
        names += [model.name for model in page]
        token = page.token
        if not token:
            return sorted(names)


def version_numbers(client: MlflowClient, name: str) -> list[int]:
    """All versions of a model, ascending."""
    found = client.search_model_versions(f"name = '{name}'", max_results=10_000)
    return sorted(int(v.version) for v in found)


def _aliased(model: RegisteredModel, alias: str) -> int:
    if alias not in model.aliases:
        there = ", ".join(sorted(model.aliases)) or "none yet"
        msg = f"model {model.name!r} has no alias {alias!r}; it has: {there}"
        raise ConfigError(msg)
    return int(model.aliases[alias])


def _check_version(client: MlflowClient, model: RegisteredModel, version: int) -> None:
    there = version_numbers(client, model.name)
    if version not in there:
        known = ", ".join(map(str, there)) or "none"
        msg = f"model {model.name!r} has no version {version}; it has: {known}"
        raise ConfigError(msg)


def fetch_version(store: Store, ref: ModelVersionRef, cache: Path) -> Path:
    """Model folder of a registered version, downloaded unless it lies on this disk.

    Raises:
        ConfigError: If the entry is no voxray model, or its files are gone.
        ManifestError: If its `package.json` is broken, or not what was registered.
        MachineError: If the store is away.
    """
    with store.client() as client:
        uri = client.get_model_version_download_uri(ref.name, str(ref.version))
        tags = client.get_model_version(ref.name, str(ref.version)).tags
    local = _local_path(uri)
    if local is None:
        local = _downloaded(store, _Entry(ref, uri, tags.get(PACKAGE_TAG)), cache)
    elif not local.is_dir():
        msg = f"the files of {ref} are gone from {str(local)!r}; register it again"
        raise ConfigError(msg)
    return _package_folder(local, ref, tags.get(PACKAGE_TAG))


@contextlib.contextmanager
def fetched(store: Store, ref: ModelVersionRef) -> Iterator[Path]:
    """Model folder of a registered version for a while; raises as `fetch_version`."""
    with tempfile.TemporaryDirectory() as cache:
        yield fetch_version(store, ref, Path(cache))


def _local_path(uri: str) -> Path | None:
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return Path(uri) if not parts.scheme else None


@dataclass(frozen=True, slots=True)
class _Entry:
    """A version, where its files are, and the hash of its `package.json`."""

    ref: ModelVersionRef
    uri: str
    sha256: str | None


def _downloaded(store: Store, entry: _Entry, cache: Path) -> Path:
    """Download once; a download that was cut short or damaged later is made anew."""
    ref, uri = entry.ref, entry.uri
    key = hashlib.sha256(f"{store.uri}\0{uri}".encode()).hexdigest()[:16]
    target = cache / f"{ref.name}-{ref.version}-{key}"
    if target.is_dir():
        if _is_whole(target, entry):
            return target
        shutil.rmtree(target)
    with machine_errors(cache):
        cache.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=cache, prefix=".") as temporary,
        store.client(),
    ):
        there = mlflow.artifacts.download_artifacts(
            uri,
            dst_path=temporary,
            tracking_uri=store.address,
            registry_uri=store.address,
        )
        _move(Path(there), target)
    return target


def _is_whole(target: Path, entry: _Entry) -> bool:
    with contextlib.suppress(ConfigError, ManifestError):
        return not file_problems(_package_folder(target, entry.ref, entry.sha256))
    return False


def _move(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError as error:
        if not target.is_dir():  # else another process was first: its copy counts
            msg = f"cannot keep the downloaded model in {str(target)!r}: {error}"
            raise MachineError(msg) from error


def _package_folder(pyfunc: Path, ref: ModelVersionRef, sha256: str | None) -> Path:
    """Where in an MLflow model the model folder lies; its MLmodel file says so.

    `sha256` is that of `package.json` at registration; None if it is not known.
    """
    try:
        flavor = Model.load(str(pyfunc)).flavors["python_function"]
        folder = pyfunc / str(flavor["artifacts"]["model"]["path"])
    except (KeyError, MlflowException, OSError) as error:
        msg = f"{ref} is no voxray model: it holds no artifact 'model'"
        raise ConfigError(msg) from error
    read_package_file(folder)
    if sha256 is not None and sha256_file(folder / PACKAGE_FILE) != sha256:
        msg = f"{PACKAGE_FILE} of {ref} was changed since it was registered"
        raise ManifestError(msg)
    return folder


def _copy_whole(source: Path, target: Path) -> None:
    with machine_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
        try:
            shutil.copytree(source, temporary, dirs_exist_ok=True)
            temporary.chmod(0o755)
            temporary.rename(target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
