"""The state of a fold in training: what a killed run continues from."""

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from voxray.core.files import atomic_path

STATE_FILE = "resume.ckpt"
_SHARE = 0.02  # of the wall time may go into checkpoints


@dataclass(frozen=True, slots=True, eq=False)
class TrainingState:
    """Everything that training changes.

    Attributes:
        epoch: Epochs finished.
        step: Steps finished.
        network: Weights.
        average: Averaged weights.
        optimizer: State of the optimiser.
        scaler: State of the loss scaling; empty without.
        history: One row per finished epoch.
        losses: What the loss guard remembers.
        spent_s: Wall time that went into the fold so far.
        seconds: The same by phase.
    """

    epoch: int
    step: int
    network: dict[str, torch.Tensor]
    average: dict[str, torch.Tensor]
    optimizer: dict[str, Any]
    scaler: dict[str, Any]
    history: list[dict[str, float]]
    losses: dict[str, list[float]]
    spent_s: float
    seconds: dict[str, float]


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
    same = values.pop("job_sha256", None) == job_sha256
    if not same or set(values) != set(TrainingState.__slots__):
        return None
    return TrainingState(**values)


def drop_state(folder: Path) -> None:
    """Remove the checkpoint of a finished fold."""
    (folder / STATE_FILE).unlink(missing_ok=True)


def drop_torn_files(folder: Path) -> None:
    """Remove what a kill left of a file that was being written."""
    for path in folder.glob(".????????-*"):
        path.unlink(missing_ok=True)


def is_worth_it(since_s: float, last_took_s: float) -> bool:
    """Whether to write a checkpoint now, so that all of them cost 2 % at most.

    Args:
        since_s: Time since the last one was written.
        last_took_s: Time that took.
    """
    return last_took_s <= _SHARE * since_s
