import logging
import subprocess
import sys
import warnings

import pytest

from voxray.cli.quiet import quiet_libraries


def worker_stderr() -> str:
    code = "import warnings; warnings.warn('nvImageCodec')"
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stderr


def test_libraries_are_not_heard(monkeypatch, caplog):
    monkeypatch.delenv("PYTHONWARNINGS")
    quiet_libraries(verbose=False)
    warnings.warn("nvImageCodec", stacklevel=1)
    logging.getLogger("a.library").info("Running upgrade")
    assert not caplog.records
    assert "nvImageCodec" not in worker_stderr()


def test_errors_of_libraries_are_heard(caplog):
    quiet_libraries(verbose=False)
    logging.getLogger("a.library").error("broken")
    assert len(caplog.records) == 1


def test_verbose_hears_everything(caplog):
    quiet_libraries(verbose=True)
    logging.getLogger("a.library").info("Running upgrade")
    assert len(caplog.records) == 1
    with pytest.warns(UserWarning, match="nvImageCodec"):
        warnings.warn("nvImageCodec", stacklevel=1)
