"""One CT of 512 x 512 x 400 among small ones: minutes and peak memory of each stage.

    pytest -m bench -s tests/benchmarks/test_large_ct.py

Generated scans: noise, a body and two structures. `VOXRAY_LARGE_SHAPE=512x512x400` is
the large one, `VOXRAY_LARGE_STEPS=20` the training steps of each of two folds, and
`VOXRAY_LARGE_SPACING=2,2,2` sets the spacing instead of the plan, which follows the
median scan: the small ones keep their resolution, and so does the large one, in some
7000 windows on a CPU. Memory is the largest resident set of each command, libraries
included.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

pytestmark = [pytest.mark.bench, pytest.mark.timeout(4 * 3600)]

N_SMALL = 7
SMALL = (120, 120, 80)
SPACING_MM = (0.7, 0.7, 1.0)
MOST_GB = 4.5
"""No stage may take more, whatever the spacing."""


def setting(name: str, default: str) -> str:
    return os.environ.get(f"VOXRAY_LARGE_{name}", default)


def write_ct(folder: Path, name: str, shape: tuple[int, ...], seed: int) -> None:
    """A body in air with a large and a small ball, slice by slice."""
    rng = np.random.default_rng(seed)
    voxels, mask = np.empty(shape, np.int16), np.zeros(shape, np.uint8)
    i, j = np.ogrid[: shape[0], : shape[1]]
    middle = [n / 2 for n in shape]
    body = ((i - middle[0]) / shape[0]) ** 2 + ((j - middle[1]) / shape[1]) ** 2 < 0.16
    for k in range(shape[2]):
        plane = np.where(body, 40, -1000)
        for value, radius, shift in ((1, min(shape) / 5, 0), (2, min(shape) / 15, 0.2)):
            far = (i - middle[0] - shift * shape[0]) ** 2 + (j - middle[1]) ** 2
            inside = far + (k - middle[2]) ** 2 < radius**2
            mask[:, :, k][inside] = value
            plane[inside] += 60 * value
        voxels[:, :, k] = plane + rng.integers(-20, 20, shape[:2])
    affine = np.diag([-SPACING_MM[0], -SPACING_MM[1], SPACING_MM[2], 1.0])
    for kind, array in (("scans", voxels), ("masks", mask)):
        (folder / kind).mkdir(exist_ok=True)
        nib.save(nib.Nifti1Image(array, affine), folder / kind / f"{name}.nii.gz")


def write_experiment(folder: Path) -> Path:
    train: dict[str, object] = {"steps": int(setting("STEPS", "20")), "device": "cpu"}
    if spacing := setting("SPACING", ""):
        train["spacing_mm"] = [float(mm) for mm in spacing.split(",")]
    said = {
        "name": "large",
        "data": {"scans": "scans", "masks": "masks", "patient": "each_file"},
        "task": {"segment": {"classes": {"organ": {"value": 1}, "cyst": {"value": 2}}}},
        "folds": {"n": 2},
        "train": train,
    }
    path = folder / "large.yaml"
    path.write_text(json.dumps(said))
    return path


def measured(folder: Path, *words: str) -> tuple[float, float]:
    """Minutes and peak memory (GB) of a command."""
    command = [sys.executable, "-m", "voxray", *words]
    environment = {**os.environ, "VOXRAY_KEY_FILE": str(folder / "key")}
    began = time.monotonic()
    with (folder / "log.txt").open("a") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=log
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, (folder / "log.txt").read_text()
    return (time.monotonic() - began) / 60, usage.ru_maxrss * 1024 / 1e9


def test_minutes_and_peak_memory_with_one_large_ct(tmp_path):
    i, j, k = map(int, setting("SHAPE", "512x512x400").split("x"))
    write_ct(tmp_path, "large", (i, j, k), 0)
    for n in range(N_SMALL):
        write_ct(tmp_path, f"small{n}", SMALL, n + 1)
    experiment = str(write_experiment(tmp_path))
    rows = {}
    for stage in ("ingest", "preprocess", "split_folds", "train", "evaluate"):
        rows[stage] = measured(tmp_path, "run", experiment, "--until", stage)
    rows["register"] = measured(
        tmp_path, "run", experiment, "--until", "register_model"
    )
    (tmp_path / "inbox").mkdir()
    (tmp_path / "scans" / "large.nii.gz").rename(tmp_path / "inbox" / "large.nii.gz")
    rows["score"] = measured(
        tmp_path,
        *("score", "inbox", "--model", "workspace/large/model", "--out", "scored"),
    )
    plan = json.loads((tmp_path / "workspace/large/preprocess/plan.json").read_text())
    print(f"\ninput {plan['input_shape']}, spacing {plan['spacing_mm']} mm")
    for stage, (minutes, gb) in rows.items():
        print(f"{stage:12} {minutes:6.1f} min {gb:6.2f} GB")
    assert max(gb for _, gb in rows.values()) < MOST_GB
