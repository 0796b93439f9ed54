"""How every command ends: one clear line and an exit code."""

import signal
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NoReturn

from voxray.cli.screen import Screen
from voxray.core.errors import MachineError, VoxrayError
from voxray.core.files import MACHINE_ERRNOS, private_folder, write_text

INTERRUPTED = 130
BUG = 1


def guarded(body: Callable[[], int], screen: Screen, *, verbose: bool) -> int:
    """Run a command's body and turn whatever it raises into a line and an exit code.

    Args:
        body: Returns an exit code.
        screen: Where errors are shown.
        verbose: Whether to show the traceback of an error too.

    Returns:
        The exit code of `body`, or that of its error: see `core.errors`; 75 when the
        machine refuses, 130 when interrupted, 1 for a bug.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return body()
    except KeyboardInterrupt:
        screen.error("interrupted; run the same command to continue")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last door
        if verbose:
            screen.close()
            traceback.print_exception(error)
        text, code = explain(error)
        screen.error(text)
        return code
    finally:
        screen.close()


def explain(error: Exception) -> tuple[str, int]:
    """What to tell a person about an error, and the exit code."""
    if isinstance(error, VoxrayError):
        return str(error), error.exit_code
    if isinstance(error, MemoryError):
        return (
            "not enough memory; close something and run again",
            MachineError.exit_code,
        )
    if isinstance(error, OSError) and error.errno in MACHINE_ERRNOS:
        text = f"the machine refused: {error.strerror}; free it and run again"
        return text, MachineError.exit_code
    return _bug(error), BUG


def _bug(error: Exception) -> str:
    text = f"unexpected {type(error).__name__}: this is a bug in voxray"
    try:
        log = _write_log(error)
    except (OSError, VoxrayError):
        return f"{text}; run again with --verbose and report what it shows"
    return f"{text}; report it in the issue tracker with {log} (read it first)"


def _write_log(error: Exception) -> Path:
    """Save the traceback where only the user reads it: it may hold names of files."""
    import platformdirs

    folder = private_folder(platformdirs.user_log_path("voxray"))
    log = folder / f"error-{time.strftime('%Y%m%d-%H%M%S')}.log"
    write_text(log, "".join(traceback.format_exception(error)))
    return log


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
