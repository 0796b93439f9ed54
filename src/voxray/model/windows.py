"""Overlapping windows over a volume, put together a slab at a time."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from monai.data.utils import compute_importance_map
from numpy.typing import NDArray

from voxray.core.geometry import Shape

_LARGE = 64_000_000
"""Shares; above, they are given in 16 bits, which tell 0.0005 apart."""

Part = tuple[slice, ...]
Ask = Callable[[Part], NDArray[np.floating[Any]]]
"""Gives the shares (channel, *part) of a part of the volume."""


def slide(
    ask: Ask, shape: Shape, window: Shape, overlap: Shape, n_channels: int
) -> NDArray[np.floating[Any]]:
    """Weighted mean of what overlapping windows say.

    Beside the result, float sums are held for one window's length along the axis that
    has the most windows, and for all of the other two.

    Args:
        ask: Called once for each window.
        shape: Of the volume.
        window: At most; a shorter axis is taken whole.
        overlap: Voxels that neighbours share along each axis, or a few more.
        n_channels: Of the shares.

    Returns:
        (channel, i, j, k) float32, or float16 where there are many.
    """
    axes = zip(shape, window, overlap, strict=True)
    starts = [_starts(size, w, shared) for size, w, shared in axes]
    lengths = [min(size, w) for size, w in zip(shape, window, strict=True)]
    along = max(range(3), key=lambda axis: len(starts[axis]))
    dtype = np.float16 if n_channels * math.prod(shape) > _LARGE else np.float32
    shares = np.empty((n_channels, *shape), dtype=dtype)
    sums = _Sums(shape, along, lengths[along], n_channels)
    importance = _importance(lengths)
    for start, following in itertools.pairwise([*starts[along], shape[along]]):
        for part in _windows(starts, lengths, along, start):
            sums.add(part, ask(part), importance)
        ready = slice(start, following)
        shares[_across(along, ready)] = sums.give(following - start)
    return shares


def _starts(size: int, window: int, overlap: int) -> list[int]:
    """First voxels of windows, evenly spread."""
    if size <= window:
        return [0]
    number = math.ceil((size - window) / max(1, window - overlap)) + 1
    return [round(place) for place in np.linspace(0, size - window, number).tolist()]


def _windows(
    starts: Sequence[Sequence[int]], lengths: Sequence[int], along: int, start: int
) -> Iterator[Part]:
    """Every window that begins at `start` along one axis."""
    chosen = [[start] if axis == along else s for axis, s in enumerate(starts)]
    for corner in itertools.product(*chosen):
        yield tuple(slice(a, a + n) for a, n in zip(corner, lengths, strict=True))


def _importance(lengths: Sequence[int]) -> NDArray[np.float32]:
    """The middle of a window knows more than its border."""
    weights = compute_importance_map(tuple(lengths), mode="gaussian")
    return np.maximum(np.asarray(weights, dtype=np.float32), np.float32(1e-3))


def _across(along: int, part: slice) -> Part:
    return tuple(part if axis == along + 1 else slice(None) for axis in range(4))


class _Sums:
    """Weighted sums over the planes that windows still reach."""

    def __init__(self, shape: Shape, along: int, length: int, n_channels: int) -> None:
        held = [length if axis == along else n for axis, n in enumerate(shape)]
        self.along = along
        self.shares = np.zeros((n_channels, *held), dtype=np.float32)
        self.weights = np.zeros((1, *held), dtype=np.float32)

    def add(
        self,
        part: Part,
        shares: NDArray[np.floating[Any]],
        importance: NDArray[np.float32],
    ) -> None:
        """Add a window that begins at the first plane held."""
        here = list(part)
        here[self.along] = slice(0, part[self.along].stop - part[self.along].start)
        self.shares[(slice(None), *here)] += shares * importance
        self.weights[(slice(None), *here)] += importance

    def give(self, n_planes: int) -> NDArray[np.float32]:
        """Means of the first planes, which no later window reaches; moves on."""
        first = _across(self.along, slice(0, n_planes))
        means = self.shares[first] / self.weights[first]
        for sums in (self.shares, self.weights):
            left = sums.shape[self.along + 1] - n_planes
            kept = sums[_across(self.along, slice(n_planes, None))].copy()
            sums[_across(self.along, slice(0, left))] = kept
            sums[_across(self.along, slice(left, None))] = 0
        return np.asarray(means)
