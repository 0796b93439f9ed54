"""Let a database find its files after its folder was moved or copied.

MLflow keeps absolute addresses. In a copied workspace they name the files of the
original, which a copy must not touch; in a moved one they name nothing.
"""

from pathlib import Path
from typing import Any

import sqlalchemy
from mlflow.store.model_registry.dbmodels.models import SqlModelVersion
from mlflow.store.tracking.dbmodels.models import (
    SqlExperiment,
    SqlLoggedModel,
    SqlRun,
)

_FIRST = "0"  # MLflow makes this experiment, below the folder the database began with
_ADDRESSES: tuple[Any, ...] = (  # columns: MLflow does not say so to a type checker
    SqlExperiment.artifact_location,
    SqlRun.artifact_uri,
    SqlModelVersion.source,
    SqlModelVersion.storage_location,
    SqlLoggedModel.artifact_location,
)


def relocate(uri: str, root: Path) -> bool:
    """Address files below `root` that were below the folder the database began with.

    Addresses elsewhere, such as of experiments a person put on another disk, stay.

    Args:
        uri: Of an SQLite database whose files lie beside it.
        root: Where they lie now.

    Returns:
        Whether they had lain elsewhere.
    """
    engine = sqlalchemy.create_engine(uri)
    try:
        with engine.begin() as connection:
            before = _root(connection)
            now = f"{root.as_uri()}/"
            if before is None or before == now:
                return False
            for column in _ADDRESSES:
                _move(connection, column, before, now)
            return True
    finally:
        engine.dispose()


def _root(connection: sqlalchemy.Connection) -> str | None:
    location: Any = SqlExperiment.artifact_location
    is_first: Any = SqlExperiment.experiment_id == int(_FIRST)
    found = connection.scalar(sqlalchemy.select(location).where(is_first))
    if found is None or not found.endswith(f"/{_FIRST}"):
        return None
    return str(found).removesuffix(_FIRST)


def _move(
    connection: sqlalchemy.Connection,
    column: Any,  # noqa: ANN401 - as above
    before: str,
    now: str,
) -> None:
    rest = sqlalchemy.func.substr(column, len(before) + 1)
    moved = sqlalchemy.update(column.class_).values({column: now + rest})
    connection.execute(moved.where(column.startswith(before, autoescape=True)))
