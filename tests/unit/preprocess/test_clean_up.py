import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.model.makers import a_plan
from tests.unit.preprocess.makers import a_grid
from voxray.core.specs import CleanUp, StructureCleanUp
from voxray.preprocess import clean, find_pieces

GRID = a_grid((20, 20, 20), (1.0, 2.0, 5.0))  # 0.01 ml a voxel
PLAN = a_plan("segment", structures=("liver", "cyst"), mask_values=(4, 9))
LARGEST = StructureCleanUp(keep_largest=True)


def three_pieces():
    """Liver of 27, 8 and 1 voxels, cyst of 1 voxel."""
    labels = np.zeros((20, 20, 20), np.uint16)
    labels[1:4, 1:4, 1:4] = 4
    labels[8:10, 8:10, 8:10] = 4
    labels[15, 15, 15] = 4
    labels[18, 1, 1] = 9
    return labels


def left(rule, structure="liver"):
    rules = CleanUp(structures={structure: rule})
    labels = clean(three_pieces(), GRID, PLAN, rules)
    return int((labels == 4).sum()), int((labels == 9).sum())


@pytest.mark.parametrize(
    ("rule", "voxels"),
    [
        (StructureCleanUp(), 36),
        (StructureCleanUp(min_ml=0.01), 36),
        (StructureCleanUp(min_ml=0.02), 35),
        (StructureCleanUp(min_ml=0.2), 27),
        (StructureCleanUp(min_ml=1.0), 0),
        (LARGEST, 27),
        (StructureCleanUp(keep_largest=True, min_ml=1.0), 0),
    ],
)
def test_pieces_a_rule_does_not_keep_become_background(rule, voxels):
    assert left(rule) == (voxels, 1)


def test_a_structure_without_rule_or_voxels_is_left_alone():
    empty = np.zeros((4, 4, 4), np.uint16)
    rules = CleanUp(structures={"liver": LARGEST})
    assert not clean(empty, GRID, PLAN, rules).any()
    assert left(LARGEST, "cyst") == (36, 1)


def test_voxels_that_touch_at_a_corner_are_two_pieces():
    inside = np.zeros((3, 3, 3), bool)
    inside[0, 0, 0] = inside[1, 1, 1] = True
    pieces = find_pieces(inside)
    assert pieces is not None
    assert pieces.sizes.tolist() == [1, 1]
    assert pieces.numbers.shape == (2, 2, 2)


@given(st.integers(0, 2**27 - 1))
@settings(deadline=None, max_examples=50)
def test_pieces_are_every_voxel_of_the_mask(bits):
    inside = np.array([bits >> n & 1 for n in range(27)], bool).reshape(3, 3, 3)
    pieces = find_pieces(inside)
    assert (0 if pieces is None else pieces.sizes.sum()) == inside.sum()


SMALL = StructureCleanUp(min_ml=0.1)


@pytest.mark.parametrize(
    ("folds", "rule"),
    [
        ([LARGEST, LARGEST, None], LARGEST),
        ([LARGEST, SMALL, None], None),
        ([LARGEST, SMALL, SMALL, SMALL, None], SMALL),
        ([LARGEST, None], None),
        ([None, None, LARGEST], None),
        ([], None),
    ],
)
def test_a_model_takes_the_rule_of_more_than_half_of_its_folds(folds, rule):
    chosen = [CleanUp(structures={"liver": r} if r else {}) for r in folds]
    assert CleanUp.of_most(chosen).structures == ({"liver": rule} if rule else {})


def test_rule_takes_the_same_speck_out_of_every_export_of_a_picture():
    rules = CleanUp(structures={"liver": StructureCleanUp(min_ml=1.0)})
    plan = PLAN.model_copy(update={"longer_side_mm": 256.0})
    left = []
    for scale in (1, 8):
        labels = np.zeros((64 * scale, 48 * scale, 1), np.uint16)
        labels[: 2 * scale, : 2 * scale] = 4  # 64 mm2 as they count
        labels[32 * scale :] = 4
        clean(labels, a_grid(labels.shape), plan, rules)
        left.append((labels == 4).mean())
    assert left == [0.5, 0.5]
