"""`voxray models` on a real store with one registered model."""

from pathlib import Path

import pytest

from tests.unit.mlflow_store.makers import a_metric, a_model_folder, a_run
from voxray.mlflow_store import (
    AUDIT_PASSED,
    AUDIT_TAG,
    READ_BACK_TAG,
    Registration,
    open_store,
    register_model,
)
from voxray.stages.environment import artifact_root

POLICY = """
models:
  lesions:
    compare: {goal: superior, margin: 0, looks: 1}
    minimum_low: {auc: 0.5}
    card: []
"""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    root = tmp_path_factory.mktemp("workspace")
    uri = f"sqlite:///{root / 'tracking' / 'mlflow.db'}"
    store = open_store(uri, artifact_root(root))
    run = a_run(store, "lesions", [a_metric()])
    tags = {AUDIT_TAG: AUDIT_PASSED, READ_BACK_TAG: "a test"}
    how = Registration("lesions", "For tests.", tags)
    register_model(store, run.run_id, a_model_folder(root / "model"), how)
    return root


def test_models_are_listed_with_versions_and_aliases(call, workspace):
    done = call("models", "list", "--workspace", str(workspace))
    header, row, closing = done.stdout.splitlines()
    assert header == "name     versions  aliases"
    assert row.startswith("lesions  1         candidate -> 1")
    assert closing == "1 models"


def test_a_model_is_shown(call, workspace):
    ref = "models:/lesions@candidate"
    done = call("models", "show", ref, "--workspace", str(workspace))
    assert done.exit_code == 0
    assert "version: 1" in done.stdout
    assert "audit: passed" in done.stdout


def test_a_model_that_does_not_exist_ends_in_2(call, workspace):
    ref = "models:/lessions@candidate"
    done = call("models", "show", ref, "--workspace", str(workspace))
    assert done.exit_code == 2
    assert "lesions" in done.stderr


def test_a_model_is_exported_once(call, workspace):
    arguments = ["models", "export", "models:/lesions/1", "--to", "here"]
    done = call(*arguments, "--workspace", str(workspace))
    again = call(*arguments, "--workspace", str(workspace))
    assert done.stdout == "exported models:/lesions/1 to here: 3 files\n"
    assert again.exit_code == 2
    assert Path("here/package.json").exists()


def test_a_policy_without_a_margin_ends_in_2(call, workspace):
    Path("gate.yaml").write_text(POLICY.replace("margin: 0, ", ""))
    arguments = ["models", "promote", "models:/lesions/1", "--policy", "gate.yaml"]
    done = call(*arguments, "--workspace", str(workspace))
    assert done.exit_code == 2
    assert "models.lesions.compare.margin" in done.stderr


def test_a_table_of_no_scans_ends_in_2(call, workspace):
    arguments = ["models", "promote", "models:/lesions/1", "--labels", "l.csv"]
    done = call(*arguments, "--workspace", str(workspace))
    assert done.exit_code == 2
    assert "give --scans too" in done.stderr


def test_there_is_nothing_to_roll_back_to(call, workspace):
    done = call("models", "rollback", "lesions", "--workspace", str(workspace))
    assert done.exit_code == 2


def test_the_shipped_gate_says_no_and_a_policy_that_is_met_says_yes(call, workspace):
    Path("gate.yaml").write_text(POLICY)
    arguments = ["models", "promote", "models:/lesions/1", "--workspace"]
    refused = call(*arguments, str(workspace))
    done = call(*arguments, str(workspace), "--policy", "gate.yaml")

    assert refused.exit_code == 5
    assert refused.stdout.startswith("NO  policy")
    assert refused.stderr.count("\n") == 1
    assert done.exit_code == 0, done.stderr
    *rules, closing = done.stdout.splitlines()
    assert "yes audit" in rules[0]
    assert closing.startswith("models:/lesions/1 is the champion now; 7 rules")
