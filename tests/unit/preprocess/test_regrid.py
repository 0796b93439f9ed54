import numpy as np
import pytest

from tests.unit.model.makers import a_plan
from tests.unit.preprocess.makers import (
    a_grid,
    linear_in_mm,
    on_source,
    turned,
    write_scan,
)
from voxray.core.geometry import VoxelGrid
from voxray.preprocess import prepare_exam

TWO = ("t1", "flair")


def a_two_channel_plan(**changes):
    plan = a_plan("classify")
    normalisation = dict.fromkeys(TWO, "window")
    return plan.model_copy(
        update={"channels": TWO, "normalisation": normalisation} | changes
    )


def a_pair(folder, other_grid):
    first = a_grid()
    return {
        "t1": write_scan(folder / "t1.nii.gz", linear_in_mm(first), first.affine),
        "flair": write_scan(
            folder / "flair.nii.gz", linear_in_mm(other_grid), other_grid.affine
        ),
    }


def grid(shape, spacing, origin):
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = origin
    return VoxelGrid.from_affine("-", shape, affine)


def test_the_other_channel_is_read_at_the_places_of_the_first(tmp_path):
    other = grid((14, 20, 14), (2.0, 1.5, 1.2), (-8.0, -1.0, 5.0))

    exam = prepare_exam(a_pair(tmp_path, other), None, a_two_channel_plan())

    assert exam.image.shape[0] == 2
    np.testing.assert_allclose(exam.image[1], exam.image[0], atol=1e-3)


def test_a_place_outside_the_other_channel_has_its_lowest_value(tmp_path):
    other = grid((6, 20, 12), (1.0, 1.0, 1.0), (-5.0, 3.0, 7.0))

    exam = prepare_exam(a_pair(tmp_path, other), None, a_two_channel_plan())

    np.testing.assert_allclose(exam.image[1][:6], exam.image[0][:6], atol=1e-3)
    assert (exam.image[1][7:] == linear_in_mm(other).min()).all()


def test_a_channel_on_the_same_grid_keeps_its_voxels(tmp_path):
    exam = prepare_exam(a_pair(tmp_path, a_grid()), None, a_two_channel_plan())

    np.testing.assert_array_equal(exam.image[1], exam.image[0])


@pytest.mark.parametrize(("kind", "absent"), [("zscore", 0.0), ("window", np.nan)])
def test_a_channel_that_is_not_there_is_nothing(tmp_path, kind, absent):
    plan = a_two_channel_plan(normalisation=dict.fromkeys(TWO, kind))
    sources = a_pair(tmp_path, a_grid()) | {"flair": None}

    exam = prepare_exam(sources, None, plan)

    np.testing.assert_array_equal(exam.image[1], np.full(a_grid().shape, absent))


def test_shares_return_to_a_turned_source_grid():
    source = a_grid()
    voxels, affine = turned(
        linear_in_mm(source), source.affine, (2, 0, 1), (True, False, True)
    )
    stored = VoxelGrid.from_affine("-", voxels.shape, affine)

    back = on_source(linear_in_mm(source)[None], source, stored)

    np.testing.assert_allclose(back[0], voxels, atol=1e-4)
