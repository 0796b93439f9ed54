"""Labelled scans of another place, and a toy model that has never seen them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.makers import write_mask
from tests.unit.model.makers import write_model
from tests.unit.score.makers import SHAPE, write_scan
from tests.unit.stages.makers import KEY
from voxray.core.files import write_json
from voxray.core.ids import Pseudonymizer
from voxray.core.records import ScanRecord
from voxray.core.seen import SEEN_FILE, remember
from voxray.core.specs import TaskSpec, Truth
from voxray.stages.evaluate_elsewhere import EvaluateRequest, evaluate_command
from voxray.stages.run import Session
from voxray.stages.truth import labelled_scans

READABLE = Pseudonymizer(KEY, readable=True)
TASKS: dict[str, dict[str, Any]] = {
    "classify": {"classify": {"column": "state", "classes": {"healthy": 0, "ill": 1}}},
    "segment": {"segment": {"classes": {"lesion": {"value": 1}}}},
}
TASKS["both"] = TASKS["classify"] | TASKS["segment"]


def a_truth(task: str = "classify", **changes: Any) -> Truth:
    """Every file is a patient of its own."""
    plain: dict[str, Any] = {
        "task": TaskSpec.model_validate(TASKS[task]),
        "key": {"column": "scan"},
        "patient": "each_file",
        "evaluate": {"resamples": 200},
    }
    return Truth.model_validate(plain | changes)


def write_labelled(folder: Path, n_scans: int = 6, n_labels: int | None = None) -> None:
    """Scans c00, c01 … with masks; every second one of the table is ill."""
    lines = ["scan,state,sex"]
    for n in range(n_scans):
        write_scan(folder / "scans" / f"c{n:02}.nii.gz", n)
        write_mask(folder / "masks" / f"c{n:02}.nii.gz", SHAPE, np.eye(4))
        if n_labels is None or n < n_labels:
            lines.append(f"c{n:02},{n % 2},{'MF'[n // 2 % 2]}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")


def write_toy(
    folder: Path,
    task: str = "classify",
    seen: Sequence[ScanRecord] | None = (),
    **changes: Any,
) -> Path:
    """A model folder that has seen these scans, or does not say; returns it."""
    folder.mkdir(parents=True)
    if seen is not None:
        listed = remember(seen, READABLE, "salt")
        write_json(folder / SEEN_FILE, listed.model_dump(mode="json"))
    write_model(folder, task, **({"truth": a_truth(task)} | changes))
    return folder


def a_request(folder: Path, model: str = "", **said: Any) -> EvaluateRequest:
    """Labelled scans of this folder into out/, with readable ids."""
    labels, masks = said.pop("labels", "labels.csv"), said.pop("masks", None)
    given = labelled_scans(
        folder / "scans",
        folder / labels if labels else None,
        folder / masks if masks else None,
        said,
    )
    where = model or str(folder / "model")
    return EvaluateRequest(where, given, folder / "out", readable_ids=True)


def evaluated(
    request: EvaluateRequest, session: Session
) -> tuple[int, dict[str, Any], dict[str, Any]]:
    """Exit code, `evaluation.json`, and its metrics of all exams by name."""
    code = evaluate_command(request, session)
    found = json.loads((request.out / "evaluation.json").read_text())
    rows = {m["metric"]: m for m in found["metrics"] if m["subset"] == "all"}
    return code, found, rows
