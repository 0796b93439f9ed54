"""What is odd about voxel values: cut off at the top, slices without content."""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxray.core.findings import FindingCode
from voxray.core.records import Finding
from voxray.ingest.looks import SliceRanges

MIN_CLIPPED_SHARE = 0.002
"""Of all voxels, at exactly the highest value."""
_MIN_CLIPPED = 10
_SPIKE = 4.0
"""Times as many voxels at the highest value as at any other value near the top."""
_TOP_SHARE = 0.1
_BORDER_SHARE = 0.5
_FEW_VALUES = 16
_SAMPLES = 20_000
_BACKGROUND_SHARE = 0.25
_SHOWN = 5


def quality_findings(voxels: NDArray[Any], ranges: SliceRanges) -> tuple[Finding, ...]:
    """Judge finite voxels that are not all equal.

    Args:
        voxels: (i, j, k), slices along k.
        ranges: Of these voxels.
    """
    checks = (_clipped(voxels, ranges), _empty_slices(voxels, ranges))
    return tuple(finding for finding in checks if finding is not None)


def _clipped(voxels: NDArray[Any], ranges: SliceRanges) -> Finding | None:
    """Find a spike at the highest value.

    Cut off values pile up at one value, where a histogram runs out evenly. A drawn
    shape or a label map has few values at all; a background that is the highest value,
    as in an inverted image, covers the border.
    """
    highest = ranges.highest.max()
    reaching = np.flatnonzero(ranges.highest == highest)
    n_top = sum(int(np.count_nonzero(voxels[..., k] == highest)) for k in reaching)
    share = n_top / voxels.size
    if share < MIN_CLIPPED_SHARE or n_top < _MIN_CLIPPED or _few_values(voxels):
        return None
    if _border_share(voxels == highest) >= _BORDER_SHARE:
        return None
    usual = _usual_count(voxels, ranges.low, highest)
    if n_top < _SPIKE * usual:
        return None
    detail = (
        f"{n_top:,} voxels ({share:.2%}) have the highest value, {float(highest):g}; "
        f"no other value near it has more than {usual:,}"
    )
    return Finding(FindingCode.CLIPPED_INTENSITIES, detail)


def _few_values(voxels: NDArray[Any]) -> bool:
    """Whether the image is a shape or a label map."""
    flat = voxels.ravel(order="K")
    sample = flat[:: flat.size // _SAMPLES | 1]
    return len(np.unique(sample)) <= _FEW_VALUES


def _border_share(at_top: NDArray[np.bool_]) -> float:
    """Share of the outer planes; of an image of one slice its outer lines."""
    planes = [
        np.moveaxis(at_top, axis, 0)[end].ravel()
        for axis in range(at_top.ndim)
        if at_top.shape[axis] > 1
        for end in (0, -1)
    ]
    return float(np.concatenate(planes).mean())


def _usual_count(voxels: NDArray[Any], lowest: float, highest: float) -> int:
    """How often the most frequent value occurs in the top tenth of the range."""
    bound = highest - _TOP_SHARE * (float(highest) - lowest)
    near = voxels[(voxels >= bound) & (voxels < highest)]
    if not near.size:
        return 0
    _, counts = np.unique(near, return_counts=True)
    return int(counts.max())


def _empty_slices(voxels: NDArray[Any], ranges: SliceRanges) -> Finding | None:
    """Find slices of one value, but for those that a blank background explains."""
    lowest = ranges.lowest
    empty = lowest == ranges.highest
    if not empty.any() or empty.all():
        return None
    filled = np.flatnonzero(~empty)
    inside = np.flatnonzero(empty[: filled[-1]])
    inside = inside[inside > filled[0]]
    at_ends = np.flatnonzero(empty)[~np.isin(np.flatnonzero(empty), inside)]
    if at_ends.size and _blank_background(voxels[..., filled], lowest[at_ends]):
        at_ends = at_ends[:0]
    odd = sorted({*inside.tolist(), *at_ends.tolist()})
    if not odd:
        return None
    values = Counter(float(lowest[k]) for k in odd)
    numbers = ", ".join(str(k + 1) for k in odd[:_SHOWN])
    more = f" and {len(odd) - _SHOWN} more" if len(odd) > _SHOWN else ""
    detail = (
        f"{len(odd)} of {len(empty)} slices hold one value only "
        f"({values.most_common(1)[0][0]:g}): slice {numbers}{more}"
    )
    return Finding(FindingCode.EMPTY_SLICES, detail)


def _blank_background(filled: NDArray[Any], values: NDArray[Any]) -> bool:
    """Whether the value of the empty slices also fills much of the others."""
    if len(np.unique(values)) > 1:
        return False
    share = np.count_nonzero(filled == values[0]) / filled.size
    return bool(share >= _BACKGROUND_SHARE)
