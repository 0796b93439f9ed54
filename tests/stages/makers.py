"""A folder of tiny scans with masks, and an experiment on it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.makers import write_mask, write_nifti
from tests.unit.stages.makers import KEY, a_context, an_experiment
from voxray.stages.frame import StageContext
from voxray.stages.run import Session

__all__ = ["a_session", "a_study", "an_experiment", "write_scans"]


def write_scans(folder: Path, n_scans: int = 6) -> None:
    """NIfTI scans c0, c1, … in scans/, each with a mask in masks/."""
    for n in range(n_scans):
        write_nifti(folder / "scans" / f"c{n}.nii.gz", seed=n)
        write_mask(folder / "masks" / f"c{n}.nii.gz")


def a_study(folder: Path, said: list[str], **sections: Any) -> StageContext:
    """A context on six scans; what is said is collected."""
    write_scans(folder)
    return replace(a_context(folder, **sections), say=said.append)


def a_session(folder: Path, said: list[str], **changes: Any) -> Session:
    """A session in folder/workspace; what is said is collected."""
    plain: dict[str, Any] = {
        "workspace": folder / "workspace",
        "key": KEY,
        "say": said.append,
    }
    return Session(**(plain | changes))
