from pathlib import Path

import pytest

from voxray.core.errors import ConfigError
from voxray.core.specs.data import PatientColumn
from voxray.core.specs.gate import GatePolicy
from voxray.stages.gate_policy import locked_scans, read_policy
from voxray.stages.truth import LabelledScans

_SHIPPED = Path(__file__).parents[3] / "mlflow" / "gate_policy.yaml"
COMPARE = {"goal": "superior", "margin": 0.0, "looks": 1}


def a_gate(**locked):
    said = {"compare": COMPARE, **({"locked": locked} if locked else {})}
    return GatePolicy.model_validate({"models": {"m": said}}).models["m"]


def test_the_shipped_policy_names_no_model():
    assert read_policy(_SHIPPED).models == {}


@pytest.mark.parametrize("text", ["models: 3", "modles: {}", "models: [", None])
def test_a_wrong_policy_file_is_named(tmp_path, text):
    path = tmp_path / "policy.yaml"
    if text is not None:
        path.write_text(text)

    with pytest.raises(
        ConfigError, match=r"cannot read the gate policy .*policy\.yaml"
    ):
        read_policy(path)


def test_a_margin_that_is_lacking_is_named_with_its_key(tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_text("models: {liver: {compare: {goal: superior, looks: 3}}}")

    with pytest.raises(ConfigError, match=r"models\.liver\.compare\.margin: Field req"):
        read_policy(path)


def test_paths_of_the_policy_are_relative_to_it(tmp_path):
    (tmp_path / "scans").mkdir()
    gate = a_gate(name="one", scans="scans", patient="column:who")

    found = locked_scans(gate, tmp_path / "policy.yaml", None)

    assert found is not None
    assert found.scans == tmp_path / "scans"
    assert found.patient == PatientColumn(column="who")


def test_paths_of_this_machine_come_before_those_of_the_policy(tmp_path):
    (tmp_path / "here").mkdir()
    given = LabelledScans(tmp_path / "here")

    found = locked_scans(a_gate(name="one", scans="there"), tmp_path / "p.yaml", given)

    assert found is not None
    assert found.scans == tmp_path / "here"


def test_a_policy_without_a_locked_set_has_none(tmp_path):
    assert locked_scans(a_gate(), tmp_path / "p.yaml", None) is None


@pytest.mark.parametrize(
    ("locked", "given", "problem"),
    [
        ({"name": "one"}, None, "'one' has no scans"),
        ({"name": "one", "scans": "gone"}, None, r"'one': .*gone' does not exist"),
        ({}, LabelledScans(Path()), r"names no locked set; .* set locked\.name"),
    ],
)
def test_a_locked_set_that_cannot_be_found_is_said(tmp_path, locked, given, problem):
    with pytest.raises(ConfigError, match=problem):
        locked_scans(a_gate(**locked), tmp_path / "policy.yaml", given)
