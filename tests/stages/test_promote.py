import json
from dataclasses import replace

import pytest

from tests.stages.contest import School, register, write_model_of, write_patients
from tests.stages.makers import a_session
from tests.stages.registry import *  # noqa: F403 - fixtures
from tests.unit.mlflow_store.makers import a_metric
from voxray.core.errors import ConfigError, GateError, ManifestError
from voxray.core.files import write_json
from voxray.core.ids import Pseudonymizer
from voxray.core.seen import SEEN_FILE, remember
from voxray.ingest import IntakeOptions, ingest_folder
from voxray.mlflow_store import (
    ModelVersionRef,
    crown,
    describe_model,
    fetch_files,
    find_champion,
    list_models,
    resolve_model,
)
from voxray.model import hash_files, read_package
from voxray.stages.promote import PromoteRequest, promote

POLICY = """
models:
  spots:
    locked: {{name: set_one, scans: locked/scans, labels: locked/labels.csv}}
    compare: {{goal: non-inferior, margin: 0.1, looks: {looks}, alpha: 0.2}}
    minimum_low: {{auc: {floor}}}
    calibration: {{slope: [0.02, 20]}}
    subgroups: [{{column: sex, metric: auc, minimum_low: 0.1, least_patients: 5}}]
"""


@pytest.fixture(scope="module")
def school(tmp_path_factory):
    return School.of(tmp_path_factory.mktemp("school"), 60)


@pytest.fixture
def policy(tmp_path):
    def write(floor=0.2, looks=2, text=None):
        path = tmp_path / "policy.yaml"
        path.write_text(text or POLICY.format(floor=floor, looks=looks))
        return path

    return write


def ask(ref, policy, session):
    return promote(PromoteRequest(ref, policy), session)


def champion(store):
    found = find_champion(store, "spots")
    return found and found.version


def verdicts(decided):
    return {check.rule: check.passed for check in decided.checks}


def test_first_floors_then_the_champion_then_no_look_is_left(
    tmp_path, school, store, session, policy
):
    write_patients(tmp_path / "locked", 44, seed=2)
    good, worse = school.pupil(), school.pupil(n_scans=8, wrong=0.5)
    for name, network in (
        ("one", good),
        ("worse", worse),
        ("same", school.pupil(jitter=1e-4)),
    ):
        register(store, "spots", write_model_of(tmp_path / name, network))

    first = ask("models:/spots/1", policy(), session)
    second = ask("models:/spots/2", policy(), session)
    third = ask("models:/spots/3", policy(), session)

    assert first.passed, first.reasons
    assert verdicts(first)["compare"] is None
    assert not second.passed
    assert verdicts(second)["compare.auc ill"] is False
    assert "look 2 of 2 planned" in dict(second.facts)["yes looks"]
    assert "subgroups.sex=F ill" in verdicts(second)
    assert verdicts(third)["looks"] is False
    assert "used up: plan a new set" in third.reasons[0]
    assert champion(store) == 1
    tags = describe_model(store, "models:/spots/2").tags
    assert tags["gate_decision"] == "refused"
    assert tags["gate_champion"] == "models:/spots/1"


def test_what_is_kept_with_the_run_has_the_policy_and_no_path(
    tmp_path, school, store, session, policy
):
    write_patients(tmp_path / "locked", 24, seed=2)
    register(store, "spots", write_model_of(tmp_path / "one", school.pupil()))
    ask("models:/spots/1", policy(), session)

    run_id = describe_model(store, "models:/spots/1").run_id
    folder, names = "gate/version_1", ["decision.json", "decision.md"]
    (tmp_path / "kept").mkdir()
    assert run_id is not None
    kept = fetch_files(store, run_id, folder, names, tmp_path / "kept")

    said = json.loads((kept / "decision.json").read_text())["policy"]
    assert said["locked"]["name"] == "set_one"
    assert said["compare"]["margin"] == 0.1
    for name in names:
        assert "locked/" not in (kept / name).read_text()


def test_the_same_pair_again_is_no_further_look(
    tmp_path, school, store, session, policy
):
    write_patients(tmp_path / "locked", 24, seed=2)
    register(store, "spots", write_model_of(tmp_path / "one", school.pupil()))
    request = "models:/spots/1", policy(floor=0.999), session
    ask(*request)
    decided = ask(*request)

    assert "look 1 of 2" in dict(decided.facts)["yes looks"]
    assert not decided.passed
    (model,) = list_models(store)
    assert len([tag for tag in model.tags if tag.startswith("gate_look.")]) == 1


def test_patients_that_either_model_has_seen_are_left_out(
    tmp_path, school, store, session, policy
):
    write_patients(tmp_path / "locked", 30, seed=2)
    folder = write_model_of(tmp_path / "one", school.pupil())
    package = read_package(folder)
    options = IntakeOptions(
        tmp_path / "locked/scans", package.rules, patient="each_file"
    )
    ids = Pseudonymizer(session.key)
    known = ingest_folder(options, ids).records[:4]
    listed = remember(known, ids, "salt").model_dump(mode="json")
    write_json(folder / SEEN_FILE, listed)
    whole = package.model_copy(
        update={"files": hash_files(folder, list(package.files))}
    )
    (folder / "package.json").write_text(whole.model_dump_json(indent=2))
    register(store, "spots", folder)

    decided = ask("models:/spots/1", policy(), session)

    found = dict(decided.facts)
    assert found["-   seen"].startswith("4 patients that either model has seen")
    assert found["-   locked"].startswith("26 exams of 26 patients")


def test_a_version_that_fails_a_cheap_rule_is_not_worth_a_look(
    tmp_path, school, store, session, policy
):
    write_patients(tmp_path / "locked", 2, seed=2)
    folder = write_model_of(tmp_path / "one", school.pupil())
    register(store, "spots", folder, audit="failed", read_back="")

    decided = ask("models:/spots/1", policy(), session)

    assert verdicts(decided)["audit"] is verdicts(decided)["read_back"] is False
    assert "audit: failed; asked: passed" in decided.reasons
    assert not [tag for tag in list_models(store)[0].tags if "look" in tag]


def test_a_setting_that_is_wrong_costs_no_look_and_can_be_put_right(
    tmp_path, school, store, session, policy
):
    write_patients(tmp_path / "locked", 24, seed=2)
    register(store, "spots", write_model_of(tmp_path / "one", school.pupil()))
    right = POLICY.format(floor=0.999, looks=2)
    wrong = right.replace("name: set_one", "name: set_one, column: nothing")

    with pytest.raises(ConfigError, match="nothing"):
        ask("models:/spots/1", policy(text=wrong), session)
    decided = ask("models:/spots/1", policy(text=right), session)

    assert "look 1 of 2" in dict(decided.facts)["yes looks"]


def test_a_card_without_a_section_is_not_complete(
    tmp_path, school, store, session, policy
):
    write_patients(tmp_path / "locked", 2, seed=2)
    folder = write_model_of(tmp_path / "one", school.pupil(), intended_use="unstated")
    register(store, "spots", folder)

    decided = ask("models:/spots/1", policy(), session)

    assert "card: section 'Intended use' is empty" in decided.reasons[0]


def test_without_champion_and_locked_set_floors_are_out_of_fold(
    tmp_path, school, store, session, policy
):
    folder = write_model_of(tmp_path / "one", school.pupil())
    register(store, "spots", folder, [a_metric()])
    text = """
models:
  spots: {compare: {goal: superior, margin: 0, looks: 1}, minimum_low: {auc: 0.8}}
"""

    decided = ask("models:/spots/1", policy(text=text), session)

    assert decided.passed, decided.reasons
    decision = json.loads(describe_model(store, "models:/spots/1").tags["gate_reasons"])
    assert decision == []


def test_with_a_champion_the_policy_must_name_a_locked_set(
    tmp_path, school, store, session, policy
):
    text = """
models:
  spots: {compare: {goal: superior, margin: 0, looks: 1}, minimum_low: {auc: 0.8}}
"""
    for name in ("one", "two"):
        folder = write_model_of(tmp_path / name, school.pupil())
        register(store, "spots", folder, [a_metric()])
    ask("models:/spots/1", policy(text=text), session)

    with pytest.raises(
        ConfigError, match=r"models\.spots\.locked names no labelled set"
    ):
        ask("models:/spots/2", policy(text=text), session)
    with pytest.raises(ConfigError, match="is the champion already"):
        ask("models:/spots/1", policy(text=text), session)


def test_a_champion_whose_files_were_changed_is_named(
    tmp_path, school, store, session, policy
):
    write_patients(tmp_path / "locked", 2, seed=2)
    for name in ("one", "two"):
        register(store, "spots", write_model_of(tmp_path / name, school.pupil()))
    crown(store, ModelVersionRef("spots", 1), None)
    (resolve_model(store, "models:/spots/1", tmp_path) / "card.md").write_text("new")

    with pytest.raises(ManifestError, match=r"compare with models:/spots/1: .*card"):
        ask("models:/spots/2", policy(), session)


def test_a_champion_that_was_deleted_is_gone_back_to_before_another_is_made(
    tmp_path, school, store, session, policy
):
    for name in ("one", "two", "three"):
        register(store, "spots", write_model_of(tmp_path / name, school.pupil()))
    for version, before in ((1, None), (2, 1)):
        against = ModelVersionRef("spots", before) if before else None
        crown(store, ModelVersionRef("spots", version), against)
    with store.client() as client:
        client.delete_model_version("spots", "2")

    with pytest.raises(ConfigError, match=r"spots/1 was one; .* models rollback spots"):
        ask("models:/spots/3", policy(), session)
    assert champion(store) is None


def test_a_model_that_the_policy_does_not_name_is_refused_and_recorded(
    tmp_path, school, store, session
):
    register(store, "spots", write_model_of(tmp_path / "one", school.pupil()))

    decided = ask("models:/spots/1", None, session)

    assert "says nothing of this model; set models.spots.compare" in decided.reasons[0]
    assert describe_model(store, "models:/spots/1").tags["gate_decision"] == "refused"


def test_somebody_who_was_first_is_a_reason_and_is_recorded(
    tmp_path, school, store, policy
):
    write_patients(tmp_path / "locked", 44, seed=2)
    for name, jitter in (("one", 0), ("two", 1e-4)):
        folder = write_model_of(tmp_path / name, school.pupil(jitter=jitter))
        register(store, "spots", folder)

    def meanwhile(line):
        if "scoring the locked set" in line:
            crown(store, ModelVersionRef("spots", 2), None)

    session = replace(a_session(tmp_path, []), say=meanwhile)
    with pytest.raises(GateError, match="somebody else was first"):
        ask("models:/spots/1", policy(), session)
    assert champion(store) == 2
    assert describe_model(store, "models:/spots/1").tags["gate_decision"] == "refused"
