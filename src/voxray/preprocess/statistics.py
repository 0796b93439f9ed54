"""What one scan is like: geometry and intensities, a row of `statistics.parquet`."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from voxray.core.errors import ManifestError
from voxray.core.files import atomic_path
from voxray.core.geometry import VoxelGrid
from voxray.core.records import ScanId, Volume
from voxray.preprocess.pixel_size import counted_spacing

INTENSITY_PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
"""Of `ScanStatistics.intensity`, after mean and standard deviation."""

_SAMPLE_VOXELS = 1_000_000
_MOST_COUNTED = 8_000_000


@dataclass(frozen=True, slots=True)
class ScanGeometry:
    """Size and kind of one scan, known without reading a voxel.

    Attributes:
        shape: Voxels per axis nearest R, A, S.
        spacing_mm: Same axes.
        modality: DICOM code, "" for NIfTI.
        unmeasured: Whether it is a picture without a pixel size.
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    modality: str
    unmeasured: bool = False

    @classmethod
    def of(cls, grid: VoxelGrid, modality: str) -> Self:
        """Geometry of a scan on its own grid, in any orientation."""
        order, _ = grid.axes_to_ras()
        i, j, k = (grid.shape[axis] for axis in order)
        a, b, c = (grid.spacing_mm[axis] for axis in order)
        return cls((i, j, k), (a, b, c), modality, grid.is_unmeasured)

    def counted(self, longer_side_mm: float | None) -> Self:
        """The same with the spacing that counts; see `counted_spacing`."""
        spacing = counted_spacing(self.shape, self.spacing_mm, longer_side_mm)
        return replace(self, spacing_mm=spacing)

    @property
    def extent_mm(self) -> tuple[float, float, float]:
        """Field of view, outer edge to outer edge."""
        i, j, k = (n * mm for n, mm in zip(self.shape, self.spacing_mm, strict=True))
        return (i, j, k)


@dataclass(frozen=True, slots=True)
class ScanStatistics:
    """Numbers about one scan; nothing over scans, so every fold may read its own.

    Attributes:
        shape: Voxels per axis nearest R, A, S.
        spacing_mm: Same axes.
        modality: DICOM code, "" for NIfTI.
        low: 0.5th percentile of the voxels that count: the structures where there is a
            mask with any, the whole scan otherwise. Source units.
        high: 99.5th percentile of the same.
        mean: Of the same.
        std: Of the same.
        structure_voxels: Mask voxels per structure, empty without masks.
        intensity: Mean, standard deviation and `INTENSITY_PERCENTILES` of the whole
            scan; unlike the above it knows no mask, so that a scan without one has it.
    """

    scan_id: ScanId
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    modality: str
    low: float
    high: float
    mean: float
    std: float
    structure_voxels: tuple[int, ...] = ()
    intensity: tuple[float, ...] = ()

    @property
    def geometry(self) -> ScanGeometry:
        """Size and kind."""
        return ScanGeometry(self.shape, self.spacing_mm, self.modality)

    def percentile(self, percent: int) -> float:
        """One of `INTENSITY_PERCENTILES` of the whole scan."""
        return self.intensity[2 + INTENSITY_PERCENTILES.index(percent)]


def scan_statistics(
    scan_id: ScanId,
    modality: str,
    volume: Volume,
    mask: Volume | None,
    mask_values: Sequence[int],
) -> ScanStatistics:
    """Measure one scan.

    Args:
        scan_id: Named in the row.
        modality: DICOM code, "" for NIfTI.
        volume: Any orientation.
        mask: On the grid of `volume`, None without one.
        mask_values: Voxel value per structure.
    """
    geometry = ScanGeometry.of(volume.grid, modality)
    counts: tuple[int, ...] = ()
    whole = volume.voxels.ravel(order="K").astype(np.float32, copy=False)
    intensity = _intensity(whole)
    counted: NDArray[Any] = whole
    if mask is not None:
        counts = tuple(int((mask.voxels == value).sum()) for value in mask_values)
        if any(counts):
            counted = volume.voxels[np.isin(mask.voxels, mask_values)]
    counted = _thinned(counted)
    low, high = np.percentile(counted, (0.5, 99.5))
    values = counted.astype(np.float64)
    return ScanStatistics(
        scan_id,
        geometry.shape,
        geometry.spacing_mm,
        modality,
        float(low),
        float(high),
        float(values.mean()),
        float(values.std()),
        counts,
        intensity,
    )


def _thinned(voxels: NDArray[Any]) -> NDArray[Any]:
    """Every n-th voxel of a large scan; n is odd, so that it does not follow rows."""
    if voxels.size <= _MOST_COUNTED:
        return voxels
    return voxels[:: voxels.size // _MOST_COUNTED | 1]


def _intensity(voxels: NDArray[np.float32]) -> tuple[float, ...]:
    """Of every n-th voxel of a large scan: percentiles of all would take seconds."""
    few = voxels[:: max(1, voxels.size // _SAMPLE_VOXELS)].astype(np.float64)
    percentiles = np.percentile(few, INTENSITY_PERCENTILES)
    return (float(few.mean()), float(few.std()), *map(float, percentiles))


def write_statistics(rows: Sequence[ScanStatistics], path: Path) -> None:
    """Write `statistics.parquet`, sorted by scan."""
    ordered = sorted(rows, key=lambda row: row.scan_id)
    names = [f.name for f in fields(ScanStatistics)]
    frame = pd.DataFrame([asdict(row) for row in ordered], columns=names)
    with atomic_path(path) as temporary:
        frame.to_parquet(temporary, index=False)


def read_statistics(path: Path) -> tuple[ScanStatistics, ...]:
    """Read what `write_statistics` wrote.

    Raises:
        ManifestError: If a column is missing, as in what an earlier version wrote.
    """
    frame = pd.read_parquet(path)
    if missing := [f.name for f in fields(ScanStatistics) if f.name not in frame]:
        msg = f"{path.name!r} lacks {', '.join(missing)}; preprocess again"
        raise ManifestError(msg)
    return tuple(_row(row) for row in frame.to_dict("records"))


def _row(values: Mapping[Hashable, Any]) -> ScanStatistics:
    plain: dict[str, Any] = {
        f.name: tuple(v.tolist()) if isinstance(v := values[f.name], np.ndarray) else v
        for f in fields(ScanStatistics)
    }
    return ScanStatistics(**plain)
