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
from voxray.ingest.looks import Look, tiny_image

MAX_DISTANCE = 0.2
MIN_CORRELATION = 0.9
MIN_CORRELATION_OF_PLANES = 0.93
MIN_CORRELATION_OF_SHAPES = 0.99
"""For images of two values: outlines are more alike than images."""
_BLOCK = 1024
_MOST_PAIRS = 100_000
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
class _Gradients:
    """Differences between neighbouring cells, of some scans.

    Attributes:
        bits: (scan, word) uint64, whether each difference is above 0.
        unit: (scan, difference) float32 of length 1, or 0 for a flat image.
        least: Correlation that makes a pair, per scan.
    """

    bits: NDArray[np.uint64]
    unit: NDArray[np.float32]
    least: NDArray[np.float32]


def find_near_copies(
    records: Sequence[ScanRecord],
    looks: Mapping[ScanId, Look],
    origins: Mapping[ScanId, str],
) -> tuple[NearCopy, ...]:
    """Compare all scans with each other; equal images are not the question here.

    Scans of one origin are not compared: series of one examination, and volumes of one
    file, show one body and may well be alike.

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
            pair = _near_copy(group[one], group[other], distance, correlation)
            if origins[pair.scan_id] != origins[pair.other_scan_id]:
                pairs.append(pair)
    return tuple(sorted(pairs, key=lambda p: (p.distance, p.scan_id, p.other_scan_id)))


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
        _gradients([looks[record.scan_id] for record in group[at : at + _BLOCK]])
        for at in range(0, len(group), _BLOCK)
    ]
    for row, one in enumerate(blocks):
        for column, other in enumerate(blocks[row:], start=row):
            for near_i, near_j, distance, correlation in _near(one, other):
                i, j = near_i + row * _BLOCK, near_j + column * _BLOCK
                if i < j:
                    yield i, j, distance, correlation


def _near(
    one: _Gradients, other: _Gradients
) -> Iterator[tuple[int, int, float, float]]:
    correlation = one.unit @ other.unit.T
    least = np.maximum(one.least[:, None], other.least[None, :])
    for i, j in np.argwhere(correlation >= least).tolist():
        n_differing = int(np.bitwise_count(one.bits[i] ^ other.bits[j]).sum())
        distance = n_differing / one.unit.shape[1]
        if distance <= MAX_DISTANCE:
            yield i, j, distance, float(correlation[i, j])


def _gradients(looks: Sequence[Look]) -> _Gradients:
    tiny = np.stack([tiny_image(look) for look in looks]).astype(np.float32)
    steps = [np.diff(tiny, axis=a).reshape(len(tiny), -1) for a in range(1, tiny.ndim)]
    joined = np.concatenate(steps, axis=1)
    centred = joined - joined.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    unit = np.divide(centred, length, out=np.zeros_like(centred), where=length > 0)
    plain = MIN_CORRELATION_OF_PLANES if tiny.ndim == _PLANES else MIN_CORRELATION
    least = [MIN_CORRELATION_OF_SHAPES if look.two_valued else plain for look in looks]
    return _Gradients(_packed(joined > 0), unit, np.array(least, dtype=np.float32))


def _packed(bits: NDArray[np.bool_]) -> NDArray[np.uint64]:
    padding = -bits.shape[1] % 64
    packed = np.packbits(np.pad(bits, ((0, 0), (0, padding))), axis=1)
    return packed.view(np.uint64)


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
