import errno
import os
import signal

import pytest

from voxray.cli.guard import guarded
from voxray.cli.screen import Screen
from voxray.core.errors import (
    ConfigError,
    GateError,
    LeakageError,
    MachineError,
    ScanError,
)


def end_of(error: BaseException, *, verbose: bool = False) -> int:
    def body() -> int:
        raise error

    return guarded(body, Screen(), verbose=verbose)


def test_a_body_that_succeeds_gives_its_code(capsys):
    assert guarded(lambda: 4, Screen(), verbose=False) == 4
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (ConfigError("wrong key"), 2, "error: wrong key"),
        (LeakageError("p1 is in two folds"), 3, "error: p1 is in two folds"),
        (ScanError("s1", "broken"), 4, "error: scan 's1': broken"),
        (GateError("no"), 5, "error: no"),
        (MachineError("disk full"), 75, "error: disk full"),
        (
            OSError(errno.ENOSPC, "No space left"),
            75,
            "error: the machine refused: No sp",
        ),
        (
            PermissionError(errno.EACCES, "denied", "doe^john.dcm"),
            75,
            "refused: denied",
        ),
        (MemoryError(), 75, "error: not enough memory"),
        (
            KeyboardInterrupt(),
            130,
            "error: interrupted; run the same command to contin",
        ),
    ],
)
def test_each_error_has_its_code_and_one_line(capsys, error, code, text):
    assert end_of(error) == code
    err = capsys.readouterr().err
    assert text in err
    assert err.count("\n") == 1
    assert "doe" not in err


def test_a_bug_names_its_private_log(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert end_of(ValueError("doe^john")) == 1
    err = capsys.readouterr().err
    (log,) = tmp_path.rglob("*.log")
    assert str(log) in err
    assert "doe^john" not in err
    assert "doe^john" in log.read_text()
    assert log.parent.stat().st_mode & 0o777 == 0o700


def test_a_bug_is_told_even_if_no_log_can_be_written(capsys, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert end_of(ValueError("x")) == 1
    assert "run again with --verbose" in capsys.readouterr().err


def test_verbose_shows_the_traceback(capsys):
    end_of(ConfigError("wrong"), verbose=True)
    assert "Traceback" in capsys.readouterr().err


def test_a_terminated_command_is_interrupted():
    def body() -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
        return 0

    assert guarded(body, Screen(), verbose=False) == 130


def test_the_log_of_a_bug_is_read_back_as_text(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    end_of(KeyError("x"))
    assert "KeyError" in next(tmp_path.rglob("*.log")).read_text()
