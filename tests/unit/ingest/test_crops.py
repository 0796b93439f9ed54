import numpy as np
import pytest

from voxray.ingest.crops import aligned, may_be_cropped


@pytest.mark.parametrize(
    ("size", "cropped"),
    [((40, 40), False), ((39, 40), True), ((38, 42), True), ((37, 40), False)],
)
def test_sizes_that_differ_by_a_voxel_or_two_may_be_crops(
    size: tuple[int, int],
    cropped: bool,
) -> None:
    assert may_be_cropped(np.array([[40, 40]]), np.array([size])) == [[cropped]]


def test_both_are_compared_on_the_box_of_the_smaller_one() -> None:
    whole = np.arange(10, dtype=np.float32)  # ten voxels, ten cells
    without_first = np.linspace(1, 9.9, 10, dtype=np.float32)
    sizes = np.array([10]), np.array([9])
    ways = [first for first, _ in aligned(whole, without_first, *sizes)]
    assert len(ways) == 2
    assert ways[0][0] == pytest.approx(0.0)  # the last voxel is cut off
    assert ways[1][-1] == pytest.approx(9.0)  # the first one is


def test_either_may_be_the_smaller_one() -> None:
    small, large = np.zeros((4, 4), np.float32), np.ones((4, 4), np.float32)
    pairs = list(aligned(small, large, np.array([20, 22]), np.array([21, 20])))
    assert len(pairs) == 2 * 3
    assert all((first == 0).all() and (second == 1).all() for first, second in pairs)
