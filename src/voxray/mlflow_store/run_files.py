"""Files of a run: figures, tables, anything a person opens from its page."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from voxray.mlflow_store.store import Store

_PREVIEW_ROWS = 2000


def log_files(
    store: Store,
    run_id: str,
    files: Mapping[str, bytes | str | Path],
    folder: str = "",
) -> None:
    """Put files on a run's page; a file of the same name is replaced.

    Args:
        store: Where.
        run_id: Which run.
        files: Content, or a file to copy, per name; a name may hold folders.
        folder: Artifact folder they go into.

    Raises:
        FileNotFoundError: If a file to copy is not there.
        MachineError: If the store is away or the disk is full.
    """
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        for name, content in files.items():
            _write(root / name, content)
        with store.client() as client:
            client.log_artifacts(run_id, temporary, folder or None)


def log_figures(store: Store, run_id: str, figures: Mapping[str, bytes]) -> None:
    """Put pictures (PNG bytes per file name) into the folder `figures`."""
    log_files(store, run_id, figures, "figures")


def log_table(store: Store, run_id: str, table: Path, folder: str = "tables") -> None:
    """Put a Parquet table on a run's page, and its first rows as CSV.

    The UI shows CSV but not Parquet, so the first 2000 rows stand beside it.

    Raises:
        FileNotFoundError: If the table is not there.
        MachineError: If the store is away or the disk is full.
    """
    preview = pd.read_parquet(table).head(_PREVIEW_ROWS).to_csv(index=False)
    log_files(store, run_id, {table.name: table, f"{table.stem}.csv": preview}, folder)


def _write(target: Path, content: bytes | str | Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, Path):
        target.write_bytes(content.read_bytes())
    elif isinstance(content, str):
        target.write_text(content, encoding="utf-8", newline="\n")
    else:
        target.write_bytes(content)
