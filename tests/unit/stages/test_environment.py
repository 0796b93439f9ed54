from pathlib import Path

import pytest

from voxray.core.errors import ConfigError, MachineError
from voxray.stages.environment import (
    artifact_root,
    expand,
    tracking_uri,
    user_key,
)


def test_variables_and_home_expand():
    assert expand("${A}/x/${B}", {"A": "/data", "B": "y"}) == "/data/x/y"
    assert expand("~/x") == str(Path.home() / "x")
    assert expand("plain") == "plain"


@pytest.mark.parametrize("known", [{}, {"NOPE": ""}])
def test_an_unset_variable_is_named(known):
    with pytest.raises(ConfigError, match=r"\$\{NOPE\}.*export NOPE="):
        expand("${NOPE}/x", known)


def test_the_key_is_made_once_where_the_variable_says(monkeypatch, tmp_path):
    monkeypatch.setenv("VOXRAY_KEY_FILE", str(tmp_path / "keys" / "mine"))
    assert user_key() == user_key()
    assert (tmp_path / "keys" / "mine").stat().st_mode & 0o777 == 0o600


def test_the_key_is_in_the_config_folder_else(monkeypatch, tmp_path):
    monkeypatch.delenv("VOXRAY_KEY_FILE", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    key = user_key()
    assert (tmp_path / "voxray" / "key").read_bytes() == key


def test_a_key_that_is_too_short_is_refused(monkeypatch, tmp_path):
    (tmp_path / "key").write_bytes(b"short")
    monkeypatch.setenv("VOXRAY_KEY_FILE", str(tmp_path / "key"))
    with pytest.raises(MachineError, match="5 bytes"):
        user_key()


def test_the_experiment_then_the_environment_then_the_workspace_say_where_runs_go(
    monkeypatch, tmp_path
):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    own = tracking_uri(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://host:5000")
    assert own == f"sqlite:///{tmp_path}/tracking/mlflow.db"
    assert tracking_uri(tmp_path) == "http://host:5000"
    assert tracking_uri(tmp_path, "sqlite:///x.db") == "sqlite:///x.db"
    assert artifact_root(tmp_path) == tmp_path / "tracking" / "artifacts"
