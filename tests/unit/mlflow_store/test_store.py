import contextlib
import shutil
import sqlite3
import subprocess
import sys

import pytest
import sqlalchemy

from tests.unit.mlflow_store.makers import a_metric, a_run
from voxray.core.errors import ConfigError, MachineError
from voxray.mlflow_store import Store, open_store, ui_address, ui_command
from voxray.mlflow_store.store import holds_password, without_password

_OPEN_AND_START = """
import sys
from pathlib import Path
from voxray.mlflow_store import open_store
from voxray.mlflow_store.runs import RunHead, find_or_start
store = open_store(sys.argv[1], Path(sys.argv[2]))
run = find_or_start(store, "key", RunHead("shared", "run", 0, {}), None)
sys.stdout.write(run.experiment_id)
"""


def test_two_processes_may_open_a_new_store_at_once(tmp_path):
    uri = f"sqlite:///{tmp_path / 'tracking' / 'mlflow.db'}"
    command = [sys.executable, "-c", _OPEN_AND_START, uri, str(tmp_path / "artifacts")]
    pipe = subprocess.PIPE

    both = [
        subprocess.Popen(command, cwd=tmp_path, stdout=pipe, stderr=pipe, text=True)
        for _ in range(2)
    ]
    results = [process.communicate(timeout=120) for process in both]

    assert [process.returncode for process in both] == [0, 0], results
    assert results[0][0] == results[1][0]
    assert {p.name for p in tmp_path.iterdir()} <= {"tracking", "artifacts"}


def test_artifacts_of_an_experiment_lie_beside_the_database(store, run):
    with store.client() as client:
        location = client.get_experiment(run.experiment_id).artifact_location

    assert location.startswith(store.artifact_root.as_uri())


def test_a_relative_database_is_meant_from_the_current_folder(
    empty_database, tmp_path, monkeypatch
):
    shutil.copyfile(empty_database, tmp_path / "here.db")
    monkeypatch.chdir(tmp_path)

    opened = open_store("sqlite:///here.db", tmp_path / "artifacts")

    assert opened.uri == f"sqlite:///{tmp_path / 'here.db'}"
    assert sorted(p.name for p in tmp_path.iterdir()) == [".here.db.lock", "here.db"]


def test_an_existing_store_keeps_its_runs(store, run):
    again = open_store(store.uri, store.artifact_root)

    with again.client() as client:
        assert client.get_run(run.run_id).info.run_name == "all folds"


def test_a_server_that_is_away_is_a_machine_error_naming_it(tmp_path):
    with pytest.raises(MachineError, match=r"http://127\.0\.0\.1:9 does not answer"):
        open_store("http://127.0.0.1:9", tmp_path)


@pytest.mark.parametrize("uri", ["file:///mlruns", "./mlruns", "ftp://host/x"])
def test_a_uri_of_another_kind_is_refused(uri, tmp_path):
    with pytest.raises(ConfigError, match="is no MLflow store; use sqlite"):
        open_store(uri, tmp_path)


def test_a_missing_database_driver_is_named(tmp_path):
    with pytest.raises(ConfigError, match="needs the Python package 'asyncpg'"):
        open_store("postgresql+asyncpg://a:secret@127.0.0.1:9/x", tmp_path)


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "mlflow.db").write_bytes(b"not a database" * 100)

    with pytest.raises(ConfigError, match="is no MLflow database"):
        open_store(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path)


def test_a_database_of_another_mlflow_is_not_upgraded_silently(
    empty_database, tmp_path
):
    other = shutil.copyfile(empty_database, tmp_path / "mlflow.db")
    with contextlib.closing(sqlite3.connect(other)) as database:
        database.execute("UPDATE alembic_version SET version_num = 'older'")
        database.commit()

    with pytest.raises(ConfigError, match="run: mlflow db upgrade"):
        open_store(f"sqlite:///{other}", tmp_path)


def test_a_file_where_the_folder_must_be_is_said(tmp_path):
    (tmp_path / "tracking").write_text("a file")

    with pytest.raises(ConfigError, match=r"cannot make a store in .*tracking"):
        open_store(f"sqlite:///{tmp_path / 'tracking' / 'mlflow.db'}", tmp_path)


def test_a_password_is_never_shown():
    store = Store("postgresql://anna:secret@db/mlflow", None)

    assert store.label == "postgresql://anna:***@db/mlflow"
    assert without_password("sqlite:////a/b.db") == "sqlite:////a/b.db"


def test_the_ui_listens_on_this_machine_only(store):
    command = ui_command(store, port=5123)

    assert command[:4] == [sys.executable, "-m", "mlflow", "server"]
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert store.uri in command


def test_the_browser_opens_on_runs_and_not_on_genai():
    page = ui_address("http://127.0.0.1:5000", "3")

    assert page.endswith("/#/experiments/3/runs?workflowType=machine_learning")


def test_a_server_needs_no_ui_of_ours():
    with pytest.raises(ConfigError, match="open it in a browser"):
        ui_command(Store("http://127.0.0.1:9", None))


def test_a_server_keeps_runs_and_artifacts(server, tmp_path):
    opened = open_store(server, tmp_path / "unused")

    ids = a_run(opened, "remote", [a_metric()])

    with opened.client() as client:
        assert client.get_run(ids.run_id).data.metrics["auc"] == 0.9
    assert not (tmp_path / "unused").exists()


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://token@host/mlflow", "https://***@host/mlflow"),
        ("https://token:@host:5000", "https://***@host:5000"),
        ("postgresql://anna:p@ss@db/mlflow", "postgresql://anna:***@db/mlflow"),
        ("mysql://db/m?ssl=1&password=secret", "mysql://db/m?ssl=1&password=***"),
        ("no http://a:b@c/ for http://d:5000", "no http://***@c/ for http://d:5000"),
        ("postgresql://anna@db/mlflow", "postgresql://anna@db/mlflow"),
    ],
)
def test_no_secret_of_an_address_is_shown(uri, shown):
    assert without_password(uri) == shown
    assert without_password(shown) == shown
    assert holds_password(uri) is (uri != shown)


def test_a_variable_is_no_secret():
    assert not holds_password("postgresql://anna:${PASSWORD}@db/mlflow")


def test_postgresql_is_not_waited_for_without_end(tmp_path):
    plain, own = (
        sqlalchemy.make_url(
            Store(f"postgresql+psycopg://a:b@db/m{q}", tmp_path).address
        )
        for q in ("", "?connect_timeout=2")
    )

    assert plain.password == "b"
    assert plain.query["connect_timeout"] == "10"
    assert plain.query["options"] == "-c statement_timeout=60000"
    assert plain.query["keepalives_idle"] == "30"
    assert own.query["connect_timeout"] == "2"
    assert Store("sqlite:///x.db", tmp_path).address == "sqlite:///x.db"
