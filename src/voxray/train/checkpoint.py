"""The state of a fold in training: what a killed run continues from."""

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from voxray.core.files import atomic_path

STATE_FILE = "resume.ckpt"


@dataclass(frozen=True, slots=True, eq=False)
class TrainingState:
    """Everything that training changes.

    Attributes:
        epoch: Epochs finished.
        step: Steps finished.
        network: Weights.
        average: Averaged weights.
        optimizer: State of the optimiser.
        history: One row per finished epoch.
    """

    epoch: int
    step: int
    network: dict[str, torch.Tensor]
    average: dict[str, torch.Tensor]
    optimizer: dict[str, Any]
    history: list[dict[str, float]]


def save_state(folder: Path, state: TrainingState, job_sha256: str) -> None:
    """Replace the checkpoint, whole or not at all."""
    values = {name: getattr(state, name) for name in TrainingState.__slots__}
    with atomic_path(folder / STATE_FILE) as temporary:
        torch.save({**values, "job_sha256": job_sha256}, temporary)


def load_state(folder: Path, job_sha256: str) -> TrainingState | None:
    """Read the checkpoint of the same job; None without one, or of another job.

    Only tensors and plain values are read: no code runs.
    """
    path = folder / STATE_FILE
    if not path.is_file():
        return None
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError):
        return None
    if values.pop("job_sha256", None) != job_sha256:
        return None
    return TrainingState(**values)


def drop_state(folder: Path) -> None:
    """Remove the checkpoint of a finished fold."""
    (folder / STATE_FILE).unlink(missing_ok=True)
