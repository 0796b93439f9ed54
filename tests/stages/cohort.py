"""A tiny cohort that a network can learn, and experiments on it."""

from pathlib import Path
from typing import Any

import numpy as np

from tests.makers import write_nifti
from voxray.core.specs import Experiment

SHAPE = (16, 20, 12)
CLASSES = {"healthy": "no", "ill": "yes"}
CLASSIFY = {"column": "lesion", "classes": CLASSES, "positive": "ill"}
SEGMENT = {"classes": {"lesion": {"value": 3}}}
TASKS: dict[str, dict[str, Any]] = {
    "classify": {"classify": CLASSIFY},
    "segment": {"segment": SEGMENT},
    "both": {"classify": CLASSIFY, "segment": SEGMENT},
}


def write_exam(
    folder: Path, name: str, seed: int, *, ill: bool, spacing: float = 1.0
) -> None:
    """A scan with a bright block when ill, and its mask."""
    rng = np.random.default_rng(seed)
    image = rng.normal(100, 10, SHAPE).astype(np.float32)
    mask = np.zeros(SHAPE, np.uint8)
    if ill:
        mask[4:10, 6:12, 4:8] = 3
        image[mask == 3] += 80
    affine = np.diag([spacing, spacing, spacing, 1.0])
    write_nifti(folder / "scans" / f"{name}.nii.gz", image, affine)
    write_nifti(folder / "masks" / f"{name}.nii.gz", mask, affine)


def write_cohort(folder: Path, n_patients: int = 8) -> None:
    """Patients SECRET0, SECRET1, … (odd ones ill); an inbox of two and a large one.

    The last two patients come from site B.
    """
    rows = ["scan,person,lesion,site"]
    for n in range(n_patients):
        write_exam(folder, f"SECRET{n}", n, ill=n % 2 == 1)
        site = "B" if n >= n_patients - 2 else "A"
        rows.append(f"SECRET{n},SECRET-P{n},{'yes' if n % 2 else 'no'},{site}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    for n in range(2):
        write_exam(folder / "new", f"SECRETNEW{n}", 50 + n, ill=n == 1)
    big = np.random.default_rng(9).normal(size=(60, 60, 60)).astype(np.float32)
    write_nifti(folder / "new" / "scans" / "SECRETBIG.nii.gz", big, np.eye(4))


def an_experiment(folder: Path, task: str = "both", **changes: Any) -> Experiment:
    """Two folds of four steps on the processor."""
    data: dict[str, Any] = {
        "scans": folder / "scans",
        "masks": folder / "masks" if task != "classify" else None,
        "labels": {"table": folder / "labels.csv", "key": {"column": "scan"}},
        "patient": {"column": "person"},
    }
    plain: dict[str, Any] = {
        "name": f"tiny-{task}",
        "note": "A test.",
        "data": data | changes.pop("data", {}),
        "task": TASKS[task],
        "folds": {"n": 2},
        "train": {"steps": 4, "batch_size": 2, "device": "cpu"},
        "evaluate": {
            "resamples": 200,
            "lesions": () if task == "classify" else ("lesion",),
        },
        "score": {"scans": folder / "new" / "scans"},
    }
    return Experiment.model_validate(plain | changes)
