"""Whether one tiny image is another one with a voxel or two cut off at the edges."""

from collections.abc import Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray

MOST_CUT = 2
"""Voxels along each axis."""

_Tiny = NDArray[np.float32]


def may_be_cropped(
    one: NDArray[np.int64], other: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Whether sizes differ by a crop, (scan of `one`, scan of `other`).

    Args:
        one: (scan, axis) number of voxels along R, A, S.
        other: The same of other scans.
    """
    cut = np.abs(one[:, None, :] - other[None, :, :]).max(axis=2)
    cropped: NDArray[np.bool_] = (cut <= MOST_CUT) & (cut > 0)
    return cropped


def aligned(
    one: _Tiny, other: _Tiny, n_one: NDArray[np.int64], n_other: NDArray[np.int64]
) -> Iterator[tuple[_Tiny, _Tiny]]:
    """Both tiny images on the box that the smaller one shows, for each way to cut.

    Args:
        one: Cells that divide the image evenly, axes R, A, S.
        other: The same of another scan.
        n_one: Voxels of the first image along the axes of the cells.
        n_other: Voxels of the second.
    """
    cuts = [
        range(abs(int(a) - int(b)) + 1) for a, b in zip(n_one, n_other, strict=True)
    ]
    for starts in product(*cuts):
        first, second = one, other
        for axis, start in enumerate(starts):
            n, m = int(n_one[axis]), int(n_other[axis])
            if n > m:
                first = _part(first, axis, start / n, (start + m) / n)
            elif m > n:
                second = _part(second, axis, start / m, (start + n) / m)
        yield first, second


def _part(tiny: _Tiny, axis: int, begin: float, end: float) -> _Tiny:
    """The part of an axis from `begin` to `end`, as many cells as before."""
    n = tiny.shape[axis]
    edges = np.linspace(begin * n, end * n, n + 1)
    first = np.maximum(edges[:-1, None], np.arange(n))
    last = np.minimum(edges[1:, None], np.arange(1, n + 1))
    weights = np.clip(last - first, 0, None)
    weights = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return np.moveaxis(np.moveaxis(tiny, axis, -1) @ weights.T, -1, axis)
