"""Open the MLflow UI of a workspace."""

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

from voxray.core.errors import MachineError
from voxray.mlflow_store import ui_address, ui_command
from voxray.stages.models import existing_store

HOST = "127.0.0.1"


def serve_ui(workspace: Path, port: int, say: Callable[[str], None]) -> int:
    """Show runs and models of a workspace to a browser on this machine, until stopped.

    Returns:
        0 when the server was stopped.

    Raises:
        ConfigError: If nothing was recorded yet, or a server serves the store already.
        MachineError: If the port is taken, or the server ends by itself.
    """
    command = ui_command(existing_store(workspace), port)
    check_free(port)
    server_address = f"http://{HOST}:{port}"
    say(f"runs:   {ui_address(server_address)}")
    say(f"models: {server_address}/#/models")
    say("Ctrl-C ends it")
    with subprocess.Popen(command, start_new_session=True) as server:
        try:
            code = server.wait()
        except KeyboardInterrupt:
            say("stopped: 1 server")
            return 0
        finally:
            _end_group(server.pid)
    msg = f"the MLflow server ended with exit code {code}; run again with --verbose"
    raise MachineError(msg)


def _end_group(leader: int) -> None:
    """End the server and its workers, which outlive it otherwise."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGTERM)


def check_free(port: int) -> None:
    """Check that nobody listens at the port.

    Raises:
        MachineError: If somebody does.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            msg = f"port {port} is taken ({error.strerror}); choose another with --port"
            raise MachineError(msg) from error
