"""Faults of the tracking store: is every number there, once, in its own run?

    python -m tests.benchmarks.tracking_faults [--epochs 200] [--postgres URI] [PART …]

Parts, all by default:

- sqlite: five folds in five processes start at the same moment on a store that does not
  exist yet, and write without a pause.
- postgres: the same on a new database; `--postgres` names one, otherwise a server is
  started for it from Debian's `postgresql`. Needs `voxray[postgres]`.
- kill: a fold is killed (SIGKILL); the next command on the workspace marks it FAILED.
- server: an MLflow server is killed while a fold writes, and started again when the
  fold is done; `voxray track sync` is killed three times in the middle, then runs once
  more.

Each value says which fold and which epoch it is of, so that mixed runs are seen; so do
a parameter, a tag and a file of each fold. Exit code 1 if one is missing, doubled or in
another run, if a run ended otherwise than it should, or if there is a run too many, be
it a deleted one.
"""

import argparse
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.runs import command, environment

from voxray.core.outbox import Outbox
from voxray.mlflow_store import NewRun, Tracker, TrackingPlace

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

N_FOLDS = 5
CURVES = tuple(f"curve_{n}" for n in range(10))
A_BATCH = 5
EXPERIMENT = "faults"
PARENT = "0" * 32
POSTGRES = Path("/usr/lib/postgresql")


class WrongError(Exception):
    """Something is missing, doubled, in another run, or too much."""


def place_of(workspace: Path, uri: str) -> TrackingPlace:
    tracking = workspace.resolve() / "tracking"
    return TrackingPlace(uri, tracking / "artifacts", tracking / "spool")


def history(fold: int, n_epochs: int) -> list[dict[str, float]]:
    """Rows whose values name fold and epoch."""
    return [
        {"epoch": e, "seconds": 0.01, **dict.fromkeys(CURVES, fold * 1e6 + e)}
        for e in range(1, n_epochs + 1)
    ]


def fold_process(options: argparse.Namespace) -> None:
    """A fold: waits for the moment, then records as fast as it can."""
    tracker = Tracker(place_of(options.workspace, options.uri), print)
    wait_for_all(options.workspace, options.together)
    new = NewRun(EXPERIMENT, f"fold {options.fold}", tags={"fold": str(options.fold)})
    rows = history(options.fold, options.epochs)
    with tracker.start(new, PARENT).under_way() as run:
        run.log_params({"fold": options.fold})
        run.set_tags({"said": f"fold {options.fold}"})
        run.log_files({"fold.txt": str(options.fold)}, "notes")
        for end in range(A_BATCH, len(rows) + 1, A_BATCH):
            run.log_epochs(rows[:end], now=True)
            time.sleep(options.pause)
        print("recorded", flush=True)
        time.sleep(options.linger)
    tracker.settle()


def wait_for_all(workspace: Path, n_processes: int) -> None:
    """Go on when so many processes have come so far: libraries are loaded by then."""
    (workspace / f"ready_{os.getpid()}").touch()
    while len(list(workspace.glob("ready_*"))) < n_processes:
        time.sleep(0.01)


def start_fold(
    workspace: Path, uri: str, fold: int, **more: float
) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "tests.benchmarks.tracking_faults", "--fold"]
    line += [str(fold), "--workspace", str(workspace), "--uri", uri]
    line += [f"--{name}={value}" for name, value in more.items()]
    pipe = subprocess.PIPE
    root = Path(__file__).parents[2]
    return subprocess.Popen(line, env=environment(), cwd=root, stdout=pipe, text=True)


def make_parent(workspace: Path, uri: str) -> None:
    """The parent's outbox; no store is touched."""
    place = place_of(workspace, uri)
    box = Outbox(place.spool / PARENT)
    with box.occupy() as alive:
        about = {"store": place.label, "asked": None, "parent": None}
        box.make({**about, "head": NewRun(EXPERIMENT, "parent").head(0)})
        box.leave(alive)


@dataclass(frozen=True, slots=True)
class Fold:
    """What a store has, or should have, of a fold."""

    points: list[tuple[str, int, float]]
    params: dict[str, str]
    said: str
    files: dict[str, str]
    status: str

    @classmethod
    def wanted(cls, fold: int, n_epochs: int, status: str) -> "Fold":
        rows = history(fold, n_epochs)
        points = [(c, int(row["epoch"]), row[c]) for row in rows for c in CURVES]
        params, said = {"fold": str(fold)}, f"fold {fold}"
        return cls(sorted(points), params, said, {"fold.txt": str(fold)}, status)

    @classmethod
    def found(cls, client: "MlflowClient", run: "Run") -> "Fold":
        run_id = run.info.run_id
        points = [
            (name, p.step, p.value)
            for name in CURVES
            for p in client.get_metric_history(run_id, name)
        ]
        with tempfile.TemporaryDirectory() as folder:
            notes = Path(client.download_artifacts(run_id, "notes", folder))
            files = {p.name: p.read_text() for p in notes.iterdir()}
        said = run.data.tags["said"]
        return cls(sorted(points), run.data.params, said, files, run.info.status)


def all_runs(client: "MlflowClient") -> "list[Run]":
    """Those that were deleted too."""
    from mlflow.entities import ViewType  # after voxray has made its settings

    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return []
    return list(client.search_runs([experiment.experiment_id], "", ViewType.ALL))


def check(
    workspace: Path, uri: str, folds: range, n_epochs: int, status: str = "FINISHED"
) -> str:
    """Compare what is there with what was recorded."""
    store = Tracker(place_of(workspace, uri), print).reach()
    with store.client() as client:
        runs = all_runs(client)
        there = {
            run.data.tags["fold"]: Fold.found(client, run)
            for run in runs
            if "fold" in run.data.tags
        }
    if len(runs) != len(folds) + 1:
        msg = f"{len(runs)} runs instead of {len(folds)} and their parent"
        raise WrongError(msg)
    for fold in folds:
        same(fold, there[str(fold)], Fold.wanted(fold, n_epochs, status))
    n_sent = len(folds) * n_epochs * len(CURVES)
    n_found = sum(len(fold.points) for fold in there.values())
    return (
        f"{n_sent} numbers sent, {n_found} found, each in its own run, as are "
        f"parameters, tags and files; {len(runs)} runs, folds {status}"
    )


def same(fold: int, found: Fold, wanted: Fold) -> None:
    for part in fields(Fold):
        got, asked = getattr(found, part.name), getattr(wanted, part.name)
        if got != asked:
            shown = f"{len(asked)} sent, {len(got)} found"
            short = shown if part.name == "points" else f"{got!r} instead of {asked!r}"
            msg = f"fold {fold}: {part.name}: {short}"
            raise WrongError(msg)


def five_at_once(workspace: Path, uri: str, n_epochs: int) -> str:
    make_parent(workspace, uri)
    began_s = time.monotonic()
    folds = [
        start_fold(workspace, uri, n, epochs=n_epochs, together=N_FOLDS)
        for n in range(N_FOLDS)
    ]
    said = [fold.communicate()[0] for fold in folds]
    took_s = time.monotonic() - began_s
    if any(fold.returncode for fold in folds):
        raise WrongError("\n".join(said))
    waits = sum("track sync" in line for text in said for line in text.splitlines())
    line = check(workspace, uri, range(N_FOLDS), n_epochs)
    return f"{line}; {waits} times a fold found the store busy ({took_s:.0f} s)"


def sqlite_uri(workspace: Path) -> str:
    return f"sqlite:///{workspace.resolve() / 'tracking' / 'mlflow.db'}"


def part_sqlite(workspace: Path, options: argparse.Namespace) -> str:
    return five_at_once(workspace, sqlite_uri(workspace), options.epochs)


def part_postgres(workspace: Path, options: argparse.Namespace) -> str:
    if find_spec("psycopg") is None:
        msg = "no psycopg: pip install 'voxray[postgres]'"
        raise WrongError(msg)
    if options.postgres:
        return five_at_once(workspace, options.postgres, options.epochs)
    with postgres_server() as uri:
        return five_at_once(workspace, uri, options.epochs)


def part_kill(workspace: Path, options: argparse.Namespace) -> str:
    uri = sqlite_uri(workspace)
    make_parent(workspace, uri)
    fold = start_fold(workspace, uri, 0, epochs=options.epochs, linger=600)
    assert fold.stdout is not None
    while fold.stdout.readline().strip() != "recorded":
        pass
    fold.kill()
    fold.communicate()
    before = statuses(workspace, uri)
    line = command("data", "list", "--workspace", workspace)
    subprocess.run(line, env=environment(), check=True, stdout=subprocess.DEVNULL)
    after = statuses(workspace, uri)
    if (before, after) != (["RUNNING"], ["FAILED"]):
        msg = f"status {before} after the kill, {after} after the next command"
        raise WrongError(msg)
    counted = check(workspace, uri, range(1), options.epochs, "FAILED")
    return f"RUNNING after kill -9, FAILED after the next command; {counted}"


def statuses(workspace: Path, uri: str) -> list[str]:
    store = Tracker(place_of(workspace, uri), print).reach()
    with store.client() as client:
        runs = all_runs(client)
    return [run.info.status for run in runs if "fold" in run.data.tags]


def part_server(workspace: Path, options: argparse.Namespace) -> str:
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    make_parent(workspace, uri)
    with mlflow_server(workspace, port):
        fold = start_fold(workspace, uri, 0, epochs=options.epochs, pause=0.2)
        spool = workspace / "tracking" / "spool"
        while not list(spool.glob("*/sent.json")):
            time.sleep(0.1)
        time.sleep(2)
    text = fold.communicate()[0]
    if fold.returncode or "track sync" not in text:
        msg = f"the fold did not go on without its store: {text}"
        raise WrongError(msg)
    n_waiting = waiting(spool)
    with mlflow_server(workspace, port):
        kills = [killed_sync(workspace, uri, n_waiting * k // 4) for k in (3, 2, 1)]
        end = subprocess.run(sync_line(workspace), env=with_uri(uri), check=True)
        assert end.returncode == 0
        if waiting(spool):
            msg = f"{waiting(spool)} records wait after track sync"
            raise WrongError(msg)
        counted = check(workspace, uri, range(1), options.epochs)
    places = ", ".join(f"{k} left" for k in kills)
    return (
        f"server killed midway: {n_waiting} records waited; track sync killed with "
        f"{places}, then run to its end; {counted}"
    )


def sync_line(workspace: Path) -> list[str]:
    return command("track", "sync", "--workspace", workspace)


def with_uri(uri: str) -> dict[str, str]:
    return environment(MLFLOW_TRACKING_URI=uri)


def waiting(spool: Path) -> int:
    return len(list(spool.glob("*/[0-9]*.json")))


def killed_sync(workspace: Path, uri: str, at: int) -> int:
    """Kill `track sync` when so many records are left; how many were."""
    spool = workspace / "tracking" / "spool"
    process = subprocess.Popen(sync_line(workspace), env=with_uri(uri))
    while waiting(spool) > at and process.poll() is None:
        time.sleep(0.001)
    process.kill()
    process.wait()
    return waiting(spool)


@contextlib.contextmanager
def mlflow_server(workspace: Path, port: int) -> Iterator[None]:
    """A server on a database of its own; killed with its workers at the end."""
    database = workspace.resolve() / "served" / "mlflow.db"
    database.parent.mkdir(parents=True, exist_ok=True)
    line = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
    line += ["--port", str(port), "--workers", "1"]
    line += ["--backend-store-uri", f"sqlite:///{database}"]
    line += ["--artifacts-destination", str(database.with_name("artifacts"))]
    with (workspace / "server.log").open("ab") as log:
        server = subprocess.Popen(
            line, stdout=log, stderr=log, cwd=database.parent, start_new_session=True
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/health")
        yield
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def wait_for(address: str, seconds: float = 600) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=5):
            return
        time.sleep(0.2)
    msg = f"no server at {address}"
    raise WrongError(msg)


@contextlib.contextmanager
def postgres_server() -> Iterator[str]:
    """A new PostgreSQL cluster on a free port; ended with all it holds."""
    programs = max(POSTGRES.glob("*/bin"), default=None)
    if programs is None:
        msg = "no PostgreSQL: apt-get install postgresql, or --postgres URI"
        raise WrongError(msg)
    folder = Path(tempfile.mkdtemp(prefix="faults_pg_"))
    port = free_port()
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if as_user:
        shutil.chown(folder, "postgres")

    def do(program: str, *arguments: str) -> None:
        line = [*as_user, str(programs / program), "-D", str(folder / "data")]
        subprocess.run([*line, *arguments], check=True, stdout=out, cwd=folder)

    listen = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
    out = subprocess.DEVNULL
    do("initdb", "-A", "trust", "-U", "mlflow")
    do("pg_ctl", "-w", "-o", listen, "-l", str(folder / "log"), "start")
    try:
        yield f"postgresql+psycopg://mlflow@127.0.0.1:{port}/postgres"
    finally:
        do("pg_ctl", "-m", "immediate", "stop")
        shutil.rmtree(folder)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


PARTS = {
    "sqlite": part_sqlite,
    "postgres": part_postgres,
    "kill": part_kill,
    "server": part_server,
}


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    add("--epochs", type=int, default=200)
    add("--postgres", metavar="URI", help="an empty database")
    add("--workspace", type=Path, help="kept; a temporary folder by default")
    add("--fold", type=int, help=argparse.SUPPRESS)
    add("--uri", help=argparse.SUPPRESS)
    add("--together", type=int, default=1, help=argparse.SUPPRESS)
    for name in ("pause", "linger"):
        add(f"--{name}", type=float, default=0.0, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    """Returns the exit code."""
    options = parsed()
    if options.fold is not None:
        fold_process(options)
        return 0
    folder = options.workspace or Path(tempfile.mkdtemp(prefix="tracking_faults_"))
    code = 0
    for name in options.parts or PARTS:
        workspace = folder / name
        workspace.mkdir(parents=True)
        try:
            print(f"{name}: {PARTS[name](workspace, options)}", flush=True)
        except WrongError as error:
            print(f"{name}: FAILED, see {workspace}: {error}", flush=True)
            code = 1
    if options.workspace is None and code == 0:
        shutil.rmtree(folder)
    return code


if __name__ == "__main__":
    sys.exit(main())
