import os
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from voxray.mlflow_store import open_store
from voxray.stages.environment import artifact_root
from voxray.stages.ui import check_free


def a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def terminate_when_served(port: int, seen: list[int]) -> None:
    for _ in range(240):
        time.sleep(0.25)
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as answer:
                seen.append(answer.status)
                break
        except (urllib.error.URLError, ConnectionError):
            continue
    os.kill(os.getpid(), signal.SIGTERM)


def test_the_ui_serves_until_it_is_stopped_and_frees_its_port(call):
    database = Path.cwd() / "workspace" / "tracking" / "mlflow.db"
    open_store(f"sqlite:///{database}", artifact_root(Path("workspace")))
    port = a_free_port()
    seen: list[int] = []
    watcher = threading.Thread(target=terminate_when_served, args=(port, seen))
    watcher.start()
    done = call("ui", "--port", str(port))
    watcher.join()
    assert seen == [200]
    assert done.exit_code == 0
    assert done.stdout.splitlines()[-1] == "stopped: 1 server"
    check_free(port)
