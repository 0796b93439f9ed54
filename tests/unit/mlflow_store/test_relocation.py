"""A database that was moved or copied with its files finds them, and only them."""

import shutil

import pytest
from mlflow.tracking._tracking_service.utils import _artifact_repos_cache

from tests.unit.mlflow_store.makers import a_model_folder
from voxray.mlflow_store import (
    NewRun,
    Registration,
    Tracker,
    TrackingPlace,
    register_model,
    resolve_model,
)
from voxray.mlflow_store.sending import sent_ids


def tracker_of(workspace):
    tracking = workspace / "tracking"
    uri = f"sqlite:///{tracking / 'mlflow.db'}"
    place = TrackingPlace(uri, tracking / "artifacts", tracking / "spool")
    return Tracker(place, print)


@pytest.fixture
def original(tmp_path, empty_database):
    """A workspace with a recorded run and a registered model."""
    workspace = tmp_path / "a workspace"
    (workspace / "tracking").mkdir(parents=True)
    shutil.copyfile(empty_database, workspace / "tracking" / "mlflow.db")
    tracker = tracker_of(workspace)
    with tracker.start(NewRun("lesions", "fold 0")).under_way() as run:
        run.log_files({"x.txt": "original"})
    model = a_model_folder(tmp_path / "model")
    run_id = sent_ids(run.outbox).run_id
    _artifact_repos_cache.clear()  # MLflow keeps addresses as long as the process lives
    register_model(tracker.reach(), run_id, model, Registration("lesions"))
    return workspace, run.key


def contents(folder):
    files = [p for p in folder.rglob("*") if p.is_file()]
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def test_a_copy_leaves_the_files_of_the_original_alone(original, tmp_path):
    workspace, key = original
    before = contents(workspace)
    copy = shutil.copytree(workspace, tmp_path / "copy_of_it")
    there = tracker_of(copy)

    with there.resume(key).under_way() as run:
        run.log_files({"x.txt": "copy"})
    run_id = sent_ids(run.outbox).run_id
    found = resolve_model(there.reach(), "models:/lesions@candidate", tmp_path)

    assert contents(workspace) == before
    kept = copy / "tracking" / "artifacts" / "lesions" / run_id / "artifacts"
    assert (kept / "x.txt").read_text() == "copy"
    assert found.is_relative_to(copy)


def test_a_moved_workspace_finds_its_files(original, tmp_path):
    workspace, key = original
    moved = workspace.rename(tmp_path / "moved")
    there = tracker_of(moved)

    store = there.reach()
    with store.client() as client:
        found = client.get_run(there.run_id(key))
    assert found.info.artifact_uri.startswith(moved.as_uri())
    found = resolve_model(store, "models:/lesions@candidate", tmp_path)
    assert found.is_relative_to(moved)
    with there.start(NewRun("new", "fold 0")).under_way() as run:
        run.log_files({"y.txt": "new"})
    assert not workspace.exists()


def test_files_elsewhere_stay_where_they_are(original, tmp_path):
    workspace, _ = original
    elsewhere = (tmp_path / "elsewhere").as_uri()
    with tracker_of(workspace).reach().client() as client:
        client.create_experiment("of a person", elsewhere)
    moved = workspace.rename(tmp_path / "moved")

    with tracker_of(moved).reach().client() as client:
        found = client.get_experiment_by_name("of a person")
    assert found.artifact_location == elsewhere
