"""What several tests of stages stand on."""

import pytest

from voxray.mlflow_store import open_store


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """An empty store, made once: MLflow needs seconds for it."""
    root = tmp_path_factory.mktemp("empty")
    open_store(f"sqlite:///{root / 'mlflow.db'}", root / "artifacts")
    return root / "mlflow.db"
