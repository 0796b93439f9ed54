import numpy as np
import pytest

from voxray.train.arrays import PackedViews, Rows, StructurePoints, structure_points


def a_mask():
    mask = np.zeros((4, 5, 6), np.uint8)
    mask[1, 2, 3] = 1
    mask[2:, :, :] = 2
    return mask


def test_rows_come_back_in_the_order_asked_for(tmp_path):
    rows = Rows(tmp_path, (2, 3), np.float32)
    for n in (2, 0, 1):
        rows.write(n, np.full((2, 3), n))
    assert rows.read([1, 2, 1])[:, 0, 0].tolist() == [1, 2, 1]


def test_a_row_that_was_never_written_is_an_error(tmp_path):
    with pytest.raises(IndexError, match="row 3 of the packed arrays was never"):
        Rows(tmp_path, (2,), np.uint8).read([3])


def test_nothing_stays_in_the_folder(tmp_path):
    rows = Rows(tmp_path, (4,), np.uint8)
    rows.write(0, np.arange(4))
    assert list(tmp_path.iterdir()) == []


def test_images_and_masks_stay_together(tmp_path):
    views = PackedViews(tmp_path, 2, (4, 5, 6))
    for n in range(3):
        views.write(n, np.full((2, 4, 5, 6), n, np.float32), np.full((4, 5, 6), n))
    images, masks = views.read([2, 0])
    assert images.shape == (2, 2, 4, 5, 6)
    assert masks is not None
    assert masks.shape == (2, 1, 4, 5, 6)
    assert images[:, 0, 0, 0, 0].tolist() == masks[:, 0, 0, 0, 0].tolist() == [2, 0]


def test_points_lie_on_their_structure_and_are_bounded():
    small, large, absent = structure_points(a_mask(), 3)
    assert [tuple(p) for p in np.argwhere(a_mask() == 1)] == [
        tuple(map(int, np.unravel_index(small[0], (4, 5, 6))))
    ]
    assert (a_mask().ravel()[large] == 2).all()
    assert len(absent) == 0
    assert len(structure_points(np.ones((20, 20, 20), np.uint8), 1)[0]) == 200


def test_points_are_found_once_and_kept(tmp_path):
    points = StructurePoints(tmp_path, 2, 2)
    first = points.find(1, a_mask())
    again = points.find(1, np.zeros((4, 5, 6), np.uint8))
    for kept, found in zip(again, first, strict=True):
        np.testing.assert_array_equal(kept, found)
    assert len(points.find(0, np.zeros((4, 5, 6), np.uint8))[0]) == 0
