"""The two that are compared: folders of experiments, or runs in a store."""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from voxray.core.errors import ConfigError
from voxray.core.files import read_json
from voxray.core.ids import Pseudonymizer
from voxray.core.records import OutOfFoldPrediction
from voxray.core.specs import DecisionRule
from voxray.evaluate import Side, make_side, read_predictions
from voxray.stages.environment import user_key
from voxray.stages.evidence_files import (
    DECISION_FILE,
    FOLDER,
    PREDICTIONS_FILE,
    TABLES,
)
from voxray.stages.frame import read_record


def read_sides(first: str, second: str, workspace: Path) -> tuple[Side, Side]:
    """Read both.

    A run holds keyed ids only. A folder that is compared with one gets keyed ids, too,
    of this user's key.

    Args:
        first: Experiment folder, its name in the workspace, run id or run name.
        second: The same, of what it is compared with.
        workspace: Where names and runs are looked for.

    Raises:
        ConfigError: If one is not there, or its stage 5 has not finished.
        DatasetError: If its predictions are no predictions of a task.
        MachineError: If the MLflow store is away.
    """
    named = {"A": first, "B": second}
    folders = {letter: _folder(name, workspace) for letter, name in named.items()}
    sides = [
        _side_of_run(letter, named[letter], workspace)
        if folder is None
        else _side_of_files(letter, folder.resolve().name, folder / FOLDER)
        for letter, folder in folders.items()
    ]
    if None in folders.values():
        sides = [_as_in_store(side) for side in sides]
    return sides[0], sides[1]


def _folder(named: str, workspace: Path) -> Path | None:
    """Folder of an experiment; None when the name is not one of a folder."""
    folders = [Path(named).expanduser(), workspace / named]
    for folder in folders:
        if (folder / FOLDER / PREDICTIONS_FILE).is_file():
            if read_record(folder / FOLDER) is None:
                msg = f"stage 5 has not finished in {str(folder)!r}; run it again"
                raise ConfigError(msg)
            return folder
    if there := next((folder for folder in folders if folder.is_dir()), None):
        msg = (
            f"the folder {str(there)!r} holds no {FOLDER}/{PREDICTIONS_FILE}: it is no "
            "experiment's folder, or stage 5 has not run"
        )
        raise ConfigError(msg)
    return None


def _side_of_run(letter: str, named: str, workspace: Path) -> Side:
    from voxray import mlflow_store  # seconds, which folders need not wait for
    from voxray.stages.models import all_stores

    stores = all_stores(workspace)
    if not stores:
        msg = (
            f"{named!r} is neither an experiment's folder nor one of the workspace "
            f"{str(workspace)!r}, and nothing was recorded there; name the workspace "
            "with --workspace"
        )
        raise ConfigError(msg)
    store, run = mlflow_store.find_run(stores, named)
    names = (PREDICTIONS_FILE, DECISION_FILE)
    with tempfile.TemporaryDirectory() as temporary:
        to = Path(temporary)
        files = mlflow_store.fetch_files(store, run.run_id, TABLES, names, to)
        return _side_of_files(letter, run.name, files)


def _side_of_files(letter: str, title: str, folder: Path) -> Side:
    predictions = read_predictions(folder / PREDICTIONS_FILE)
    said = read_json(folder / DECISION_FILE)
    rule = said["decision"]
    decision = DecisionRule.model_validate(rule) if rule else None
    by_patient = str(said.get("by_patient", ""))
    return make_side(letter, title, predictions, decision, by_patient)


def _as_in_store(side: Side) -> Side:
    """With the ids that a run has."""
    return replace(side, predictions=tuple(_keyed_rows(side)))


def _keyed_rows(side: Side) -> Iterator[OutOfFoldPrediction]:
    ids = Pseudonymizer(user_key())
    for row in side.predictions:
        exam, patient = ids.stored_ids(row.exam_id, row.patient_id)
        yield replace(row, exam_id=exam, patient_id=patient)
