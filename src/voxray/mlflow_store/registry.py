"""Register a model folder: log it, read it back, compare, and only then name it."""

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import mlflow.pyfunc
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelOutput
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.models.model import MLMODEL_FILE_NAME, MODEL_CODE_PATH
from mlflow.utils import mlflow_tags

import voxray
from voxray.core.errors import ConfigError, MachineError, ManifestError
from voxray.core.hashing import sha256_file
from voxray.mlflow_store.package_files import (
    PACKAGE_FILE,
    PACKAGE_TAG,
    file_problems,
    read_package_file,
)
from voxray.mlflow_store.refs import ModelVersionRef, fetch_version, fetched
from voxray.mlflow_store.signature import (
    SOURCE,
    scores_signature,
    scoring_requirements,
)
from voxray.mlflow_store.store import Store

CANDIDATE = "candidate"
READ_BACK_TAG = "read_back"
_ENTRY = Path(__file__).with_name("pyfunc_entry.py")
_LOGGED_NAME = "model"


@dataclass(frozen=True, slots=True)
class Registration:
    """How a model stands in the registry.

    Attributes:
        name: Registered name; made when absent.
        description: Markdown on the version's page.
        tags: Tags of the version, e.g. {"audit": "passed"}.
        compare: Asks the model folder that came back about real scans, and says what
            came of it, "" when it could not; raises if it answers otherwise. None
            leaves it at the bytes.
    """

    name: str
    description: str = ""
    tags: Mapping[str, str] | None = None
    compare: Callable[[Path], str] | None = None


def register_model(
    store: Store, run_id: str, model_folder: Path, registration: Registration
) -> int:
    """Log a model folder as a pyfunc of a run and register it; returns the version.

    The artifact holds no pickle: the entry is a source file, `code/` is voxray itself,
    the weights are safetensors. The version gets the alias `candidate` once it was read
    back, every byte compared, and real scans scored. Registering the same folder from
    the same run again gives the version that is there, if its files still are.

    Raises:
        ConfigError: If the folder is no model folder, or does not match its hashes.
        MachineError: If the store is away, or gave back other bytes.
        VoxrayError: What `registration.compare` raises.
    """
    problems = file_problems(model_folder)
    if problems:
        msg = f"{str(model_folder)!r} cannot be registered: {'; '.join(problems)}"
        raise ConfigError(msg)
    sha256 = sha256_file(model_folder / PACKAGE_FILE)
    with store.client() as client:
        known = _known_versions(client, registration.name, run_id, sha256)
    refs = [ModelVersionRef(registration.name, version) for version in known]
    whole = [r.version for r in refs if not _differences(store, r, model_folder)]
    version = max(whole, default=None)
    if version is None:
        with store.client() as client:
            logged = _log_pyfunc(client, run_id, model_folder)
            version = _create_version(client, run_id, logged, registration, sha256)
        verify_registered(store, registration.name, version, model_folder)
    if registration.compare is not None:
        there = ModelVersionRef(registration.name, version)
        with fetched(store, there) as folder:
            said = registration.compare(folder)
        with store.client() as client:
            _say_read_back(client, there, said)
    with store.client() as client:
        client.set_registered_model_alias(registration.name, CANDIDATE, str(version))
    return version


def _say_read_back(client: MlflowClient, there: ModelVersionRef, said: str) -> None:
    if said:
        client.set_model_version_tag(
            there.name, str(there.version), READ_BACK_TAG, said
        )


def verify_registered(
    store: Store, name: str, version: int, model_folder: Path
) -> None:
    """Read a version back and compare every file with the folder it was made from.

    Raises:
        MachineError: If a byte differs, or the files are gone.
    """
    problems = _differences(store, ModelVersionRef(name, version), model_folder)
    if problems:
        msg = (
            f"{store.label} gave back other bytes for model {name!r} version {version}"
            f": {'; '.join(problems)}; run again to register it anew"
        )
        raise MachineError(msg)


def _differences(store: Store, ref: ModelVersionRef, model_folder: Path) -> list[str]:
    try:
        with tempfile.TemporaryDirectory() as temporary:
            there = fetch_version(store, ref, Path(temporary))
            problems = list(file_problems(there))
            here = model_folder / PACKAGE_FILE
            if sha256_file(there / PACKAGE_FILE) != sha256_file(here):
                problems.append(f"{PACKAGE_FILE} is another one")
            return problems
    except (ConfigError, ManifestError, MlflowException) as error:
        return [str(error).splitlines()[0]]


def save_pyfunc(model_folder: Path, target: Path, entry: Model | None = None) -> None:
    """Write the MLflow model of a model folder, without a store.

    Args:
        model_folder: Copied into the artifact `model`.
        target: Made; must not exist.
        entry: MLmodel record to fill in.
    """
    mlflow.pyfunc.save_model(
        path=str(target),
        mlflow_model=entry or Model(),
        python_model=str(_ENTRY),
        code_paths=[str(Path(voxray.__file__).parent)],
        artifacts={_LOGGED_NAME: str(model_folder)},
        pip_requirements=scoring_requirements(),
        signature=scores_signature(read_package_file(model_folder)),
        input_example=_example(),
    )
    _forget_source(target)


def _forget_source(target: Path) -> None:
    """MLflow notes where artifact and code came from: paths of this machine."""
    written = Model.load(str(target))
    flavor = written.flavors["python_function"]
    flavor["artifacts"][_LOGGED_NAME]["uri"] = "package"
    flavor[MODEL_CODE_PATH] = _ENTRY.name  # all that loading looks at
    written.save(str(target / MLMODEL_FILE_NAME))


def _example() -> pd.DataFrame:
    """Without one MLflow warns; its check of text column names warns too."""
    names = pd.Index([SOURCE], dtype=object)
    return pd.DataFrame([["scans/"]], columns=names, dtype=object)


def _known_versions(
    client: MlflowClient, name: str, run_id: str, sha256: str
) -> list[int]:
    """Versions a run that was killed half-way has made of the same bytes."""
    found = client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'")
    return [int(v.version) for v in found if v.tags.get(PACKAGE_TAG) == sha256]


def _log_pyfunc(client: MlflowClient, run_id: str, model_folder: Path) -> LoggedModel:
    run = client.get_run(run_id)
    logged = client.create_logged_model(
        run.info.experiment_id, name=_LOGGED_NAME, source_run_id=run_id
    )
    try:
        with tempfile.TemporaryDirectory() as temporary:
            target = Path(temporary) / "pyfunc"
            entry = Model(
                artifact_path=logged.artifact_location,
                model_uuid=logged.model_id,
                run_id=run_id,
                model_id=logged.model_id,
            )
            save_pyfunc(model_folder, target, entry)
            client.log_model_artifacts(logged.model_id, str(target))
    except BaseException:
        client.finalize_logged_model(logged.model_id, "FAILED")
        raise
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    return client.finalize_logged_model(logged.model_id, "READY")


def _create_version(
    client: MlflowClient,
    run_id: str,
    logged: LoggedModel,
    registration: Registration,
    sha256: str,
) -> int:
    try:
        client.create_registered_model(registration.name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    created = client.create_model_version(
        registration.name,
        logged.artifact_location,
        run_id,
        tags={**(registration.tags or {}), PACKAGE_TAG: sha256},
        description=registration.description,
        model_id=logged.model_id,
    )
    shown = json.dumps([{"name": created.name, "version": created.version}])
    tags = {mlflow_tags.MLFLOW_MODEL_VERSIONS: shown}
    client.set_logged_model_tags(logged.model_id, tags)
    return int(created.version)
