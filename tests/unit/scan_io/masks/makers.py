"""Scans with masks for the tests of this package."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from tests.makers import Series, save_dicom
from tests.mask_makers import full_slices, save_mask
from voxray.core.geometry import VoxelGrid
from voxray.core.records import MaskSource, ScanId
from voxray.scan_io import Drawing, read_drawing, read_volume

LESION = {"lesion": 1}
OBLIQUE = tuple(
    float(x)
    for x in np.linalg.qr(np.array([[0.9, -0.3, 0.2], [0.2, 0.9, 0.4], [0, 0, 1.0]]).T)[
        0
    ]
    .T[:2]
    .ravel()
)


@dataclass(frozen=True)
class Scan:
    """A series on disk, in order of slices."""

    folder: Path
    slices: list[Dataset]
    grid: VoxelGrid

    def drawing(
        self, mask: Dataset, values: Mapping[str, int] | None = None
    ) -> Drawing:
        """Write a mask, read it on the grid of the scan."""
        return read_drawing(self.source(mask, values))

    def source(
        self, mask: Dataset, values: Mapping[str, int] | None = None
    ) -> MaskSource:
        """Write a mask and say what is wanted of it."""
        path = save_mask(mask, self.folder / "mask.dcm")
        wanted = LESION if values is None else values
        return MaskSource(ScanId("s1"), path, self.grid, wanted)


def a_scan(folder: Path, **changes: Any) -> Scan:
    """Write a series: 8 rows, 6 columns, 5 slices of 1 x 1 x 2 mm by default."""
    series = Series(**changes)
    slices = full_slices(series)
    files = [
        save_dicom(dataset, folder / f"{k}.dcm") for k, dataset in enumerate(slices)
    ]
    return Scan(folder, slices, read_volume(series.source(files)).grid)


def some_voxels(n_segments: int = 1, seed: int = 0) -> NDArray[np.uint8]:
    """(slice, row, column) segment numbers; the first and last slice are empty."""
    generator = np.random.default_rng(seed)
    voxels = generator.integers(0, n_segments + 1, (5, 8, 6)).astype(np.uint8)
    voxels[[0, -1]] = 0
    return voxels


def said(drawing: Drawing) -> dict[str, str]:
    """Details by code."""
    return {finding.code.value: finding.detail for finding in drawing.findings}
