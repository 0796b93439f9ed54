"""An evaluation on labelled scans as an MLflow run of the model version."""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from voxray import mlflow_store
from voxray.core.errors import ManifestError, VoxrayError
from voxray.core.files import read_json, write_json
from voxray.core.ids import Pseudonymizer
from voxray.evaluate import metrics_to_json
from voxray.mlflow_store import (
    ModelVersionRef,
    NewRun,
    TrackedRun,
    Tracker,
    parent_page,
)
from voxray.stages.elsewhere import Evaluated, headline, local_sentences
from voxray.stages.evidence_files import (
    EVALUATION_FILE,
    JUDGED_FILE,
    LESIONS_FILE,
    TABLES,
)
from voxray.stages.run import Session
from voxray.stages.track import tracking_place
from voxray.stages.tracking import RUN_FILE, settled, with_keyed_ids


def record_evaluation(
    found: Evaluated,
    figures: Mapping[str, bytes],
    version: ModelVersionRef,
    written: tuple[Path, Pseudonymizer],
    session: Session,
) -> None:
    """Log figures, pictures and predictions; no readable id, no name of a file.

    The same command again continues the run it had.

    Args:
        found: The evaluation.
        figures: PNG by file name.
        version: What was evaluated.
        written: Folder of the evaluation, and what made its ids.
        session: Whose workspace.
    """
    tracker = mlflow_store.open_tracker(
        tracking_place(session.workspace, None), session.say
    )
    about = {
        "voxray.evaluated_model": str(version),
        "voxray.evaluated_sha256": _sha256(found),
    }
    new = NewRun(
        version.name, f"{version.name} {version.version} elsewhere", tags=about
    )
    folder, ids = written
    with settled(tracker):
        run = _known(tracker, folder, about) or tracker.start(new)
        write_json(folder / RUN_FILE, {**about, "run": run.key})
        with run.under_way():
            run.log_metrics(found.metrics)
            run.log_values({f"n/{k}": n for k, n in found.account.counts.items()})
            run.log_figures(figures)
            for name in (JUDGED_FILE, LESIONS_FILE):
                table = with_keyed_ids(ids, pd.read_parquet(folder / name))
                run.log_table(Path(name).stem, table)
            said = {"metrics": metrics_to_json(found.metrics)}
            run.log_files({EVALUATION_FILE: json.dumps(said, indent=2)}, TABLES)
            run.describe(_page(found, figures, version))
    try:
        mlflow_store.note_evaluation(
            tracker.reach(), version, tracker.run_id(run.key), headline(found.metrics)
        )
    except VoxrayError as error:
        session.say(f"{version} has no note of this evaluation yet: {error}")


def _known(
    tracker: Tracker, folder: Path, about: Mapping[str, str]
) -> TrackedRun | None:
    """The run of an earlier evaluation of the same model in the same folder."""
    with contextlib.suppress(ManifestError):
        said = read_json(folder / RUN_FILE)
        if all(said.get(name) == value for name, value in about.items()):
            return tracker.resume(said["run"])
    return None


def _page(
    found: Evaluated, figures: Mapping[str, bytes], version: ModelVersionRef
) -> str:
    facts = [f"{version} as it is registered, on labelled scans of another set."]
    facts += [f"- {line}" for line in found.account.sentences]
    facts += [f"- {line}" for line in local_sentences(found.metrics)]
    text = "\n".join([facts[0], "", *facts[1:], ""])
    return parent_page(
        headline(found.metrics), text, found.metrics, tuple(figures), found.note
    )


def _sha256(found: Evaluated) -> str:
    rows = found.scored.summary.rows
    return rows[0].model_sha256 if rows else ""
