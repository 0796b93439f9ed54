"""Cohorts on disk and `voxray` in a process of its own, for the training benchmarks."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from tests.makers import write_nifti

ROOT = Path(__file__).parents[2]
STRUCTURES = {"anterior": {"value": 1}, "posterior": {"value": 2}}
_EVERY_STEP = (
    "import sys, voxray.cli.progress as shown; shown.LINE_EVERY_S = 0.0; "
    "from voxray.cli.app import main; sys.exit(main())"
)


def environment(**more: str) -> dict[str, str]:
    """This environment, in which a child finds voxray and prints at once."""
    paths = [str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    path = os.pathsep.join(p for p in paths if p)
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", **more}


def command(*arguments: object, every_step: bool = False) -> list[str]:
    """A `voxray` command line; with a progress line per step instead of per 10 s."""
    start = ["-c", _EVERY_STEP] if every_step else ["-m", "voxray"]
    return [sys.executable, *start, *map(str, arguments)]


def voxray(*arguments: object, log: Path | None = None) -> None:
    """Run a `voxray` command to its end.

    Raises:
        CalledProcessError: If it ends with another exit code than 0.
    """
    if log is None:
        subprocess.run(command(*arguments), env=environment(), check=True)
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        run = command(*arguments)
        subprocess.run(run, env=environment(), stdout=out, stderr=out, check=True)


def settings(pairs: Sequence[str]) -> list[str]:
    """`--set` for each of "key.path=value"."""
    return [word for pair in pairs for word in ("--set", pair)]


def shared_data() -> Path | None:
    """Where the real data are, if they are there."""
    named = os.environ.get("VOXRAY_SHARED_DATA")
    return Path(named) if named and Path(named).is_dir() else None


def hippocampi(folder: Path, n_scans: int) -> Path:
    """Copy the first pairs of the real hippocampi and write an experiment on them."""
    shared = shared_data()
    if shared is None:
        sys.exit("set VOXRAY_SHARED_DATA to a folder with hippocampus/, or --data made")
    source = shared / "hippocampus"
    pairs = [p for p in _images(source) if (source / "labels" / p.name).is_file()]
    for image in pairs[:n_scans]:
        copy(image, folder / "scans")
        copy(source / "labels" / image.name, folder / "masks")
    return write_experiment(folder)


def blocks(
    folder: Path, n_scans: int, shape: tuple[int, int, int] = (32, 40, 32)
) -> Path:
    """Write generated scans of two structures, and an experiment on them."""
    for n in range(n_scans):
        rng = np.random.default_rng(n)
        image = rng.normal(100, 10, shape).astype(np.float32)
        mask = np.zeros(shape, np.uint8)
        i, j, k = (int(rng.integers(s // 8, s // 4 + 1)) for s in shape)
        length = [s // 3 for s in shape]
        mask[i : i + length[0], j : j + length[1], k : k + length[2]] = 1
        mask[
            i : i + length[0], j + length[1] : j + 3 * length[1] // 2, k : k + length[2]
        ] = 2
        image += 30 * mask
        name = f"scan{n:05d}.nii.gz"
        affine = np.diag([1.0, 1.0, 1.0, 1.0])
        write_nifti(folder / "scans" / name, image.astype(np.int16), affine)
        write_nifti(folder / "masks" / name, mask, affine)
    return write_experiment(folder)


def write_experiment(folder: Path, **changes: Any) -> Path:
    """Segment scans/ with masks/ of this folder; each file is a patient."""
    said: dict[str, Any] = {
        "name": "bench",
        "data": {
            "scans": str(folder / "scans"),
            "masks": str(folder / "masks"),
            "patient": "each_file",
            "ids": "path",
        },
        "task": {"segment": {"classes": STRUCTURES}},
        "folds": {"n": 2},
        "train": {"device": "cpu"},
    }
    path = folder / "experiment.yaml"
    path.write_text(yaml.safe_dump(said | changes), encoding="utf-8")
    return path


def copy(file: Path, folder: Path) -> None:
    """Copy a file into a folder that may not be there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, folder / file.name)


def metrics_of(experiment_folder: Path) -> list[dict[str, Any]]:
    """Rows of evaluation.json; none if it is not there."""
    path = experiment_folder / "evaluate" / "evaluation.json"
    if not path.is_file():
        return []
    found: list[dict[str, Any]] = json.loads(path.read_text())["metrics"]
    return found


def _images(source: Path) -> Iterator[Path]:
    yield from sorted((source / "images").glob("[!.]*.nii.gz"))


def started(arguments: Sequence[str]) -> subprocess.Popen[str]:
    """A program in a session of its own, whose lines can be read as they come."""
    return subprocess.Popen(
        arguments,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
