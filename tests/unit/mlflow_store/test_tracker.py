"""Recording while the store is away, comes back, or loses its answers."""

from dataclasses import replace

import pytest

from tests.unit.mlflow_store.gate import Gate
from voxray.core.errors import ConfigError, MachineError
from voxray.core.outbox import Outbox, outboxes
from voxray.mlflow_store import (
    NewRun,
    RunStatus,
    Tracker,
    TrackingPlace,
    open_tracker,
)
from voxray.mlflow_store.sending import sent_ids
from voxray.mlflow_store.tracker import _ATTEMPTS

HISTORY = [{"epoch": e, "loss": 1.0 / e, "seconds": 0.5} for e in range(1, 6)]


@pytest.fixture
def gate(server, monkeypatch):
    """In front of a real server; shut at first. A lost request is not tried again."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    gate = Gate(server)
    yield gate
    gate.shut()


@pytest.fixture
def behind(gate, tmp_path, said):
    """Makes a tracker of the server behind the gate, each in a process' first state."""
    place = TrackingPlace(gate.address, tmp_path / "none", tmp_path / "spool")
    return lambda: open_tracker(place, said.append)


def record_all(tracker, experiment):
    """A parent and one fold from start to end."""
    with tracker.start(NewRun(experiment, "all folds")).under_way() as parent:
        with tracker.start(
            NewRun(experiment, "fold 0"), parent.key
        ).under_way() as fold:
            fold.log_params({"steps": 5})
            fold.log_epochs(HISTORY[:3], now=True)
            fold.log_epochs(HISTORY, now=True)
            fold.log_files({"x.txt": "text"}, "training")
        parent.describe("all")
    return parent, fold


def runs_of(tracker, experiment):
    with tracker.reach().client() as client:
        found = client.get_experiment_by_name(experiment)
        return client.search_runs([found.experiment_id]) if found else []


def losses(tracker, run):
    with tracker.reach().client() as client:
        points = client.get_metric_history(sent_ids(run.outbox).run_id, "loss")
    return sorted((p.step, p.value) for p in points)


ALL = [(e, 1.0 / e) for e in range(1, 6)]


def send_all(tracker):
    return tracker.send_each(outboxes(tracker.place.spool))


def test_what_was_recorded_while_the_store_was_away_is_sent_later(
    gate, behind, said, fresh_name
):
    away = behind()
    parent, fold = record_all(away, fresh_name)
    away.settle()
    assert fold.outbox.sent() is None
    begins, ends = said
    assert "does not answer" in begins
    assert "`voxray track sync` sends it later" in ends

    gate.open()
    back = behind()
    assert send_all(back) == 7
    assert send_all(back) == 0

    assert losses(back, fold) == ALL
    first, second = runs_of(back, fresh_name)
    assert {first.info.status, second.info.status} == {"FINISHED"}
    assert {r.data.tags.get("mlflow.parentRunId") for r in (first, second)} == {
        None,
        sent_ids(parent.outbox).run_id,
    }
    assert back.run_id(parent.key) == sent_ids(parent.outbox).run_id


def test_a_store_that_goes_away_midway_misses_nothing(gate, behind, said, fresh_name):
    gate.open()
    tracker = behind()
    with tracker.start(NewRun(fresh_name, "fold 0")).under_way() as fold:
        fold.log_epochs(HISTORY[:2], now=True)
        gate.shut()
        fold.log_epochs(HISTORY[:4], now=True)
        fold.log_epochs(HISTORY, now=True)
        gate.open()
    tracker.settle()

    assert losses(tracker, fold) == ALL
    assert len(said) == 1


def test_an_answer_that_was_lost_doubles_nothing(gate, behind, fresh_name):
    _, fold = record_all(behind(), fresh_name)
    gate.open()
    tracker = behind()
    for nth in range(1, 40):  # each attempt loses a later answer than the one before
        gate.swallow(nth)
        try:
            send_all(tracker)
        except MachineError:
            continue
        break
    gate.swallow(-1)

    assert 3 < nth < 39
    assert losses(tracker, fold) == ALL
    assert len(runs_of(tracker, fresh_name)) == 2


def test_a_run_of_another_store_is_not_continued(tracker, fresh_name):
    run = tracker.start(NewRun(fresh_name, "fold"))
    run.finish()
    elsewhere = replace(tracker.place, uri="http://127.0.0.1:9")

    assert Tracker(elsewhere, tracker.say).resume(run.key) is None
    assert tracker.resume("0" * 32) is None


def test_a_run_that_was_deleted_in_the_store_is_not_continued(
    store, tracker, fresh_name
):
    run = tracker.start(NewRun(fresh_name, "fold"))
    run.finish()
    with store.client() as client:
        client.delete_run(sent_ids(run.outbox).run_id)

    assert tracker.resume(run.key) is None


def test_a_record_that_the_store_refuses_is_named_and_stops_no_other_run(
    store, tracker, said, fresh_name
):
    refused = tracker.start(NewRun(fresh_name, "refused"))
    with store.client() as client:
        client.delete_run(sent_ids(refused.outbox).run_id)
    refused.finish()
    assert "refuses status of run 'refused'" in said[0]

    with tracker.start(NewRun(fresh_name, "other")).under_way() as other:
        pass
    with pytest.raises(ConfigError, match=r"give the record up: delete .*000001\.json"):
        send_all(tracker)
    assert sent_ids(other.outbox).run_id


def test_a_run_of_an_older_voxray_is_continued(store, tracker, run, fresh_name):
    for _ in range(2):
        with tracker.adopt(run, fresh_name).under_way() as adopted:
            adopted.set_tags({"seen": "yes"})

    with store.client() as client:
        found = client.get_run(run.run_id)
    assert found.data.tags["seen"] == "yes"
    assert found.info.status == RunStatus.FINISHED


def test_a_run_that_was_never_sent_has_no_id(tmp_path):
    with pytest.raises(ConfigError, match="run a is not in its store yet"):
        sent_ids(Outbox(tmp_path / "a"))


def test_a_store_beside_the_spool_may_move_with_it(tmp_path):
    spool = tmp_path / "tracking" / "spool"
    beside = f"sqlite:///{tmp_path}/tracking/mlflow.db"
    other = f"sqlite:///{tmp_path}/other.db"
    server = "http://anna:secret@host:5000/"

    labels = [TrackingPlace(u, tmp_path, spool).label for u in (beside, other, server)]

    assert labels == ["sqlite:///mlflow.db", other, "http://anna:***@host:5000"]


def test_nothing_of_user_machine_or_program_stands_in_a_run(store, tracker, fresh_name):
    with tracker.start(NewRun(fresh_name, "fold")).under_way() as run:
        run.log_params({"a": 1})

    with store.client() as client:
        found = client.get_run(sent_ids(run.outbox).run_id)
    assert set(found.data.tags) == {"voxray.run", "mlflow.runName"}
    assert found.info.user_id in {"unknown", "", None}


def test_a_busy_database_is_asked_again_at_the_end(tracker, fresh_name):
    assert _ATTEMPTS > 1
    run = tracker.start(NewRun(fresh_name, "fold"))
    tracker._retry_s = float("inf")
    run.finish()
    assert run.outbox.waiting()

    tracker.settle()

    assert run.outbox.waiting() == []
