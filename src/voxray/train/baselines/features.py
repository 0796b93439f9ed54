"""What is known of a scan without looking at its image, as one row per exam."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from voxray.core.records import ExamId
from voxray.preprocess import ScanStatistics

Scans = Mapping[ExamId, Mapping[str, ScanStatistics]]
Features = Callable[[Mapping[str, ScanStatistics]], dict[str, float]]

_MM3_PER_ML = 1000.0


def scan_tables(exams: Scans, channels: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Features of the scans themselves, by name of the baseline.

    "extent" is the field of view in mm; "size" adds its volume and the voxels per axis;
    "intensity" is `ScanStatistics.intensity` per channel, without a mask;
    "size+intensity" is both. Size is that of the first channel.

    Args:
        exams: Statistics by exam, then by channel. The first channel is always there.
        channels: In order; an exam that lacks one has NaN.

    Returns:
        Tables with the exam ids as index.
    """
    extent = _table(exams, lambda scans: _extent(scans[channels[0]]))
    size = _table(exams, lambda scans: _size(scans[channels[0]]))
    intensity = pd.concat(
        [_intensity(exams, channel) for channel in channels], axis="columns"
    )
    together = pd.concat([size, intensity], axis="columns")
    return {
        "extent": extent,
        "size": size,
        "intensity": intensity,
        "size+intensity": together,
    }


def column_table(
    name: str, values: Mapping[ExamId, str | float | None]
) -> pd.DataFrame:
    """One column of the label table.

    It is a number where every value that is there reads as one; otherwise each value is
    a category. What is absent is NaN, or a category of its own.
    """
    cells = {exam: _cell(value) for exam, value in values.items()}
    numbers = {exam: _number(cell) for exam, cell in cells.items()}
    is_number = all((numbers[e] is None) == (cell == "") for e, cell in cells.items())
    if is_number:
        column = pd.Series(numbers, dtype=np.float64)
    else:
        column = pd.Series(cells, dtype=object)
    return column.to_frame(name)


def _cell(value: str | float | None) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    text = str(value).strip()
    return "" if text.casefold() in {"nan", "none", "n/a", "na"} else text


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _table(exams: Scans, features_of: Features) -> pd.DataFrame:
    rows = {exam: features_of(scans) for exam, scans in exams.items()}
    return pd.DataFrame.from_dict(rows, orient="index", dtype=np.float64)


def _extent(scan: ScanStatistics) -> dict[str, float]:
    return {f"extent_mm_{n}": mm for n, mm in enumerate(scan.geometry.extent_mm)}


def _size(scan: ScanStatistics) -> dict[str, float]:
    extent = _extent(scan)
    voxels = {f"voxels_{n}": float(count) for n, count in enumerate(scan.shape)}
    return {**extent, **voxels, "volume_ml": math.prod(extent.values()) / _MM3_PER_ML}


def _intensity(exams: Scans, channel: str) -> pd.DataFrame:
    def features(scans: Mapping[str, ScanStatistics]) -> dict[str, float]:
        values = scans[channel].intensity if channel in scans else ()
        return {f"{channel}_{n}": value for n, value in enumerate(values)}

    return _table(exams, features)
