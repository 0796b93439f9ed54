"""How values are spread over the scans of a data set: bars and histograms."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voxray.core.geometry import BODY_AXES
from voxray.core.records import ScanRecord
from voxray.report.intake_content import SeenScan

N_BINS = 24
_MOST_BARS = 8
_LOG_FROM = 1000.0
"""Highest over lowest value from which a histogram is logarithmic."""
_SIZES: tuple[tuple[str, str, Callable[[SeenScan], Sequence[float | None]]], ...] = (
    ("Field of view", "mm", lambda scan: scan.extent_mm),
    ("Voxel size", "mm", lambda scan: scan.spacing_mm),
    ("Voxels", "", lambda scan: scan.voxels),
)


@dataclass(frozen=True, slots=True)
class Bars:
    """How often each word occurs.

    Attributes:
        rows: Word, number of scans, share of the largest number.
    """

    title: str
    rows: tuple[tuple[str, int, float], ...]


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often numbers fall into equal bins, from `low` to `high`.

    Attributes:
        heights: Share of the fullest bin.
        counts: Number of scans per bin.
        n: Scans that have the number.
        logarithmic: Whether bins are equal in the logarithm.
    """

    title: str
    unit: str
    low: float
    median: float
    high: float
    heights: tuple[float, ...]
    counts: tuple[int, ...]
    n: int
    logarithmic: bool = False


def word_bars(scans: Sequence[SeenScan]) -> list[Bars]:
    """Modality, body part, manufacturer, site, sex and labels, where any is stated."""
    records = [scan.record for scan in scans]
    columns = {
        "Modality": [r.modality for r in records],
        "Body part": [s.body_part for s in scans],
        "Manufacturer": [s.manufacturer for s in scans],
        "Site": [r.site or "" for r in records],
        "Sex": [r.sex or "" for r in records],
        **_exam_columns(records),
    }
    channels = [r.channel for r in records]
    if len(set(channels)) > 1:
        columns["Channel"] = channels
    return [_bars(title, words) for title, words in columns.items() if any(words)]


def _exam_columns(records: Sequence[ScanRecord]) -> dict[str, list[str]]:
    """Masks and labels: a word for each exam, since all its scans share them."""
    exams = {record.exam_id: record for record in records}
    per = ", by exam" if len(exams) < len(records) else ""
    masked = {record.exam_id for record in records if record.mask_path}
    words = ["yes" if exam in masked else "no" for exam in exams]
    columns = {f"Mask{per}": words} if masked else {}
    for name in sorted({name for r in records for name in r.labels}):
        values = [record.labels.get(name) for record in exams.values()]
        words = ["" if v is None else str(v) for v in values]
        columns[f"Label {name}{per}"] = words
    return columns


def _bars(title: str, words: Iterable[str]) -> Bars:
    counts = Counter(word or "(not stated)" for word in words)
    shown = counts.most_common(_MOST_BARS)
    rest = counts.total() - sum(n for _, n in shown)
    if rest:
        shown.append((f"{len(counts) - _MOST_BARS} others", rest))
    most = max(n for _, n in shown)
    return Bars(title, tuple((word, n, n / most) for word, n in shown))


def number_histograms(scans: Sequence[SeenScan]) -> list[list[Histogram]]:
    """Rows of histograms: size by axis, voxel size, voxels; values; age."""
    sizes = [
        [_histogram(f"{title} {axis}", unit, [_along(a, s, of(s)) for s in scans])
         for a, axis in enumerate(BODY_AXES)]
        for title, unit, of in _SIZES
    ]  # fmt: skip
    values = [
        _histogram("Darkest values (percentile 0.5)", "", [s.p0_5 for s in scans]),
        _histogram("Median value", "", [s.p50 for s in scans]),
        _histogram("Brightest values (percentile 99.5)", "", [s.p99_5 for s in scans]),
    ]
    age = [_histogram("Age", "years", [s.record.age_years for s in scans])]
    rows = [*sizes, values, age]
    shown = [[histogram for histogram in row if histogram] for row in rows]
    return [row for row in shown if row]


def _along(axis: int, scan: SeenScan, sizes: Sequence[float | None]) -> float | None:
    """A size along an axis; a plane has none across."""
    return None if scan.spacing_mm[axis] is None else sizes[axis]


def _histogram(
    title: str, unit: str, numbers: Sequence[float | None]
) -> Histogram | None:
    known = np.array([x for x in numbers if x is not None], dtype=float)
    if not known.size:
        return None
    low, high = float(known.min()), float(known.max())
    logarithmic = low > 0 and high / low >= _LOG_FROM
    counts = _counts(np.log(known) if logarithmic else known)
    return Histogram(
        title=title,
        unit=unit,
        low=low,
        median=float(np.median(known)),
        high=high,
        heights=tuple((counts / counts.max()).tolist()),
        counts=tuple(counts.tolist()),
        n=known.size,
        logarithmic=logarithmic,
    )


def _counts(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Scans per bin; one full bin in the middle where all values are equal."""
    if values.max() - values.min() <= 1e-9 * max(1.0, abs(values.max())):
        counts = np.zeros(N_BINS, dtype=np.int64)
        counts[N_BINS // 2] = values.size
        return counts
    low, high = float(values.min()), float(values.max())
    if np.array_equal(values, np.rint(values)):  # a bin holds as many whole numbers
        width = -(-int(high - low + 1) // N_BINS)
        edges = np.arange(low, high + width + 1, width) - 0.5
        return np.histogram(values, bins=edges)[0].astype(np.int64)
    return np.histogram(values, bins=N_BINS)[0].astype(np.int64)
