import numpy as np
import pytest

from tests.unit.manifest.makers import a_record
from voxray.core.geometry import VoxelGrid
from voxray.core.specs import ChannelRules, IntakeRules
from voxray.ingest.alignment import check_aligned, overlap


def a_grid(shape=(10, 10, 10), spacing=(1.0, 1.0, 1.0), origin=(0.0, 0.0, 0.0)):
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = origin
    return VoxelGrid.from_affine("-", shape, affine)


def test_a_grid_covers_itself():
    assert overlap(a_grid(), a_grid()) == 1


def test_half_of_a_box_is_half():
    assert overlap(a_grid(), a_grid(origin=(5.0, 0.0, 0.0))) == 0.5


def test_boxes_apart_share_nothing():
    assert overlap(a_grid(), a_grid(origin=(50.0, 0.0, 0.0))) == 0


@pytest.mark.parametrize("spacing", [(0.5, 0.5, 0.5), (2.0, 2.0, 2.0)])
def test_boxes_reach_to_the_edges_of_voxels_whatever_their_size(spacing):
    shape = tuple(round(10 / mm) for mm in spacing)
    origin = tuple((mm - 1) / 2 for mm in spacing)

    assert overlap(a_grid(), a_grid(shape, spacing, origin)) == 1


def test_a_small_box_inside_a_large_one_is_covered_and_covers_little():
    small = a_grid((2, 2, 2), origin=(4.0, 4.0, 4.0))

    assert overlap(small, a_grid()) == 1
    assert overlap(a_grid(), small) == pytest.approx(0.008, abs=0.01)


@pytest.mark.parametrize(
    ("shape", "spacing", "n_refused"),
    [((75, 60, 1), 1.0, 2), ((100, 80, 1), 1.0, 0), ((75, 60, 1), 1.1, 0)],
)
def test_pictures_of_unknown_pixel_size_must_have_equal_numbers(
    shape, spacing, n_refused
):
    grids = {"a": a_grid((100, 80, 1)), "b": a_grid(shape, (spacing, spacing, 1.0))}
    records = [
        a_record(name, exam_id="e", channel=name, grid=grid)
        for name, grid in grids.items()
    ]
    rules = IntakeRules(channels={"a": ChannelRules(), "b": ChannelRules()})
    found = check_aligned(records, rules)
    assert len(found) == n_refused
    if found:
        assert all("75 x 60 pixels of unknown" in f.detail for f in found.values())
