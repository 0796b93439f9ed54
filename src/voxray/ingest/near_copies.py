"""Nearly the same image twice: saved again, with loss, cropped or resampled.

A pair is listed if two measures of the tiny images that `looks` makes agree: the
share of differing bits of a difference hash, and the correlation of what is hashed. The
bounds were set between other people of the same anatomy and copies made on purpose; see
`docs/concepts/copies.md` for the rates.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voxray.core.findings import FindingCode
from voxray.core.records import Finding, PatientId, ScanId, ScanRecord
from voxray.ingest.crops import aligned, may_be_cropped
from voxray.ingest.looks import Look, tiny_image

MAX_DISTANCE = 0.2
MIN_CORRELATION = 0.9
MIN_CORRELATION_OF_PLANES = 0.93
MIN_CORRELATION_OF_SHAPES = 0.99
"""For images of two values: outlines are more alike than images."""
_BLOCK = 1024
_MOST_PAIRS = 100_000
_MIN_BEFORE_CROPPING = 0.6
_MOST_CROPS = 1000
"""Pairs of two blocks that are tried with edges cut off."""
_SHOWN = 3
_PLANES = 3
"""Axes of a list of tiny images of planes."""


@dataclass(frozen=True, slots=True)
class NearCopy:
    """Two scans that may be one image.

    Attributes:
        distance: Share of bits of the difference hash that differ, from 0.
        correlation: Of the differences between neighbouring cells, up to 1.
    """

    scan_id: ScanId
    other_scan_id: ScanId
    patient_id: PatientId
    other_patient_id: PatientId
    distance: float
    correlation: float


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """Some scans, ready to be compared.

    Attributes:
        tiny: (scan, cells...) float32.
        voxels: (scan, axis) number of voxels along the axes of the cells.
        steps: (scan, difference) float32, between neighbouring cells.
        unit: `steps` without their mean, of length 1, or 0 for a flat image.
        least: Correlation that makes a pair, per scan.
    """

    tiny: NDArray[np.float32]
    voxels: NDArray[np.int64]
    steps: NDArray[np.float32]
    unit: NDArray[np.float32]
    least: NDArray[np.float32]


def find_near_copies(
    records: Sequence[ScanRecord],
    looks: Mapping[ScanId, Look],
    origins: Mapping[ScanId, str],
) -> tuple[NearCopy, ...]:
    """Compare all scans with each other; equal images are not the question here.

    Scans of one exam or origin are not compared: series of one examination, and volumes
    of one file, show one body and may well be alike.

    Args:
        records: No two with the same pixels.
        looks: Of every record.
        origins: What a scan was cut from: its study or its file.

    Returns:
        Pairs, the nearest first; at most 100,000.
    """
    pairs: list[NearCopy] = []
    for group in _comparable(records, looks):
        for one, other, distance, correlation in _pairs(group, looks):
            if len(pairs) >= _MOST_PAIRS:
                break
            if not _one_body(group[one], group[other], origins):
                pair = _near_copy(group[one], group[other], distance, correlation)
                pairs.append(pair)
    return tuple(sorted(pairs, key=lambda p: (p.distance, p.scan_id, p.other_scan_id)))


def _one_body(
    one: ScanRecord, other: ScanRecord, origins: Mapping[ScanId, str]
) -> bool:
    same_origin = origins[one.scan_id] == origins[other.scan_id]
    return same_origin or one.exam_id == other.exam_id


def near_copy_findings(pairs: Iterable[NearCopy]) -> dict[ScanId, Finding]:
    """One finding on each scan of each pair, naming the nearest others."""
    others: dict[ScanId, list[str]] = defaultdict(list)
    for pair in pairs:
        said = f"{pair.distance:.1%} of hash bits differ, r={pair.correlation:.3f}"
        same = pair.patient_id == pair.other_patient_id
        whose = "the same patient" if same else "another patient"
        others[pair.scan_id].append(f"{pair.other_scan_id} of {whose} ({said})")
        others[pair.other_scan_id].append(f"{pair.scan_id} of {whose} ({said})")
    return {
        scan_id: Finding(FindingCode.NEAR_COPY, "nearly the image of " + _some(texts))
        for scan_id, texts in others.items()
    }


def _some(texts: list[str]) -> str:
    n_more = len(texts) - _SHOWN
    return ", ".join(texts[:_SHOWN]) + (f" and {n_more} more" if n_more > 0 else "")


def _comparable(
    records: Sequence[ScanRecord], looks: Mapping[ScanId, Look]
) -> list[list[ScanRecord]]:
    """Volumes with volumes, planes with planes."""
    groups: dict[int, list[ScanRecord]] = defaultdict(list)
    for record in records:
        groups[len(looks[record.scan_id].tiny)].append(record)
    return list(groups.values())


def _pairs(
    group: Sequence[ScanRecord], looks: Mapping[ScanId, Look]
) -> Iterator[tuple[int, int, float, float]]:
    """Go through all pairs in blocks, so that memory stays bounded."""
    blocks = [
        _block(group[at : at + _BLOCK], looks) for at in range(0, len(group), _BLOCK)
    ]
    for row, one in enumerate(blocks):
        for column, other in enumerate(blocks[row:], start=row):
            for near_i, near_j, distance, correlation in _near(one, other):
                i, j = near_i + row * _BLOCK, near_j + column * _BLOCK
                if i < j:
                    yield i, j, distance, correlation


def _block(records: Sequence[ScanRecord], looks: Mapping[ScanId, Look]) -> _Block:
    own = [looks[record.scan_id] for record in records]
    tiny = np.stack([tiny_image(look) for look in own]).astype(np.float32)
    steps = _steps(tiny)
    plain = MIN_CORRELATION_OF_PLANES if tiny.ndim == _PLANES else MIN_CORRELATION
    least = [MIN_CORRELATION_OF_SHAPES if look.two_valued else plain for look in own]
    return _Block(
        tiny=tiny,
        voxels=np.array([_voxels(record) for record in records]),
        steps=steps,
        unit=_unit(steps),
        least=np.array(least, dtype=np.float32),
    )


def _voxels(record: ScanRecord) -> list[int]:
    """Voxels along R, A, S; of a plane without the axis across."""
    order, _ = record.grid.axes_to_ras()
    voxels = [record.grid.shape[axis] for axis in order]
    if 1 in voxels:
        voxels.remove(1)
    return voxels


def _steps(tiny: NDArray[np.float32]) -> NDArray[np.float32]:
    """Differences between neighbouring cells; cells of planes are joined in fours."""
    if tiny.ndim == _PLANES:
        n = tiny.shape[1] // 2
        tiny = tiny.reshape(-1, n, 2, n, 2).mean(axis=(2, 4))
    steps = [np.diff(tiny, axis=a).reshape(len(tiny), -1) for a in range(1, tiny.ndim)]
    return np.concatenate(steps, axis=1)


def _unit(steps: NDArray[np.float32]) -> NDArray[np.float32]:
    centred = steps - steps.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    unit: NDArray[np.float32] = np.zeros_like(centred)
    np.divide(centred, length, out=unit, where=length > 0)
    return unit


def _near(one: _Block, other: _Block) -> Iterator[tuple[int, int, float, float]]:
    correlation = one.unit @ other.unit.T
    least = np.maximum(one.least[:, None], other.least[None, :])
    near = correlation >= least
    for i, j in np.argwhere(near).tolist():
        distance = _distance(one.steps[i], other.steps[j])
        if distance <= MAX_DISTANCE:
            yield i, j, distance, float(correlation[i, j])
    for i, j in _cropped_perhaps(one, other, np.where(near, 0, correlation)):
        distance, aligned_correlation = _after_cropping(one, other, i, j)
        if distance <= MAX_DISTANCE and aligned_correlation >= least[i, j]:
            yield i, j, distance, aligned_correlation


def _distance(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Share of bits of the two difference hashes that differ."""
    return float(np.mean((one > 0) != (other > 0)))


def _cropped_perhaps(
    one: _Block, other: _Block, correlation: NDArray[np.float32]
) -> list[list[int]]:
    """Pairs of nearly one size that are somewhat alike, the most alike first."""
    similar = correlation >= _MIN_BEFORE_CROPPING
    found = np.argwhere(similar & may_be_cropped(one.voxels, other.voxels))
    values = correlation[found[:, 0], found[:, 1]]
    pairs: list[list[int]] = found[np.argsort(-values)[:_MOST_CROPS]].tolist()
    return pairs


def _after_cropping(one: _Block, other: _Block, i: int, j: int) -> tuple[float, float]:
    """Distance and correlation where both show the same box, at the best."""
    return min(
        _compared(first, second)
        for first, second in aligned(
            one.tiny[i], other.tiny[j], one.voxels[i], other.voxels[j]
        )
    )


def _compared(
    first: NDArray[np.float32], second: NDArray[np.float32]
) -> tuple[float, float]:
    steps = _steps(np.stack([first, second]))
    unit = _unit(steps)
    return _distance(steps[0], steps[1]), float(unit[0] @ unit[1])


def _near_copy(
    one: ScanRecord, other: ScanRecord, distance: float, correlation: float
) -> NearCopy:
    return NearCopy(
        scan_id=one.scan_id,
        other_scan_id=other.scan_id,
        patient_id=one.patient_id,
        other_patient_id=other.patient_id,
        distance=round(distance, 4),
        correlation=round(min(correlation, 1.0), 4),
    )
