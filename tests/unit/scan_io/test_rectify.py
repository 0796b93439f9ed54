"""Leaning and uneven stacks, read onto a grid at right angles and even steps.

A ramp that is linear in space is read exactly by linear interpolation, wherever the
voxels lie; so the right value of every voxel is known from its place.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.unit.ingest.makers import a_header
from voxray.core.errors import GeometryError
from voxray.core.findings import FindingCode
from voxray.core.geometry import VoxelGrid
from voxray.scan_io.dicom.placement import SlicePlace, stack_grid
from voxray.scan_io.dicom.rectify import rectified

TILT, UNEVEN = FindingCode.GANTRY_TILT, FindingCode.UNEVEN_SPACING
FILL = -1000.0
SIZE = (6, 8)
OBLIQUE = (0.8, 0.6, 0.0, -0.36, 0.48, 0.8)


def places_at(
    points_lps_mm: Sequence[NDArray[np.float64]], orientation: tuple[float, ...]
) -> list[SlicePlace]:
    headers = [
        a_header(
            position_lps_mm=tuple(point),
            orientation_lps=orientation,
            pixel_spacing_mm=(2.0, 1.0),
        )
        for point in points_lps_mm
    ]
    return [SlicePlace.from_header(h, "s", "a slice") for h in headers]


def leaning(
    levels_mm: Sequence[float],
    lean_mm: Sequence[float] = (0.0, 0.5),
    orientation: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
) -> list[SlicePlace]:
    """Slices at these levels, each moved by so much in its plane per mm of level."""
    row, column = np.reshape(orientation, (2, 3))
    way = np.cross(row, column) + lean_mm[0] * row + lean_mm[1] * column
    return places_at([np.array([3, -5, 7]) + z * way for z in levels_mm], orientation)


def ramp(points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(points_mm @ [1.0, 2.0, 4.0] + 100)


def ramp_on(places: Sequence[SlicePlace]) -> NDArray[np.float32]:
    i, j = np.indices(SIZE)
    planes = [
        ramp(p.origin_mm + i[..., None] * p.step_i_mm + j[..., None] * p.step_j_mm)
        for p in places
    ]
    return np.stack(planes, axis=-1).astype(np.float32)


def ramp_on_grid(grid: VoxelGrid) -> NDArray[np.float64]:
    indexes = np.moveaxis(np.indices(grid.shape), 0, -1)
    return ramp(indexes @ grid.affine[:3, :3].T + grid.affine[:3, 3])


def read(places: Sequence[SlicePlace], *repairs: FindingCode) -> tuple[Any, VoxelGrid]:
    return rectified(ramp_on(places), places, "s", FILL, repairs)


def test_tilted_stack_is_moved_by_whole_voxels_by_hand() -> None:
    places = leaning([0, 4, 8])  # each slice lies 2 mm, one row, behind the last

    voxels, grid = read(places, TILT)

    assert grid.shape == (6, 10, 3)
    assert grid.affine.tolist() == [
        [-1, 0, 0, -3],
        [0, -2, 0, 5],
        [0, 0, 4, 7],
        [0, 0, 0, 1],
    ]
    source = ramp_on(places)
    for k in range(3):
        np.testing.assert_array_equal(voxels[:, k : k + 8, k], source[:, :, k])
    assert (voxels[:, 0, 1] == FILL).all()
    assert (voxels[:, 8:, 0] == FILL).all()


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.floats(-0.6, 0.6), st.floats(-0.6, 0.6)),
    st.sampled_from([(1.0, 0.0, 0.0, 0.0, 1.0, 0.0), OBLIQUE]),
    st.booleans(),
)
def test_ramp_of_a_tilted_stack_comes_back(
    lean_mm: tuple[float, float], orientation: tuple[float, ...], backwards: bool
) -> None:
    levels = [0, -3, -6, -9, -12] if backwards else [0, 3, 6, 9, 12]

    voxels, grid = read(leaning(levels, lean_mm, orientation), TILT)

    inside = voxels != FILL
    np.testing.assert_allclose(voxels[inside], ramp_on_grid(grid)[inside], atol=2e-3)
    assert inside.sum() >= 5 * 5 * 7  # half a voxel is lost at the edges at most
    unit = grid.affine[:3, :3] / np.linalg.norm(grid.affine[:3, :3], axis=0)
    np.testing.assert_allclose(unit.T @ unit, np.eye(3), atol=1e-6)


def test_uneven_steps_become_even_by_hand() -> None:
    places = leaning([0, 2, 4, 7, 9], (0, 0))  # 9 mm are 4 steps of 2.25 mm

    voxels, grid = read(places, UNEVEN)

    assert grid.shape == (6, 8, 5)
    assert grid.spacing_mm.k == pytest.approx(2.25)
    np.testing.assert_allclose(voxels, ramp_on_grid(grid), atol=1e-4)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(2, 6), min_size=1, max_size=8))
def test_ramp_of_an_uneven_stack_comes_back_from_end_to_end(steps: list[float]) -> None:
    levels = np.concatenate([[0], np.cumsum(steps)])

    voxels, grid = read(leaning(levels.tolist(), (0, 0), OBLIQUE), UNEVEN)

    np.testing.assert_allclose(voxels, ramp_on_grid(grid), atol=4e-3)
    assert grid.extent_mm[2] - grid.spacing_mm.k == pytest.approx(sum(steps))
    assert grid.spacing_mm.k >= min(steps) * (1 - 1e-3)


def test_both_repairs_go_together() -> None:
    voxels, grid = read(leaning([0, 2, 4, 7, 9], (0.3, -0.4)), TILT, UNEVEN)

    inside = voxels != FILL
    np.testing.assert_allclose(voxels[inside], ramp_on_grid(grid)[inside], atol=1e-3)
    assert inside.mean() > 0.4


def test_slices_that_stay_where_they_are_keep_their_values() -> None:
    places = leaning([0, 2, 4, 6], (0, 0))
    voxels = np.random.default_rng(0).normal(size=(*SIZE, 4)).astype(np.float32)

    same, grid = rectified(voxels, places, "s", FILL, (TILT, UNEVEN))

    np.testing.assert_array_equal(same, voxels)
    assert grid.matches(stack_grid("s", SIZE, places))


def test_infinite_value_does_not_spread_into_slices_that_are_not_between() -> None:
    places = leaning([0, 2, 4, 7, 9], (0, 0))
    voxels = ramp_on(places)
    voxels[0, 0, 3] = np.nan

    result, _ = rectified(voxels, places, "s", FILL, (UNEVEN,))

    assert np.isnan(result[0, 0]).tolist() == [False, False, True, True, False]


def test_other_repairs_are_not_its_business() -> None:
    places = leaning([0, 2, 4], (0, 0))

    voxels, _ = read(places, FindingCode.PADDING_VALUE)

    np.testing.assert_array_equal(voxels, ramp_on(places))


def test_one_slice_stays_as_it_is() -> None:
    places = [replace(p, stated_spacing_mm=3.0) for p in leaning([0])]

    voxels, grid = read(places, TILT, UNEVEN)

    assert grid.spacing_mm.k == 3.0
    np.testing.assert_array_equal(voxels, ramp_on(places))


def test_uneven_stack_that_is_not_to_be_repaired_is_refused() -> None:
    with pytest.raises(GeometryError, match="a slice is missing, doubled or out of"):
        read(leaning([0, 2, 4, 10]), TILT)


def test_lean_that_no_gantry_has_is_refused() -> None:
    with pytest.raises(GeometryError, match="leans by 63 degrees; no gantry tilts so"):
        read(leaning([0, 2, 4], (0.0, 2.0)), TILT)


def test_slices_out_of_order_are_refused() -> None:
    with pytest.raises(GeometryError, match="not in order along their normal"):
        read(leaning([0, 4, 2, 6]), TILT)


def test_turned_slice_is_refused() -> None:
    places = [*leaning([0, 2]), *leaning([4], orientation=OBLIQUE)]

    with pytest.raises(GeometryError, match="slice 3 is turned or scaled"):
        read(places, TILT)


def test_volume_that_would_be_mostly_invented_is_refused() -> None:
    levels = [0, 0.1, 0.2, 0.3, 50]

    with pytest.raises(GeometryError, match="would make 501 slices of 5"):
        read(leaning(levels, (0, 0)), UNEVEN)
