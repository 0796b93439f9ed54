"""A tiny cohort of studies with two sequences, and an experiment of two channels."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.makers import Series, write_nifti, write_series
from tests.stages.cohort import CLASSIFY, SEGMENT
from voxray.core.specs import Experiment

SEQUENCES = ("t1", "flair")
_FIELD_MM = np.array([16, 20, 12])
_BLOCK_MM = ((4, 10), (6, 12), (4, 8))
_SPACING_MM = {"t1": 1, "flair": 2}
_GREY = {"t1": (300, 280), "flair": (200, 420)}
"""Of healthy tissue and of the lesion: hardly to be seen in T1, plain in FLAIR."""

_HEADER: dict[str, dict[str, Any]] = {
    "t1": {"SeriesDescription": "T1 mprage", "SeriesNumber": 2, "EchoTime": 3.0},
    "flair": {"SeriesDescription": "T2 FLAIR", "SeriesNumber": 3, "EchoTime": 95.0},
}


def a_two_sequence_cohort(
    folder: Path,
    n_patients: int = 8,
    *,
    lacking: Iterable[tuple[int, str]] = (),
    first: int = 0,
) -> None:
    """Write one study per patient, with a T1 and a FLAIR series; odd ones are ill.

    `scans/<patient>/<sequence>/` holds DICOM, `masks/<patient>/t1.nii.gz` the lesion
    (value 3) on the T1 grid, `labels.csv` a row per patient (person, lesion, site).
    Both series show one field of view in one frame of reference: T1 of 16 x 20 x 12
    voxels of 1 mm, FLAIR of 8 x 10 x 6 voxels of 2 mm.

    Args:
        folder: Where scans, masks and labels go.
        n_patients: Patients SECRET-P0, SECRET-P1, …
        lacking: (number of the patient, "t1" or "flair") of series to leave out.
        first: Number of the first patient, to write others into another folder.
    """
    left_out = set(lacking)
    rows = ["person,lesion,site"]
    for n in range(first, first + n_patients):
        ill = n % 2 == 1
        for name in SEQUENCES:
            if (n, name) not in left_out:
                write_series(folder / "scans" / f"P{n}" / name, _series(name, n, ill))
        mask = _block("t1", ill).astype(np.uint8) * 3
        write_nifti(folder / "masks" / f"P{n}" / "t1.nii.gz", mask, _t1_affine())
        rows.append(f"SECRET-P{n},{'yes' if ill else 'no'},{'AB'[n // 2 % 2]}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")


def a_two_channel_experiment(folder: Path, **changes: Any) -> Experiment:
    """Two folds of four steps on both sequences; `data` of the changes is merged."""
    data: dict[str, Any] = {
        "scans": folder / "scans",
        "masks": folder / "masks",
        "labels": {
            "table": folder / "labels.csv",
            "key": {"column": "person"},
            "by": "patient",
        },
        "channels": {
            "t1": {"description": "t1"},
            "flair": {"description": "flair"},
        },
    }
    plain: dict[str, Any] = {
        "name": "two-sequences",
        "data": data | changes.pop("data", {}),
        "task": {"classify": CLASSIFY | {"level": "patient"}, "segment": SEGMENT},
        "folds": {"n": 2},
        "train": {"steps": 4, "batch_size": 2, "device": "cpu"},
        "evaluate": {"resamples": 200},
    }
    return Experiment.model_validate(plain | changes)


def _series(name: str, n: int, ill: bool) -> Series:
    """One sequence of patient n. The voxel corners of both sequences coincide."""
    spacing = _SPACING_MM[name]
    tissue, lesion = _GREY[name]
    rng = np.random.default_rng([n, spacing])
    block = _block(name, ill)
    voxels = np.where(block, lesion, tissue) + rng.normal(0, 10, block.shape)
    corner = (spacing - 1) / 2
    return Series(
        name=name,
        patient=f"SECRET-P{n}",
        study=f"study{n}",
        spacing_mm=(spacing, spacing, spacing),
        origin_lps_mm=(corner, corner, corner),
        voxels=voxels.astype(np.int16).transpose(2, 1, 0),
        extra=_HEADER[name],
    )


def _block(name: str, ill: bool) -> NDArray[np.bool_]:
    """Where the lesion is, (i, j, k)."""
    spacing = _SPACING_MM[name]
    block = np.zeros(_FIELD_MM // spacing, bool)
    if ill:
        block[tuple(slice(a // spacing, b // spacing) for a, b in _BLOCK_MM)] = True
    return block


def _t1_affine() -> NDArray[np.float64]:
    return np.diag([-1.0, -1.0, 1.0, 1.0])
