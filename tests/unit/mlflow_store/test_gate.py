import hashlib
import json
import subprocess
import sys
import time

import pytest

from tests.unit.mlflow_store.makers import a_model_folder
from voxray.core.errors import ConfigError, GateError, MachineError
from voxray.mlflow_store import (
    AUDIT_TAG,
    GateRecord,
    Look,
    ModelVersionRef,
    Registration,
    crown,
    describe_model,
    earlier_champions,
    find_champion,
    list_models,
    note_look,
    record_decision,
    register_model,
    resolve_model,
    rollback,
    version_problems,
)
from voxray.mlflow_store import gate as gate_module


def crowned(store, name, *versions):
    """Each becomes champion after the one before."""
    for version in versions:
        crown(store, ModelVersionRef(name, version), find_champion(store, name))


def champion(store, name):
    found = find_champion(store, name)
    return found and found.version


def tags_of(store, name):
    return next(m for m in list_models(store) if m.name == name).tags


def test_there_is_no_champion_before_one_is_made(store, registered, fresh_name):
    registered()

    assert find_champion(store, fresh_name) is None


def test_a_version_becomes_champion_when_none_changed_it(store, registered, fresh_name):
    crowned(store, fresh_name, registered())

    assert champion(store, fresh_name) == 1


def test_a_champion_that_changed_meanwhile_is_told(store, registered, fresh_name):
    for weights in (b"one", b"two", b"three"):
        registered(weights)
    crowned(store, fresh_name, 1)
    before = find_champion(store, fresh_name)
    crowned(store, fresh_name, 2)

    said = r"was version 1 when .*/3 was judged, and is version 2 now"
    with pytest.raises(GateError, match=said):
        crown(store, ModelVersionRef(fresh_name, 3), before)
    assert champion(store, fresh_name) == 2


_TRY_TO_WIN = """
import sys
from pathlib import Path
from voxray.core.errors import GateError, MachineError
from voxray.mlflow_store import ModelVersionRef, crown, find_champion, open_store

uri, artifacts, name, version = sys.argv[1:]
store = open_store(uri, Path(artifacts))
against = find_champion(store, name)
print("ready", flush=True)
sys.stdin.readline()
try:
    crown(store, ModelVersionRef(name, int(version)), against)
    print("won")
except (GateError, MachineError) as error:
    print(error)
"""


def _waiting(command):
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)


def test_of_two_processes_at_once_exactly_one_wins_and_the_other_is_told(
    store, registered, fresh_name
):
    for weights in (b"one", b"two", b"three"):
        registered(weights)
    crowned(store, fresh_name, 1)
    start = [sys.executable, "-c", _TRY_TO_WIN, store.uri, str(store.artifact_root)]
    both = {version: _waiting([*start, fresh_name, str(version)]) for version in (2, 3)}

    for process in both.values():
        assert process.stdout.readline() == "ready\n"
    for process in both.values():
        process.stdin.write("\n")
        process.stdin.flush()
    said = {version: process.communicate()[0] for version, process in both.items()}

    winner = champion(store, fresh_name)
    (loser,) = {2, 3} - {winner}
    assert said[winner] == "won\n"
    assert f"is version {winner} now: somebody else was first" in said[loser]
    tags = tags_of(store, fresh_name)
    assert json.loads(tags["champion_history"]) == [1]
    assert not [tag for tag in tags if "claim" in tag]


def test_who_sees_another_claim_waits_and_says_so_in_the_end(
    store, registered, fresh_name, monkeypatch
):
    registered()
    monkeypatch.setattr(gate_module, "_ATTEMPTS", 2)
    with store.client() as client:
        claim = f"gate_claim.{'f' * 32}"
        client.set_registered_model_tag(fresh_name, claim, str(time.time()))

    with pytest.raises(
        MachineError, match=r"others change the champion of .* run again"
    ):
        crowned(store, fresh_name, 1)
    assert champion(store, fresh_name) is None


def test_a_claim_of_a_process_that_is_gone_ends(store, registered, fresh_name):
    registered()
    with store.client() as client:
        claim = f"gate_claim.{'f' * 32}"
        client.set_registered_model_tag(fresh_name, claim, str(time.time() - 3600))

    crowned(store, fresh_name, 1)

    assert champion(store, fresh_name) == 1
    assert claim not in tags_of(store, fresh_name)


def test_each_pair_of_models_is_one_look_at_its_set(store, registered, fresh_name):
    registered()

    for locked, pair in (("a", "x"), ("a", "y"), ("a", "x")):
        note_look(store, fresh_name, Look(locked, pair, {"version": pair}))
    looks = note_look(store, fresh_name, Look("b", "x", {}))

    assert [look.pair for look in looks] == ["x"]
    again = note_look(store, fresh_name, Look("a", "y", {}))
    assert sorted(look.pair for look in again) == ["x", "y"]
    assert {look.said["version"] for look in again} == {"x", "y"}


def test_a_decision_and_its_reasons_are_kept_with_version_and_run(
    store, registered, run, fresh_name
):
    version = ModelVersionRef(fresh_name, registered())
    record = GateRecord(["auc: too low"], {"gate_champion": "none"}, {"a.md": "# no"})

    record_decision(store, version, record)

    tags = describe_model(store, str(version)).tags
    assert (tags["gate_decision"], tags["gate_champion"]) == ("refused", "none")
    assert json.loads(tags["gate_reasons"]) == ["auc: too low"]
    with store.client() as client:
        files = client.list_artifacts(run.run_id, "gate/version_1")
    assert [file.path for file in files] == ["gate/version_1/a.md"]


def test_more_reasons_than_a_tag_holds_are_counted_and_remain_json(
    store, registered, fresh_name
):
    version = ModelVersionRef(fresh_name, registered())

    record_decision(store, version, GateRecord(["x" * 900] * 9, {}, {}))

    tags = describe_model(store, str(version)).tags
    *kept, last = json.loads(tags["gate_reasons"])
    assert (len(kept), last) == (4, "5 more: see gate/ of the run")


def test_a_decision_without_reasons_is_passed(store, registered, fresh_name):
    version = ModelVersionRef(fresh_name, registered())

    record_decision(store, version, GateRecord([], {}, {}))

    assert describe_model(store, str(version)).tags["gate_decision"] == "passed"


def test_rollback_goes_back_one_champion_at_a_time_and_says_so(
    store, registered, fresh_name
):
    for weights in (b"one", b"two", b"three"):
        registered(weights)
    crowned(store, fresh_name, 1, 2, 3)

    assert rollback(store, fresh_name).version == 2
    assert "rolled_back_from" in describe_model(store, f"models:/{fresh_name}/3").tags
    assert "rolled_back_to" in describe_model(store, f"models:/{fresh_name}/2").tags
    assert rollback(store, fresh_name).version == 1
    assert champion(store, fresh_name) == 1
    with pytest.raises(ConfigError, match="has no earlier champion"):
        rollback(store, fresh_name)


def test_when_a_champion_is_deleted_the_one_before_can_be_gone_back_to(
    store, registered, fresh_name
):
    for weights in (b"one", b"two", b"three"):
        registered(weights)
    crowned(store, fresh_name, 1, 2, 3)
    with store.client() as client:
        for version in ("1", "3"):
            client.delete_model_version(fresh_name, version)

    assert champion(store, fresh_name) is None
    assert earlier_champions(store, fresh_name) == (ModelVersionRef(fresh_name, 2),)
    assert rollback(store, fresh_name).version == 2
    assert earlier_champions(store, fresh_name) == ()


def test_rollback_to_a_damaged_version_is_refused(
    store, registered, fresh_name, tmp_path
):
    for weights in (b"one", b"two"):
        registered(weights)
    crowned(store, fresh_name, 1, 2)
    folder = resolve_model(store, f"models:/{fresh_name}/1", tmp_path)
    (folder / "fold_0.safetensors").unlink()

    with pytest.raises(GateError, match=r"cannot go back .* is missing"):
        rollback(store, fresh_name)
    assert champion(store, fresh_name) == 2


def test_rollback_of_an_unknown_model_names_the_known(store, registered, fresh_name):
    registered()

    with pytest.raises(ConfigError, match=f"no model 'nobody' .*{fresh_name}"):
        rollback(store, "nobody")


def test_a_changed_file_is_a_problem_of_its_version(
    store, registered, fresh_name, tmp_path
):
    version = ModelVersionRef(fresh_name, registered())
    assert version_problems(store, version) == ()
    folder = resolve_model(store, str(version), tmp_path)

    (folder / "card.md").write_text("better")
    assert version_problems(store, version) == ("card.md was changed",)

    listed = json.loads((folder / "package.json").read_text())
    listed["files"]["card.md"] = hashlib.sha256(b"better").hexdigest()
    (folder / "package.json").write_text(json.dumps(listed))
    (problem,) = version_problems(store, version)
    assert "package.json of" in problem
    assert "was changed since it was registered" in problem


def test_a_model_that_answers_otherwise_does_not_become_candidate(
    store, run, fresh_name, tmp_path
):
    def refuse(_folder):
        msg = "other answers"
        raise MachineError(msg)

    folder = a_model_folder(tmp_path / "model")
    with pytest.raises(MachineError, match="other answers"):
        register_model(
            store, run.run_id, folder, Registration(fresh_name, compare=refuse)
        )

    (row,) = (m for m in list_models(store) if m.name == fresh_name)
    assert row.aliases == {}
    how = Registration(fresh_name, tags={AUDIT_TAG: "passed"}, compare=lambda _: "same")
    register_model(store, run.run_id, folder, how)
    assert describe_model(store, f"models:/{fresh_name}@candidate").tags[
        "read_back"
    ] == ("same")
