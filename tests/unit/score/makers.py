"""A folder of new scans, a model for them, and the one call."""

from pathlib import Path
from typing import Any

import numpy as np

from tests.makers import write_nifti
from tests.unit.model.makers import PLAIN_CPU, write_model
from voxray.core.ids import Pseudonymizer
from voxray.score import ScoreRequest, ScoreSummary, score_folder

SHAPE = (16, 20, 12)
IDS = Pseudonymizer(b"k" * 32, readable=True)


def write_scan(path, seed=0, shape=SHAPE, spacing=1.0):
    """A scan like those of the toy model, of 1 mm voxels."""
    voxels = np.random.default_rng(seed).integers(0, 900, shape, np.int16)
    return write_nifti(path, voxels, np.diag([spacing, spacing, spacing, 1.0]))


def a_request(
    folder: Path, n_scans: int = 3, task: str = "both", **changes: Any
) -> ScoreRequest:
    """Scans c0, c1, … in scans/ and a model in model/, made when absent."""
    for n in range(n_scans):
        if not (folder / "scans" / f"c{n}.nii.gz").exists():
            write_scan(folder / "scans" / f"c{n}.nii.gz", n)
    if not (folder / "model").exists():
        write_model(folder / "model", task)
    plain: dict[str, Any] = {
        "scans": folder / "scans",
        "model": folder / "model",
        "out": folder / "out",
    }
    return ScoreRequest(**(plain | changes))


def scored(request: ScoreRequest, **options: Any) -> ScoreSummary:
    """Score on one thread of the processor, in full precision."""
    return score_folder(request, IDS, compute=PLAIN_CPU, **options)
