import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxray.scan_io.masks.polygons import filled

BOX = (slice(0, 8), slice(0, 8))
SQUARE = [(1.5, 1.5), (4.5, 1.5), (4.5, 3.5), (1.5, 3.5)]


def centres(points, box=BOX):
    inside = filled(np.array(points, float), box)
    starts = [axis.start for axis in box]
    return {tuple(int(n) for n in at) for at in np.argwhere(inside) + starts}


def test_square_holds_the_centres_within_it():
    assert centres(SQUARE) == {(i, j) for i in (2, 3, 4) for j in (2, 3)}


@pytest.mark.parametrize("shift", [1, 2, 3])
def test_neither_start_nor_direction_matters(shift):
    rolled = SQUARE[shift:] + SQUARE[:shift]

    assert centres(rolled) == centres(SQUARE) == centres(rolled[::-1])


def test_triangle_by_hand():
    assert centres([(0.5, 0.5), (3.6, 0.5), (0.5, 3.6)]) == {
        (1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (3, 1),
    }  # fmt: skip


def test_centre_on_an_edge_belongs_to_one_of_two_neighbours():
    left = centres([(1, 1), (3, 1), (3, 4), (1, 4)])
    right = centres([(3, 1), (5, 1), (5, 4), (3, 4)])

    assert left == {(i, j) for i in (1, 2) for j in (1, 2, 3)}
    assert right == {(i, j) for i in (3, 4) for j in (1, 2, 3)}


def test_hole_by_a_channel_is_a_hole():
    outer = [(0.5, 0.5), (6.5, 0.5), (6.5, 6.5), (0.5, 6.5), (0.5, 3.0)]
    inner = [(2.5, 3.0), (2.5, 4.5), (4.5, 4.5), (4.5, 2.5), (2.5, 2.5), (2.5, 3.0)]

    found = centres([*outer, *inner, (0.5, 3.0)])

    whole = {(i, j) for i in range(1, 7) for j in range(1, 7)}
    assert found == whole - {(i, j) for i in (3, 4) for j in (3, 4)}


def test_polygon_beyond_the_box_counts_within_it():
    huge = [(-1e6, -1e6), (1e6, -1e6), (1e6, 1e6), (-1e6, 1e6)]
    box = (slice(2, 4), slice(5, 7))

    assert centres(huge, box) == {(2, 5), (2, 6), (3, 5), (3, 6)}


def naive(points, i, j):
    crossings = 0
    for ends in zip(points, points[1:] + points[:1], strict=True):
        (x0, y0), (x1, y1) = sorted(ends, key=lambda p: p[1])
        if y0 <= j < y1:
            crossings += x0 + (j - y0) / (y1 - y0) * (x1 - x0) <= i
    return crossings % 2 == 1


@given(
    st.lists(
        st.tuples(st.floats(-3, 11, width=16), st.floats(-3, 11, width=16)),
        min_size=3,
        max_size=12,
    )
)
def test_any_polygon_is_filled_as_counting_crossings_says(points):
    expected = {(i, j) for i in range(8) for j in range(8) if naive(points, i, j)}

    assert centres(points) == expected
