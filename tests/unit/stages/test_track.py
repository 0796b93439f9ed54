"""Closing runs whose process is gone, and `voxray track sync`."""

import shutil
import signal
import subprocess
import sys

import pytest

from voxray.core.errors import ConfigError, MachineError, ManifestError
from voxray.mlflow_store import NewRun, Tracker
from voxray.stages.track import close_abandoned, sync, take_moved, tracking_place

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


def test_a_run_that_cannot_be_read_stops_neither_sync_nor_a_command(workspace):
    tracker = Tracker(tracking_place(workspace, None), print)
    tracker._retry_s = float("inf")
    torn, sound = (tracker.start(NewRun("lesions", f"fold {n}")) for n in range(2))
    for run in (torn, sound):
        run.finish()
    (torn.outbox.folder / "about.json").write_text("{")
    (torn.outbox.folder / "alive").touch()
    (torn.outbox.folder / "000002.json").mkdir()
    said: list[str] = []

    close_abandoned(workspace, said.append)
    with pytest.raises(ManifestError, match=r"it is .*about\.json: restore"):
        sync(workspace, said.append)
    assert statuses(workspace)[0] == ["FINISHED"]


def test_a_store_that_moved_takes_its_runs_along(workspace, monkeypatch):
    tracker = Tracker(tracking_place(workspace, None), print)
    with tracker.start(NewRun("lesions", "fold 0")).under_way() as run:
        run.log_params({"steps": 5})
    tracker._retry_s = float("inf")
    again = tracker.resume(run.key)
    assert again is not None
    again.finish()
    before = tracking_place(workspace, None).uri
    after = workspace.with_name("elsewhere.db")
    (workspace / "tracking" / "mlflow.db").rename(after)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{after}")
    said: list[str] = []

    take_moved(workspace, before, said.append)
    sync(workspace, said.append)

    moved, sent = said
    assert moved.startswith("1 run of sqlite:///mlflow.db belong to sqlite:////")
    assert sent == "sent 2 records of 1 run"
    assert statuses(workspace)[0] == ["FINISHED"]


def test_another_store_is_not_taken_for_one_that_moved(
    workspace, database, monkeypatch
):
    tracker = Tracker(tracking_place(workspace, None), print)
    with tracker.start(NewRun("lesions", "fold 0")).under_way():
        pass
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{database}")

    with pytest.raises(ConfigError, match=r"has none of the 1 run of sqlite:///mlflow"):
        take_moved(workspace, tracker.place.uri, print)
    with pytest.raises(ConfigError, match=r"in http://x, only in: sqlite:///mlflow.db"):
        take_moved(workspace, "http://x", print)


def test_no_password_is_written_down(workspace):
    asked = "http://anna:secret@127.0.0.1:9"
    tracker = Tracker(tracking_place(workspace, asked), lambda _line: None)
    with tracker.start(NewRun("lesions", "fold 0")).under_way() as run:
        pass

    written = "".join(p.read_text() for p in run.outbox.folder.glob("*.json"))
    assert "secret" not in written
    assert run.outbox.about()["asked"] is None
