import logging
import signal
import warnings

import pytest
from typer.testing import CliRunner

from voxray.cli.app import app


@pytest.fixture(autouse=True)
def own_settings(monkeypatch, tmp_path):
    """Every command runs in an empty folder, with a key of its own."""
    monkeypatch.setenv("VOXRAY_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("PYTHONWARNINGS", "")
    monkeypatch.chdir(tmp_path)
    handler = signal.getsignal(signal.SIGTERM)
    with warnings.catch_warnings():
        yield
    signal.signal(signal.SIGTERM, handler)
    logging.disable(logging.NOTSET)


@pytest.fixture
def call():
    """Calls the command in this process."""
    return lambda *given: CliRunner().invoke(app, list(given), prog_name="voxray")
