from dataclasses import astuple

import numpy as np
import pytest

from tests.unit.evaluate.mask_makers import a_blob, a_box, a_grid, turned
from voxray.core.specs.task import SegmentClass
from voxray.evaluate import dice_per_class, measure_masks

LESION = {"lesion": SegmentClass(value=1, tolerance_mm=1.5)}
SPACING = (0.7, 0.9, 3.0)
SHAPE = (10, 12, 6)


def measure(pred, truth, grid=None, classes=LESION):
    grid = grid or a_grid(pred.shape, SPACING)
    return measure_masks(pred.astype(np.uint16), truth.astype(np.uint8), grid, classes)


def a_pair(seed=1):
    generator = np.random.default_rng(seed)
    return a_blob(generator, SHAPE, 0.2), a_blob(generator, SHAPE, 0.2)


def test_both_empty_has_no_measure():
    empty = np.zeros(SHAPE, bool)

    assert astuple(measure(empty, empty)["lesion"]) == (None,) * 5


def test_prediction_where_nothing_is_drawn_has_no_distance():
    pred, _ = a_pair()

    found = measure(pred, np.zeros_like(pred))["lesion"]

    assert astuple(found) == (0, 0, 0, None, None)


def test_missed_structure_is_the_diagonal_of_the_image_away():
    _, truth = a_pair()
    diagonal = float(np.linalg.norm(np.multiply(SHAPE, SPACING)))

    found = measure(np.zeros_like(truth), truth)["lesion"]

    assert astuple(found)[:3] == (0, 0, 0)
    assert (found.hd95_mm, found.assd_mm) == pytest.approx((diagonal, diagonal))


def test_iou_follows_from_dice():
    for seed in range(20):
        pred, truth = a_pair(seed)
        found = measure(pred, truth)["lesion"]

        assert found.iou == pytest.approx(found.dice / (2 - found.dice))
        assert (
            found.dice == dice_per_class(pred * 1, truth * 1, {"lesion": 1})["lesion"]
        )


def test_each_structure_has_its_own_value_and_tolerance():
    pred, truth = (a_box((8, 8, 8), (1, 4), (1, 4), side) for side in ((1, 4), (3, 6)))
    classes = {
        "strict": SegmentClass(value=7, tolerance_mm=1),
        "lax": SegmentClass(value=9, tolerance_mm=2),
    }
    both = [np.concatenate([7 * mask, 9 * mask]) for mask in (pred, truth)]

    found = measure(both[0], both[1], a_grid((16, 8, 8)), classes)

    assert found["lax"].nsd == 1
    assert found["strict"].nsd < 1
    assert found["strict"].hd95_mm == found["lax"].hd95_mm == 2


def test_turned_grid_gives_the_same_measures():
    pred, truth = a_pair()
    straight = measure(pred, truth)["lesion"]
    oblique = measure(pred, truth, a_grid(SHAPE, SPACING, turned()))["lesion"]

    assert astuple(oblique) == pytest.approx(astuple(straight))


def test_order_and_direction_of_axes_do_not_matter():
    pred, truth = a_pair()
    moved = [mask.transpose(2, 0, 1)[::-1, :, ::-1] for mask in (pred, truth)]
    grid = a_grid(moved[0].shape, (SPACING[2], SPACING[0], SPACING[1]))

    assert astuple(measure(moved[0], moved[1], grid)["lesion"]) == pytest.approx(
        astuple(measure(pred, truth)["lesion"])
    )


def test_twice_the_spacing_is_twice_the_distance():
    pred, truth = a_pair()
    double = a_grid(SHAPE, np.multiply(SPACING, 2))
    lax = {"lesion": SegmentClass(value=1, tolerance_mm=3)}
    once, twice = (
        measure(pred, truth)["lesion"],
        measure(pred, truth, double, lax)["lesion"],
    )

    assert twice.hd95_mm == pytest.approx(2 * once.hd95_mm)
    assert twice.assd_mm == pytest.approx(2 * once.assd_mm)
    assert twice.nsd == pytest.approx(once.nsd)


def test_one_slice_is_measured_in_its_plane():
    """In three axes both faces of the slice would lie within any tolerance."""
    pred, truth = (
        a_box((20, 20, 1), side, (3, 9), (0, 1)) for side in ((2, 8), (8, 14))
    )

    found = measure(pred, truth, a_grid((20, 20, 1), (1, 1, 500)))["lesion"]

    assert found.hd95_mm == pytest.approx(6)
    assert found.nsd < 0.5
    missed = measure(np.zeros_like(pred), truth, a_grid((20, 20, 1), (1, 1, 500)))
    assert missed["lesion"].hd95_mm == pytest.approx(20 * 2**0.5)


def test_masks_of_different_shape_are_refused():
    with pytest.raises(ValueError, match=r"predicted \(2, 2, 2\), drawn \(3, 2, 2\)"):
        measure(np.ones((2, 2, 2)), np.ones((3, 2, 2)))
