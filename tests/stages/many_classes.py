"""Tiny cohorts whose several labels, grades or kinds are seen in the image."""

from pathlib import Path
from typing import Any

import numpy as np

from tests.makers import write_nifti
from voxray.core.specs import Experiment

SHAPE = (16, 20, 4)
LEFT, RIGHT = (slice(2, 6), slice(7, 13)), (slice(10, 14), slice(7, 13))
TASKS: dict[str, dict[str, Any]] = {
    "labels": {"columns": ["left_block", "right_block"]},
    "ordinal": {
        "column": "grade",
        "classes": {"low": 1, "mid": 2, "high": 3},
        "ordinal": True,
    },
    "kinds": {"column": "grade", "classes": {"none": 1, "one": 2, "two": 3}},
}


def write_blocks(path: Path, seed: int, left: float, right: float) -> None:
    """A scan with a block of this brightness on either side; 0 is none."""
    image = np.random.default_rng(seed).normal(100, 10, SHAPE).astype(np.float32)
    image[LEFT] += left
    image[RIGHT] += right
    write_nifti(path, image, np.eye(4))


def write_sides(folder: Path, n_patients: int = 24) -> None:
    """Either block, both or none; the last patient's right label is not stated.

    `new/` has a scan with both and one with none.
    """
    lines = ["scan,left_block,right_block"]
    for n in range(n_patients):
        left, right = n % 2, n // 2 % 2
        write_blocks(folder / "scans" / f"c{n}.nii.gz", n, 90 * left, 90 * right)
        stated = "NA" if n == n_patients - 1 else str(right)
        lines.append(f"c{n},{left},{stated}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    write_blocks(folder / "new" / "both.nii.gz", 101, 90, 90)
    write_blocks(folder / "new" / "neither.nii.gz", 102, 0, 0)


def write_grades(folder: Path, n_patients: int = 24) -> None:
    """Grades 1, 2, 3: no block, one, two. `new/` has one scan of 3 and one of 1."""
    lines = ["scan,grade"]
    for n in range(n_patients):
        n_blocks = n % 3
        blocks = 90 * (n_blocks > 0), 90 * (n_blocks > 1)
        write_blocks(folder / "scans" / f"c{n}.nii.gz", n, *blocks)
        lines.append(f"c{n},{n_blocks + 1}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    write_blocks(folder / "new" / "both.nii.gz", 101, 90, 90)
    write_blocks(folder / "new" / "neither.nii.gz", 102, 0, 0)


def an_experiment(folder: Path, kind: str, **changes: Any) -> Experiment:
    """Two folds of 60 steps on the processor; ids are file names."""
    plain: dict[str, Any] = {
        "name": f"tiny-{kind}",
        "data": {
            "scans": folder / "scans",
            "labels": {"table": folder / "labels.csv"},
            "patient": "each_file",
            "ids": "path",
        },
        "task": {"classify": TASKS[kind]},
        "folds": {"n": 2},
        "train": {"steps": 60, "batch_size": 6, "device": "cpu", "learning_rate": 1e-2},
        "evaluate": {"resamples": 200},
        "score": {"scans": folder / "new"},
    }
    return Experiment.model_validate(plain | changes)
