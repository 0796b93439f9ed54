"""Closing runs whose process is gone, and `voxray track sync`."""

import shutil
import signal
import subprocess
import sys

import pytest

from voxray.core.errors import ConfigError, MachineError
from voxray.mlflow_store import NewRun, Tracker, open_store
from voxray.stages.track import close_abandoned, sync, tracking_place

_KILLED = """
import os, signal, sys
from pathlib import Path
from voxray.mlflow_store import NewRun, Tracker
from voxray.stages.track import tracking_place
tracker = Tracker(tracking_place(Path(sys.argv[1]), None), print)
run = tracker.start(NewRun("lesions", "fold 0"))
run.log_params({"steps": 5})
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """An empty store, made once: MLflow needs seconds for it."""
    root = tmp_path_factory.mktemp("empty")
    open_store(f"sqlite:///{root / 'mlflow.db'}", root / "artifacts")
    return root / "mlflow.db"


@pytest.fixture
def workspace(tmp_path, database, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "tracking").mkdir()
    shutil.copyfile(database, tmp_path / "tracking" / "mlflow.db")
    return tmp_path


def statuses(workspace):
    store = Tracker(tracking_place(workspace, None), print).reach()
    with store.client() as client:
        found = client.get_experiment_by_name("lesions")
        runs = client.search_runs([found.experiment_id]) if found else []
    return [run.info.status for run in runs], [run.data.params for run in runs]


def test_a_run_that_was_killed_is_failed_after_the_next_look(workspace):
    command = [sys.executable, "-c", _KILLED, str(workspace)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert statuses(workspace) == (["RUNNING"], [{"steps": "5"}])

    said: list[str] = []
    assert close_abandoned(workspace, said.append) == 1
    assert said == ["1 run left by a process that is gone: FAILED now"]
    assert statuses(workspace) == (["FAILED"], [{"steps": "5"}])
    assert close_abandoned(workspace, said.append) == 0


def test_a_run_that_lives_is_left_alone(workspace):
    tracker = Tracker(tracking_place(workspace, None), print)
    with tracker.start(NewRun("lesions", "fold 0")).under_way():
        assert close_abandoned(workspace, print) == 0


def test_without_runs_nothing_is_sent(tmp_path):
    said: list[str] = []

    assert sync(tmp_path, said.append) == 0
    assert said == ["sent 0 records of 0 runs"]


def test_a_store_that_is_still_away_is_said_and_keeps_all(workspace, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    lines: list[str] = []
    tracker = Tracker(tracking_place(workspace, None), lines.append)
    with tracker.start(NewRun("lesions", "fold 0")).under_way() as run:
        pass

    with pytest.raises(MachineError, match=r"http://127\.0\.0\.1:9 does not answer"):
        sync(workspace, lines.append)
    assert len(run.outbox.waiting()) == 1


def test_records_are_not_sent_to_another_store(workspace, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    tracker = Tracker(tracking_place(workspace, None), lambda _line: None)
    with tracker.start(NewRun("lesions", "fold 0")).under_way():
        pass
    monkeypatch.delenv("MLFLOW_TRACKING_URI")

    with pytest.raises(
        ConfigError, match=r"wait for the store http://127\.0\.0\.1:9, "
    ):
        sync(workspace, lambda _line: None)
