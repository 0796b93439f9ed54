"""A workspace with an empty MLflow store, for tests of registered models."""

from pathlib import Path

import pytest

from tests.stages.makers import a_session
from voxray.mlflow_store import Store, open_store
from voxray.stages.environment import artifact_root
from voxray.stages.run import Session

__all__ = ["empty_store", "said", "session", "store"]


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Making a store takes MLflow seconds; it is copied for each test."""
    root = tmp_path_factory.mktemp("store")
    open_store(f"sqlite:///{root / 'mlflow.db'}", root / "artifacts")
    return (root / "mlflow.db").read_bytes()


@pytest.fixture
def said() -> list[str]:
    """Lines that were shown."""
    return []


@pytest.fixture
def session(
    tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> Session:
    """In tmp_path/workspace."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return a_session(tmp_path, said)


@pytest.fixture
def store(session: Session, empty_store: bytes) -> Store:
    """The store of that workspace."""
    database = session.workspace / "tracking" / "mlflow.db"
    database.parent.mkdir(parents=True)
    database.write_bytes(empty_store)
    return open_store(f"sqlite:///{database}", artifact_root(session.workspace))
