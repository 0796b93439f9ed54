import socket

import pytest

from tests.unit.mlflow_store.makers import a_model_folder
from voxray.core.errors import ConfigError, MachineError
from voxray.stages import models
from voxray.stages.ui import check_free


@pytest.fixture(autouse=True)
def no_server(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def test_a_workspace_without_a_store_has_no_models_and_gets_none(tmp_path):
    assert models.list_all(tmp_path) == []
    with pytest.raises(ConfigError, match="nothing was recorded in the workspace"):
        models.existing_store(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_server_counts_as_a_store(monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert models.has_store(tmp_path)


def test_a_port_that_is_taken_is_told():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(MachineError, match=f"port {port} is taken"):
            check_free(port)
    check_free(port)


def test_a_model_folder_that_is_not_there_is_said_without_a_store(tmp_path):
    with pytest.raises(ConfigError, match=r"there is no model folder 'mdel'; write"):
        models.find_model(tmp_path, "mdel")


def test_a_model_folder_is_shown_without_a_store(tmp_path):
    folder = a_model_folder(tmp_path / "model")
    assert models.show(tmp_path / "workspace", str(folder))
    assert not (tmp_path / "workspace").exists()
