"""`voxray track sync`, and runs that a killed command left."""

from voxray.core.outbox import Outbox


def left(workspace, monkeypatch):
    """A run whose process is gone, and whose store does not answer."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    box = Outbox(workspace / "tracking" / "spool" / "a")
    box.occupy().close()
    head = {"experiment": "e", "name": "fold 0", "began_ms": 0, "tags": {}}
    about = {"store": "http://127.0.0.1:9", "asked": None, "parent": None}
    box.make({**about, "head": head})
    return box


def test_any_command_closes_runs_whose_process_is_gone(call, tmp_path, monkeypatch):
    box = left(tmp_path, monkeypatch)

    done = call("data", "list", "--workspace", str(tmp_path))

    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "1 run left by a process that is gone: FAILED now"
    assert "not sent yet: the MLflow store http://127.0.0.1:9 does not" in lines[1]
    assert [r.value["status"] for r in box.waiting()] == ["FAILED"]
    again = call("data", "list", "--workspace", str(tmp_path))
    assert "process that is gone" not in again.stdout


def test_a_store_that_does_not_answer_ends_in_75(call, tmp_path, monkeypatch):
    left(tmp_path, monkeypatch)

    done = call("track", "sync", "--workspace", str(tmp_path))

    assert done.exit_code == 75
    assert "does not answer" in done.stderr


def test_nothing_to_send_is_said(call, tmp_path):
    done = call("track", "sync", "--workspace", str(tmp_path))

    assert (done.exit_code, done.stdout) == (0, "sent 0 records of 0 runs\n")
