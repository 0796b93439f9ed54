import numpy as np
import pytest

from tests.unit.ingest.image_makers import a_body, a_grid, a_look
from voxray.core.geometry import VoxelGrid
from voxray.ingest.looks import (
    area_means,
    look_at,
    percentiles,
    slice_ranges,
    tiny_image,
)


def test_area_means_count_a_voxel_by_the_part_inside_the_box() -> None:
    line = np.array([0.0, 3.0, 6.0]).reshape(3, 1, 1)
    means = area_means(line, (2, 1, 1)).ravel()
    assert means == pytest.approx([1.0, 5.0])  # (0 + 3/2) / 1.5 and (3/2 + 6) / 1.5


def test_area_means_do_not_depend_on_the_order_in_memory() -> None:
    body = a_body()
    one = area_means(np.ascontiguousarray(body), (5, 7, 4))
    other = area_means(np.asfortranarray(body), (5, 7, 4))
    assert one == pytest.approx(other, abs=1e-2)


def test_values_are_summarised() -> None:
    voxels = np.zeros((10, 10, 10), np.float32)
    voxels[5:] = 100
    look = a_look(voxels, spacing_mm=(1.0, 2.0, 3.0))
    assert [look.low, look.high, look.mean, look.fraction_zero] == [0, 100, 50, 0.5]
    assert look.two_valued
    assert look.extent_mm == pytest.approx((10, 20, 30))


def test_axes_of_the_file_do_not_change_the_look() -> None:
    body = a_body()
    affine = np.diag([-1.0, -1.0, 1.0, 1.0])[:, [2, 0, 1, 3]]
    turned = np.transpose(body[::-1, ::-1], (2, 0, 1))
    i, j, k = turned.shape
    other = look_at(
        turned, VoxelGrid.from_affine("x", (i, j, k), affine), slice_ranges(turned)
    )
    assert other.tiny == a_look(body).tiny
    assert other.extent_mm == a_look(body).extent_mm


@pytest.mark.parametrize(
    ("shape", "cells"), [((9, 300, 4), (10, 10, 10)), ((28, 28, 1), (32, 32))]
)
def test_tiny_image_has_one_size_for_volumes_and_one_for_planes(
    shape: tuple[int, ...], cells: tuple[int, ...]
) -> None:
    assert tiny_image(a_look(a_body(shape=shape))).shape == cells


def test_a_look_is_small() -> None:
    assert len(a_look(a_body()).tiny) < 1400


def test_percentiles_of_many_voxels_come_from_a_sample() -> None:
    voxels = np.arange(1_000_000, dtype=np.float32).reshape(100, 100, 100)
    assert percentiles(voxels)[1] == pytest.approx(500_000, rel=0.01)


def test_grid_of_the_maker_is_ras() -> None:
    assert a_grid((2, 3, 4)).axes_to_ras()[0] == (0, 1, 2)
