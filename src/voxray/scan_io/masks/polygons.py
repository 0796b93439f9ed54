"""Filling polygons by the even-odd rule, exactly at pixel centres."""

import numpy as np
from numpy.typing import NDArray

_Points = NDArray[np.float64]

_EDGES_AT_ONCE = 1024  # bounds memory: each may cross every row


def filled(points: _Points, box: tuple[slice, slice]) -> NDArray[np.bool_]:
    """Say which pixel centres lie inside a closed polygon.

    A centre is inside if a line from it towards lower i crosses the polygon an odd
    number of times. A centre on a lower edge is inside and one on an upper edge is not,
    so that neighbours neither share a pixel nor miss one.

    Args:
        points: (n, 2), i and j in pixels; the last point is joined to the first.
        box: Pixels to ask about. What the polygon does outside counts all the same.

    Returns:
        (i, j) over the box.
    """
    i, j = box
    n_rows = j.stop - j.start
    crossings = np.zeros((i.stop - i.start + 1) * n_rows, np.intp)
    low, high = _edges(points)
    for first in range(0, len(points), _EDGES_AT_ONCE):
        part = slice(first, first + _EDGES_AT_ONCE)
        row, at = _crossings(low[part], high[part], j)
        column = np.clip(np.ceil(at), i.start, i.stop).astype(np.intp) - i.start
        crossings += np.bincount(column * n_rows + row, minlength=crossings.size)
    parity = np.cumsum(crossings.reshape(-1, n_rows)[:-1], axis=0) % 2
    return parity.astype(np.bool_)


def _edges(points: _Points) -> tuple[_Points, _Points]:
    """Ends of each edge, that of lower j first: the same edge either way round."""
    one, other = points, np.roll(points, -1, axis=0)
    upward = (one[:, 1] < other[:, 1])[:, None]
    return np.where(upward, one, other), np.where(upward, other, one)


def _crossings(
    low: _Points, high: _Points, rows: slice
) -> tuple[NDArray[np.intp], _Points]:
    """Row, from the first of `rows`, and place i of every crossing of edge and row."""
    starts, ends = (
        np.clip(np.ceil(end[:, 1]), rows.start, rows.stop).astype(np.intp)
        for end in (low, high)
    )
    counts = ends - starts
    edge = np.repeat(np.arange(len(low)), counts)
    row = np.arange(len(edge)) - (np.cumsum(counts) - counts)[edge] + starts[edge]
    share = (row - low[edge, 1]) / (high[edge, 1] - low[edge, 1])
    at = low[edge, 0] + share * (high[edge, 0] - low[edge, 0])
    return row - rows.start, at
