import json
from pathlib import Path

import pytest

from tests.unit.mlflow_store.makers import a_model_folder
from voxray.core.errors import ConfigError, GateError
from voxray.mlflow_store import (
    AUDIT_TAG,
    GatePolicy,
    ModelGate,
    Registration,
    describe_model,
    list_models,
    promote,
    read_policy,
    register_model,
    resolve_model,
    rollback,
)

_SHIPPED = Path(__file__).parents[3] / "mlflow" / "gate_policy.yaml"


def a_policy(name, **gate):
    return GatePolicy(models={name: ModelGate(**gate)})


def champion(store, name):
    return next(m for m in list_models(store) if m.name == name).aliases.get("champion")


def test_a_version_that_reaches_the_figures_becomes_champion(
    store, registered, fresh_name
):
    version = registered()

    found = promote(
        store,
        f"models:/{fresh_name}@candidate",
        a_policy(fresh_name, minimum_low={"auc": 0.8}, maximum_high={"auc": 0.99}),
    )

    assert found.version == version == champion(store, fresh_name)
    tags = describe_model(store, str(found)).tags
    assert (tags["gate_decision"], tags["gate_reasons"]) == ("passed", "[]")


def test_the_shipped_policy_says_no_and_which_key_to_set(store, registered, fresh_name):
    registered()

    key = rf"set models\.{fresh_name}\.minimum_low .*of: auc"
    with pytest.raises(GateError, match=key):
        promote(store, f"models:/{fresh_name}/1", read_policy(_SHIPPED))

    tags = describe_model(store, f"models:/{fresh_name}/1").tags
    assert tags["gate_decision"] == "refused"
    assert "states no figure" in json.loads(tags["gate_reasons"])[0]
    assert champion(store, fresh_name) is None


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        ({"minimum_low": {"auc": 0.85}}, "lower end of auc is 0.800, below 0.850"),
        ({"maximum_high": {"auc": 0.9}}, "upper end of auc is 0.950, above 0.900"),
        ({"minimum_low": {"dice_x": 0.5}}, "no lower interval end of dice_x"),
        ({"maximum_high": {"hd95_x": 5}}, "no upper interval end of hd95_x"),
        ({"minimum_low": {"auc": None}}, r"minimum_low\.auc is not set"),
    ],
)
def test_a_figure_that_is_not_reached_is_named(
    store, registered, fresh_name, gate, said
):
    registered()

    with pytest.raises(GateError, match=said):
        promote(store, f"models:/{fresh_name}/1", a_policy(fresh_name, **gate))


def test_without_a_passed_audit_there_is_no_champion(store, registered, fresh_name):
    registered(audit="failed")
    policy = a_policy(fresh_name, minimum_low={"auc": 0.5})

    with pytest.raises(GateError, match="audit is failed, not passed"):
        promote(store, f"models:/{fresh_name}/1", policy)


def test_without_a_card_there_is_no_champion(store, run, fresh_name, tmp_path):
    model = a_model_folder(tmp_path / "model", card=False)
    tags = {AUDIT_TAG: "passed"}
    register_model(store, run.run_id, model, Registration(fresh_name, tags=tags))

    with pytest.raises(GateError, match=r"the model has no card\.md"):
        promote(store, f"models:/{fresh_name}/1", GatePolicy())


def test_a_changed_file_stops_promotion(store, registered, fresh_name, tmp_path):
    registered()
    ref = f"models:/{fresh_name}/1"
    (resolve_model(store, ref, tmp_path) / "card.md").write_text("better")

    with pytest.raises(GateError, match=r"card\.md was changed"):
        promote(store, ref, a_policy(fresh_name, minimum_low={"auc": 0.5}))


def test_a_folder_cannot_be_promoted(store, tmp_path):
    with pytest.raises(ConfigError, match="only a registered version"):
        promote(store, str(tmp_path), GatePolicy())


def test_rollback_goes_back_one_champion_at_a_time(store, registered, fresh_name):
    policy = a_policy(fresh_name, minimum_low={"auc": 0.5})
    for weights in (b"one", b"two", b"three"):
        version = registered(weights)
        promote(store, f"models:/{fresh_name}/{version}", policy)
    promote(store, f"models:/{fresh_name}/3", policy)

    assert rollback(store, fresh_name).version == 2
    assert rollback(store, fresh_name).version == 1
    assert champion(store, fresh_name) == 1
    with pytest.raises(ConfigError, match="has no earlier champion"):
        rollback(store, fresh_name)


def test_rollback_to_a_damaged_version_is_refused(
    store, registered, fresh_name, tmp_path
):
    policy = a_policy(fresh_name, minimum_low={"auc": 0.5})
    for weights in (b"one", b"two"):
        promote(store, f"models:/{fresh_name}/{registered(weights)}", policy)
    folder = resolve_model(store, f"models:/{fresh_name}/1", tmp_path)
    (folder / "fold_0.safetensors").unlink()

    with pytest.raises(GateError, match=r"cannot go back .* is missing"):
        rollback(store, fresh_name)
    assert champion(store, fresh_name) == 2


def test_rollback_of_an_unknown_model_names_the_known(store, registered, fresh_name):
    registered()

    with pytest.raises(ConfigError, match=f"no model 'nobody' .*{fresh_name}"):
        rollback(store, "nobody")


@pytest.mark.parametrize("text", ["models: 3", "modles: {}", "models: [", None])
def test_a_wrong_policy_file_is_named(tmp_path, text):
    path = tmp_path / "policy.yaml"
    if text is not None:
        path.write_text(text)

    with pytest.raises(
        ConfigError, match=r"cannot read the gate policy .*policy\.yaml"
    ):
        read_policy(path)
