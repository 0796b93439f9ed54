"""Cohorts that are wrong in one way, and what a run says about them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.makers import write_nifti
from tests.stages.cohort import SHAPE, an_experiment
from tests.unit.stages.makers import KEY
from voxray.core.errors import VoxrayError
from voxray.core.files import read_json
from voxray.stages.run import Session, Span, run_experiment

Image = NDArray[np.float32]
Mask = NDArray[np.uint8]
Shape = tuple[int, int, int]
TRAIN: dict[str, Any] = {"steps": 4, "batch_size": 2, "device": "cpu"}


@dataclass(frozen=True)
class Cohort:
    """Eight scans c0, c1, … of a patient each; the odd ones are ill. Change one thing.

    Attributes:
        n: Scans.
        shape: Of scan n.
        ill: Whether scan n shows a bright block, has a mask and the label "yes".
        change: Edits the image and the mask of scan n, in place.
    """

    n: int = 8
    shape: Callable[[int], Shape] = lambda _n: SHAPE
    ill: Callable[[int], bool] = lambda n: n % 2 == 1
    change: Callable[[int, Image, Mask], None] = lambda _n, _image, _mask: None

    def write(self, folder: Path) -> None:
        """Write scans/, masks/ (lesion: 3) and labels.csv."""
        rows = ["scan,person,lesion"]
        for n in range(self.n):
            self._write_exam(folder, n)
            rows.append(f"c{n},p{n},{'yes' if self.ill(n) else 'no'}")
        (folder / "labels.csv").write_text("\n".join(rows) + "\n")

    def _write_exam(self, folder: Path, n: int) -> None:
        shape = self.shape(n)
        image = np.random.default_rng(n).normal(100, 10, shape).astype(np.float32)
        mask = np.zeros(shape, np.uint8)
        if self.ill(n):
            block = tuple(slice(s // 4, max(s // 4 + 1, s // 2)) for s in shape)
            mask[block], image[block] = 3, image[block] + 80
        self.change(n, image, mask)
        write_nifti(folder / "scans" / f"c{n}.nii.gz", image, np.eye(4))
        write_nifti(folder / "masks" / f"c{n}.nii.gz", mask, np.eye(4))


@dataclass(frozen=True)
class Ending:
    """How a run ended.

    Attributes:
        code: Exit code; 0 also when it went through.
        error: What the error said.
        said: Lines of the run.
        folder: Of the experiment.
    """

    code: int
    error: str
    said: tuple[str, ...]
    folder: Path

    @property
    def steps(self) -> list[int]:
        """Of each fold that was trained."""
        files = sorted(self.folder.glob("train/fold_*/schedule.json"))
        return [int(read_json(file)["steps"]) for file in files]

    @property
    def quarantined(self) -> str:
        """The table of what was not used."""
        return (self.folder / "ingest" / "quarantine.csv").read_text()


def run(root: Path, cohort: Cohort, task: str = "both", **changes: Any) -> Ending:
    """Write the cohort beside others of this root and run all stages to evaluation.

    Only errors of voxray are an ending; anything else is a bug and is raised.
    """
    number = len([*root.glob("cohort*")])
    folder = root / f"cohort{number}"
    said: list[str] = []
    cohort.write(folder)
    plain = {"name": f"awkward{number}", "train": TRAIN, "score": {}}
    experiment = an_experiment(folder, task, **(plain | changes))
    session = Session(root / "workspace", KEY, say=said.append)
    place = session.workspace / experiment.name
    try:
        code = run_experiment(experiment, session, Span(last="evaluate"))
    except VoxrayError as error:
        return Ending(error.exit_code, str(error), tuple(said), place)
    return Ending(code, "", tuple(said), place)
