"""Open the store that runs and models are recorded in, and talk to it safely."""

import contextlib
import fcntl
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests
import sqlalchemy
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from voxray.core.errors import ConfigError, MachineError
from voxray.core.files import machine_errors
from voxray.mlflow_store.relocation import relocate

_SQLITE = "sqlite:///"
_SERVERS = ("http", "https")
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_HIDDEN = (
    (re.compile(r"(https?://)[^/@\s]*@"), r"\1***@"),
    (re.compile(r"//([^:/@\s]*):[^/\s]*@"), r"//\1:***@"),
    (
        re.compile(
            r"(?i)([?&][^=&\s]*(?:pass|pwd|token|secret|key)[^=&\s]*=)[^&\s'\"]*"
        ),
        r"\1***",
    ),
)
_PATIENCE = {  # of PostgreSQL's own client: without these a dead network is waited for
    "connect_timeout": "10",
    "options": "-c statement_timeout=60000",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
_LIBPQ = {"postgresql", "postgresql+psycopg", "postgresql+psycopg2"}
_REFUSALS = {
    "TEMPORARILY_UNAVAILABLE",
    "REQUEST_LIMIT_EXCEEDED",
    "PERMISSION_DENIED",
    "UNAUTHENTICATED",
    "CUSTOMER_UNAUTHORIZED",
    "INTERNAL_ERROR",
    "ENDPOINT_NOT_FOUND",  # of a proxy whose server is gone
}
_UNHEARD = (  # an answer that is cut short is none
    requests.RequestException,
    sqlalchemy.exc.OperationalError,
    json.JSONDecodeError,
)


@dataclass(frozen=True, slots=True)
class Store:
    """An MLflow store that was reached once. Made by `open_store`.

    Attributes:
        uri: Tracking and registry URI. May hold a password: show `label` instead.
        artifact_root: Where new experiments put their artifacts, beside the database;
            None where a server decides.
    """

    uri: str
    artifact_root: Path | None

    @property
    def label(self) -> str:
        """The URI without a password, for messages; see `without_password`."""
        return without_password(self.uri)

    @property
    def address(self) -> str:
        """The URI for MLflow: one of PostgreSQL with bounds on waiting.

        What the URI says itself about them stays.
        """
        if urlsplit(self.uri).scheme not in _LIBPQ:
            return self.uri
        uri = sqlalchemy.make_url(self.uri)
        bounds = {n: v for n, v in _PATIENCE.items() if n not in uri.query}
        return uri.update_query_dict(bounds).render_as_string(hide_password=False)

    @contextlib.contextmanager
    def client(self) -> Iterator[MlflowClient]:
        """Talk to the store; what it cannot do now becomes a `MachineError`.

        Raises:
            MachineError: If the server or database does not answer or refuses, or the
                disk is full.
        """
        with store_errors(self.label):
            yield MlflowClient(tracking_uri=self.address, registry_uri=self.address)


def open_store(uri: str, artifacts: Path) -> Store:
    """Reach a store; make it when it is a database that is not there yet.

    Processes that do so at the same time wait for each other.

    Args:
        uri: `sqlite:///FILE`, `postgresql://…`, or the address of an MLflow server.
        artifacts: Folder for the artifacts of a database store. A server has its own.

    Raises:
        ConfigError: If the URI is of no kind MLflow can use.
        MachineError: If the server or database does not answer.
    """
    scheme = urlsplit(uri).scheme.split("+")[0]
    if scheme in _SERVERS:
        return reached(Store(uri.rstrip("/"), artifact_root=None))
    if scheme not in _DATABASES:
        msg = (
            f"the tracking URI {without_password(uri)!r} is no MLflow store; use "
            "sqlite:///FILE, postgresql://USER@HOST/NAME or http://HOST:PORT"
        )
        raise ConfigError(msg)
    store = Store(absolute_uri(uri), artifacts.resolve())
    _make_database(store)
    return reached(store)


def ui_command(store: Store, port: int = 5000) -> list[str]:
    """Command line of a web server for a database store, for this machine only.

    Raises:
        ConfigError: If the store is a server already.
    """
    if store.artifact_root is None:
        msg = f"{store.label} is an MLflow server already: open it in a browser"
        raise ConfigError(msg)
    command = [sys.executable, "-m", "mlflow", "server", "--no-serve-artifacts"]
    command += ["--backend-store-uri", store.uri]
    command += ["--default-artifact-root", store.artifact_root.as_uri()]
    return [*command, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]


def ui_address(server: str, experiment_id: str | None = None) -> str:
    """Page of the experiments, or of one experiment's runs, for a browser.

    The query is needed: MLflow's pages open on GenAI, where runs are hidden.

    Args:
        server: `http://127.0.0.1:PORT`, or the URI of a server store.
        experiment_id: None for the list of all experiments.
    """
    page = f"experiments/{experiment_id}/runs" if experiment_id else "experiments"
    return f"{server}/#/{page}?workflowType=machine_learning"


def without_password(uri: str) -> str:
    """The same URI, or a text with URIs, with `***` for passwords.

    So in a query too. Who asks a web server is hidden whole: it may be a token.

    Example:
        >>> without_password("postgresql://anna:secret@db/mlflow?sslpassword=secret")
        'postgresql://anna:***@db/mlflow?sslpassword=***'
        >>> without_password("https://token@host/mlflow")
        'https://***@host/mlflow'
    """
    for pattern, shown in _HIDDEN:
        uri = pattern.sub(shown, uri)
    return uri


def holds_password(uri: str) -> bool:
    """Whether a URI as a person wrote it holds one, and not a `${VARIABLE}` for it."""
    plain = re.sub(r"\$\{[^}]*\}", "***", uri)
    return without_password(plain) != plain


def absolute_uri(uri: str) -> str:
    """An SQLite file is meant relative to the current folder of this moment."""
    if not uri.startswith(_SQLITE):
        return uri.rstrip("/")
    return _SQLITE + str(Path(uri.removeprefix(_SQLITE)).expanduser().resolve())


def store_name(uri: str, spool: Path) -> str:
    """What a store is called in outboxes; short for one beside the spool.

    A workspace that was moved with its store still names the same one.
    """
    beside = f"{_SQLITE}{spool.resolve().parent}/"
    label = without_password(absolute_uri(uri))
    return _SQLITE + label.removeprefix(beside) if beside in label else label


@contextlib.contextmanager
def store_errors(label: str) -> Iterator[None]:
    """Turn a store that is away, locked, full or forbidden into a `MachineError`.

    Other MLflow errors pass: they say something about the request.
    """
    try:
        with machine_errors(Path(label)):
            yield
    except MlflowException as error:
        if error.error_code not in _REFUSALS:
            raise
        raise _away(label, error) from error
    except _UNHEARD as error:
        raise _away(label, error) from error


def _away(label: str, error: Exception) -> MachineError:
    reason = without_password(str(error).splitlines()[0][:300])
    msg = (
        f"the MLflow store {label} does not answer or refuses; nothing is lost, start "
        f"it and run again ({reason})"
    )
    return MachineError(msg)


def _make_database(store: Store) -> None:
    """Create the tables once; the lock is per database file or artifact folder."""
    root = store.artifact_root or Path()
    lock = root / ".store.lock"
    if store.uri.startswith(_SQLITE):
        database = Path(store.uri.removeprefix(_SQLITE))
        lock = database.with_name(f".{database.name}.lock")
    with _locked(lock), store_errors(store.label), _explained(store):
        if not store.uri.startswith(_SQLITE):
            _connect_once(store.address)
        SqlAlchemyStore(store.address, root.as_uri())  # type: ignore[no-untyped-call]
        if lock.parent == root.parent:  # beside its files: both move together
            relocate(store.uri, root)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Wait for the lock; the system frees it when the process ends in any way."""
    try:
        with machine_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            stream = path.open("a", encoding="utf-8")
    except OSError as error:
        msg = f"cannot make a store in {str(path.parent)!r}: {error.strerror}"
        raise ConfigError(msg) from error
    with stream, machine_errors(path):
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _connect_once(uri: str) -> None:
    """Fail at once where MLflow would try again for two minutes."""
    engine = sqlalchemy.create_engine(uri)
    try:
        engine.connect().close()
    finally:
        engine.dispose()


@contextlib.contextmanager
def _explained(store: Store) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        msg = (
            f"{store.label} needs the Python package {error.name!r}; install it, or "
            "voxray[postgres] for PostgreSQL"
        )
        raise ConfigError(msg) from error
    except sqlalchemy.exc.DatabaseError as error:
        if isinstance(error, sqlalchemy.exc.OperationalError):
            raise
        msg = f"{store.label} is no MLflow database: {error.orig}"
        raise ConfigError(msg) from error
    except MlflowException as error:
        if "out-of-date database schema" not in str(error):
            raise
        msg = (
            f"{store.label} was made by another MLflow; copy it for safety, then run: "
            f"mlflow db upgrade {store.label}"
        )
        raise ConfigError(msg) from error


def reached(store: Store) -> Store:
    """The same store, if it answers now.

    Raises:
        MachineError: If it does not.
    """
    try:
        with store.client() as client:
            client.search_experiments(max_results=1)
    except MlflowException as error:
        raise _away(store.label, error) from error
    return store
