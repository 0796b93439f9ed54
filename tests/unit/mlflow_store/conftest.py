import itertools
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.unit.mlflow_store.makers import a_metric, a_model_folder, a_run
from voxray.mlflow_store import (
    AUDIT_PASSED,
    AUDIT_TAG,
    Registration,
    Tracker,
    TrackingPlace,
    open_store,
    register_model,
)

_numbers = itertools.count()


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    """A store without runs, made once: MLflow needs seconds for it. Copy it."""
    root = tmp_path_factory.mktemp("empty")
    open_store(f"sqlite:///{root / 'mlflow.db'}", root / "artifacts")
    return root / "mlflow.db"


@pytest.fixture(scope="session")
def store(tmp_path_factory, empty_database):
    root = tmp_path_factory.mktemp("workspace")
    database = root / "tracking" / "mlflow.db"
    database.parent.mkdir()
    shutil.copyfile(empty_database, database)
    return open_store(f"sqlite:///{database}", root / "tracking" / "artifacts")


@pytest.fixture
def fresh_name() -> str:
    """A name no other test uses in the shared store."""
    return f"made-{next(_numbers)}"


@pytest.fixture
def run(store, fresh_name):
    return a_run(store, fresh_name, [a_metric()])


@pytest.fixture
def registered(store, run, fresh_name, tmp_path):
    """Registers a version with an AUC of 0.9 (0.8 to 0.95) and a passed audit."""

    def register(weights: bytes = b"weights", audit: str = AUDIT_PASSED) -> int:
        folder = tmp_path / f"model-{weights.decode()}-{audit}"
        registration = Registration(fresh_name, "a test", {AUDIT_TAG: audit})
        a_model_folder(folder, weights)
        return register_model(store, run.run_id, folder, registration)

    return register


@pytest.fixture
def said() -> list[str]:
    """Lines that were shown."""
    return []


@pytest.fixture
def tracker(store, tmp_path, said):
    """Records into the shared store, with outboxes of its own."""
    place = TrackingPlace(store.uri, store.artifact_root, tmp_path / "tracking/spool")
    return Tracker(place, said.append)


@pytest.fixture(scope="session")
def server(tmp_path_factory, empty_database):
    """A real MLflow server on a free port of this machine; gives its address."""
    root = tmp_path_factory.mktemp("server")
    port = _free_port()
    database = shutil.copyfile(empty_database, root / "mlflow.db")
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{database}"]
    command += ["--artifacts-destination", str(root / "served")]
    with (root / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=root, stdout=log, stderr=log)
    try:
        _wait_for(f"http://127.0.0.1:{port}/health", root / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


class _NotFound(BaseHTTPRequestHandler):
    """What a proxy says of a server that is gone."""

    def do_GET(self) -> None:
        body = b"default backend - 404"
        self.send_response(404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - http.server names them so

    def log_message(self, *_said: object) -> None:
        pass


@pytest.fixture
def misleading():
    """Address of a web server that knows no MLflow."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _NotFound)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(address: str, log: Path) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"no MLflow server at {address}: {log.read_text()[-2000:]}")
