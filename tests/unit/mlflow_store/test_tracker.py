"""Recording while the store is away, comes back, or loses its answers."""

import shutil
from dataclasses import replace
from math import inf, isnan

import pytest
from mlflow.entities import ViewType

from tests.unit.mlflow_store.gate import Gate
from tests.unit.mlflow_store.makers import a_metric
from voxray.core.errors import ConfigError, MachineError, ManifestError
from voxray.core.outbox import Outbox, outboxes
from voxray.mlflow_store import (
    NewRun,
    RunStatus,
    Store,
    TrackedRun,
    Tracker,
    TrackingPlace,
    open_store,
    open_tracker,
)
from voxray.mlflow_store.sending import send, sent_ids
from voxray.mlflow_store.tracker import _ATTEMPTS

HISTORY = [{"epoch": e, "loss": 1.0 / e, "seconds": 0.5} for e in range(1, 6)]


@pytest.fixture
def gate(server):
    """In front of a real server; shut at first. MLflow has voxray's own settings."""
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


def keys_of(tracker, experiment, view):
    with tracker.reach().client() as client:
        found = client.get_experiment_by_name(experiment)
        runs = client.search_runs([found.experiment_id], run_view_type=view)
    return sorted(run.data.tags["voxray.run"] for run in runs)


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
    parent, fold = record_all(behind(), fresh_name)
    gate.open()
    tracker = behind()
    for n in range(40):  # each attempt loses a later answer than the one before
        gate.swallow(n)
        try:
            send_all(tracker)
        except MachineError:
            continue
        break
    gate.swallow(inf)

    assert 3 < n < 39
    assert losses(tracker, fold) == ALL
    both = sorted([parent.key, fold.key])
    assert keys_of(tracker, fresh_name, ViewType.ALL) == both


@pytest.mark.parametrize("retries", ["voxray's", "3"])
def test_a_lost_answer_to_the_start_of_a_run_leaves_one_run(
    gate, behind, fresh_name, retries, monkeypatch
):
    if retries != "voxray's":
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", retries)
    gate.open()
    tracker = behind()
    gate.lose("runs/create")
    with tracker.start(NewRun(fresh_name, "fold 0")).under_way() as run:
        pass
    tracker.settle()

    assert keys_of(tracker, fresh_name, ViewType.ACTIVE_ONLY) == [run.key]
    (found,) = runs_of(tracker, fresh_name)
    assert found.info.status == "FINISHED"
    if retries == "voxray's":
        assert keys_of(tracker, fresh_name, ViewType.DELETED_ONLY) == []


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
    with pytest.raises(ConfigError, match=r"give the record up: delete .*\d\.json"):
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

    assert labels == ["sqlite:///mlflow.db", other, "http://***@host:5000"]


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


@pytest.fixture
def other_store(tmp_path, empty_database):
    """A second store, which is empty."""
    database = shutil.copyfile(empty_database, tmp_path / "other.db")
    return open_store(f"sqlite:///{database}", tmp_path / "other")


def test_a_run_of_another_store_is_neither_found_nor_sent_here(
    tracker, other_store, fresh_name
):
    tracker._retry_s = float("inf")
    run = tracker.start(NewRun(fresh_name, "all folds"))
    run.finish()
    place = replace(tracker.place, uri=other_store.uri)
    elsewhere = Tracker(place, tracker.say)

    with pytest.raises(ConfigError, match="'all folds' was recorded for sqlite:"):
        elsewhere.run_id(run.key)
    with pytest.raises(ConfigError, match=r"not for sqlite:.*other\.db; set"):
        send(other_store, run.outbox)
    assert len(run.outbox.waiting()) == 1


def params_of(tracker, run):
    with tracker.reach().client() as client:
        return client.get_run(sent_ids(run.outbox).run_id).data.params


def test_a_record_that_no_store_takes_is_put_aside_and_the_rest_goes_on(
    tracker, said, fresh_name
):
    with tracker.start(NewRun(fresh_name, "all folds")).under_way() as run:
        run.log_values({"x" * 251: 1.0})
        run.log_params({"steps": 5})
        run.log_params({"steps": 6})
        run.log_params({"seed": 1})

    long, other = said
    assert "does not take points of run 'all folds' (" in long
    assert "kept in " in long
    assert "steps = '5', not '6'" in other
    refused = sorted(p.name for p in (run.outbox.folder / "refused").iterdir())
    assert len(refused) == 2
    assert run.outbox.waiting() == []
    assert params_of(tracker, run) == {"steps": "5", "seed": "1"}
    (found,) = runs_of(tracker, fresh_name)
    assert found.info.status == "FINISHED"


def test_a_run_has_ended_before_its_end_is_sent(tmp_path):
    """Sending takes seconds: a kill in them must not look like one in the run."""
    lived = []
    box = Outbox(tmp_path / "spool" / "a")
    run = TrackedRun(box, lambda box: lived.append((box.folder / "alive").exists()))
    run.log_params({"a": 1})
    run.finish()

    assert lived == [True, False]


def test_a_record_that_is_put_aside_at_the_end_is_said(tracker, said, fresh_name):
    run = tracker.start(NewRun(fresh_name, "fold"))
    tracker._retry_s = inf
    run.log_values({"x" * 251: 1.0})
    run.finish()

    tracker.settle()

    (line,) = said
    assert "does not take points of run 'fold'" in line
    assert run.outbox.waiting() == []


def test_files_that_are_gone_are_said(tracker, said, fresh_name):
    run = tracker.start(NewRun(fresh_name, "fold"))
    tracker._retry_s = float("inf")
    run.log_files({"a.txt": "a", "b/c.txt": "c"})
    (record,) = run.outbox.waiting()
    (record.files / "b" / "c.txt").unlink()
    tracker._retry_s = 0.0

    run.finish()

    assert "1 of its files are gone from the outbox, such as 'b/c.txt'" in said[0]
    assert run.outbox.waiting() == []


def test_a_run_that_cannot_be_read_stops_no_other(tracker, fresh_name):
    tracker._retry_s = float("inf")
    runs = [tracker.start(NewRun(fresh_name, f"fold {n}")) for n in range(3)]
    for run in runs:
        run.log_params({"a": 1})
        run.finish()
    torn, sound, unreadable = sorted((r.outbox for r in runs), key=lambda b: b.key)
    torn.waiting()[0].path.write_text("{")
    (unreadable.folder / "about.json").write_text("{")

    with pytest.raises(ManifestError, match=r"(?s)\.json: restore it.*about\.json"):
        send_all(tracker)
    assert sound.waiting() == []
    assert len(list(torn.folder.glob("0*.json"))) == 2


def test_recording_does_not_wait_for_another_who_sends(tracker, said, fresh_name):
    run = tracker.start(NewRun(fresh_name, "fold"))
    with run.outbox.sending():
        run.log_params({"steps": 5})
    assert len(run.outbox.waiting()) == 1
    run.finish()

    assert params_of(tracker, run) == {"steps": "5"}
    assert said == []


def test_a_storage_without_its_package_stops_nothing(store, tracker, said, fresh_name):
    """MLflow loads boto3 for s3:// at the first file; voxray does not need it."""
    with store.client() as client:
        client.create_experiment(fresh_name, "s3://nowhere/artifacts")
    with tracker.start(NewRun(fresh_name, "fold")).under_way() as run:
        run.log_files({"x.txt": "x"})
        run.log_params({"a": 1})

    assert "ModuleNotFoundError: No module named 'boto3'; nothing is lost" in said[0]
    assert len(said) == 1
    with pytest.raises(MachineError, match="No module named 'boto3'"):
        send_all(tracker)


def test_a_proxy_without_its_server_is_away(tmp_path, said, misleading):
    place = TrackingPlace(misleading, tmp_path / "none", tmp_path / "spool")
    tracker = Tracker(place, said.append)
    tracker._store = Store(misleading, None)  # as one that was reached before
    with tracker.start(NewRun("lesions", "fold")).under_way() as run:
        run.log_params({"a": 1})

    assert "does not answer or refuses; nothing is lost" in said[0]
    with pytest.raises(MachineError, match="does not answer"):
        send_all(tracker)
    assert len(run.outbox.waiting()) == 2


def test_a_run_without_its_outbox_is_said(tracker):
    with pytest.raises(ConfigError, match=r"there is no run 0000.* bring the folder"):
        tracker.run_id("0" * 32)


def test_a_record_of_a_newer_voxray_waits_for_it(tracker, fresh_name):
    run = tracker.start(NewRun(fresh_name, "fold"))
    tracker._retry_s = inf
    run.log_values({"x" * 251: 1.0})
    run.outbox.put("songs", {})

    both = r"(?s)does not take points .*unknown kind 'songs' waits in .*update"
    with pytest.raises(ConfigError, match=both):
        send_all(tracker)
    assert len(run.outbox.waiting()) == 1
    run.finish()


def test_a_server_takes_what_a_second_evaluation_replaces(gate, behind, fresh_name):
    gate.open()
    tracker = behind()
    with tracker.start(NewRun(fresh_name, "all folds")).under_way() as run:
        run.log_metrics([a_metric()])
        run.log_figures({"roc.png": b"1", "dice.png": b"1"})
    again = tracker.resume(run.key)
    run_id = sent_ids(run.outbox).run_id
    with tracker.reach().client() as client:
        assert client.get_run(run_id).info.end_time is None
    with again.under_way():
        again.log_metrics([a_metric(metric="brier")])
        again.log_figures({"roc.png": b"2"})

    with tracker.reach().client() as client:
        found = client.get_run(run_id)
        figures = [f.path for f in client.list_artifacts(run_id, "figures")]
    assert isnan(found.data.metrics["auc"])
    assert found.data.metrics["brier"] == 0.9
    assert figures == ["figures/roc.png"]
    assert again.outbox.waiting() == []
