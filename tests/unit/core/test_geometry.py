import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxray.core.errors import GeometryError
from voxray.core.geometry import SpacingMm, VoxelGrid, to_nearest_ras
from voxray.core.hashing import sha256_pixels


def grid_of(affine, shape=(4, 5, 6)):
    return VoxelGrid.from_affine("scan-1", shape, affine)


def rotation(degrees, axes):
    one, other = axes
    angle = np.deg2rad(degrees)
    matrix = np.eye(4)
    matrix[one, one] = matrix[other, other] = np.cos(angle)
    matrix[one, other], matrix[other, one] = -np.sin(angle), np.sin(angle)
    return matrix


angles = st.floats(-20, 20)
spacings = st.floats(0.3, 8.0)


@st.composite
def oblique_scans(draw):
    """A scan up to 20 degrees off the patient's axes, in any mm spacing."""
    turned = np.eye(4)
    for axes in ((0, 1), (0, 2), (1, 2)):
        turned = turned @ rotation(draw(angles), axes)
    affine = turned @ np.diag([*(draw(spacings) for _ in range(3)), 1.0])
    affine[:3, 3] = [draw(st.floats(-300, 300)) for _ in range(3)]
    shape = tuple(draw(st.integers(1, 5)) for _ in range(3))
    voxels = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    return voxels, grid_of(affine, shape)


def stored_otherwise(voxels, grid, order, flips):
    """The same image with its array axes permuted and flipped."""
    columns, origin = grid.affine[:3, :3].copy(), grid.affine[:3, 3].copy()
    for axis in range(3):
        if flips[axis]:
            origin += columns[:, axis] * (voxels.shape[axis] - 1)
            columns[:, axis] *= -1
            voxels = np.flip(voxels, axis)
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = columns[:, order], origin
    turned = np.transpose(voxels, order)
    return turned, grid_of(affine, turned.shape)


def test_spacing_is_column_length_when_affine_is_oblique():
    grid = grid_of(rotation(30, (0, 1)) @ np.diag([0.5, 0.5, 3.0, 1.0]))

    assert grid.spacing_mm == pytest.approx(SpacingMm(0.5, 0.5, 3.0))


def test_extent_counts_from_outer_edge_to_outer_edge():
    grid = grid_of(np.diag([0.5, 1.0, 3.0, 1.0]), shape=(4, 5, 6))

    assert grid.extent_mm == pytest.approx((2.0, 5.0, 18.0))


def test_corners_are_centres_of_corner_voxels():
    affine = np.diag([2.0, 1.0, 1.0, 1.0])
    affine[:3, 3] = (10, 0, 0)

    corners = grid_of(affine, shape=(3, 1, 2)).corners_ras_mm()

    assert corners.min(axis=0).tolist() == [10, 0, 0]
    assert corners.max(axis=0).tolist() == [14, 0, 1]


def test_affine_without_slice_spacing_is_refused():
    with pytest.raises(GeometryError, match=r"scan 'scan-1': affine is singular"):
        grid_of(np.diag([1.0, 1.0, 0.0, 1.0]))


def test_affine_with_two_equal_axes_is_refused():
    affine = np.eye(4)
    affine[:3, 1] = affine[:3, 0]

    with pytest.raises(GeometryError, match="singular"):
        grid_of(affine)


def test_affine_larger_than_any_scan_is_refused():
    with pytest.raises(GeometryError, match=r"holds 1e\+200 mm; no scan is that large"):
        VoxelGrid.from_affine("scan-1", (2, 2, 2), np.diag([1e200, 1, 1, 1]))


def test_small_voxels_are_not_taken_for_singular():
    assert grid_of(np.diag([1e-3, 1e-3, 1e-3, 1.0])).spacing_mm.i == pytest.approx(1e-3)


def test_voxels_smaller_than_an_atom_are_refused():
    with pytest.raises(GeometryError, match="a voxel axis has no length"):
        grid_of(np.diag([8e-72, 8e-72, 8e-72, 1.0]))


def test_affine_of_wrong_shape_is_refused():
    with pytest.raises(GeometryError, match=r"shape \(4, 4\), got \(3, 3\)"):
        grid_of(np.eye(3))


def test_affine_with_nan_is_refused():
    with pytest.raises(GeometryError, match="NaN or infinity"):
        grid_of(np.diag([1.0, np.nan, 1.0, 1.0]))


@pytest.mark.parametrize(("shift_mm", "expected"), [(0.0005, True), (0.01, False)])
def test_grids_match_only_within_tolerance(shift_mm, expected):
    moved = np.eye(4)
    moved[0, 3] = shift_mm

    assert grid_of(np.eye(4)).matches(grid_of(moved)) is expected


def test_grids_of_different_shape_never_match():
    assert not grid_of(np.eye(4)).matches(grid_of(np.eye(4), shape=(4, 5, 7)))


def test_small_rotation_counts_by_what_it_moves():
    turned = rotation(0.01, (0, 1))

    assert grid_of(np.eye(4), (2, 2, 2)).matches(grid_of(turned, (2, 2, 2)))
    assert not grid_of(np.eye(4), (512, 512, 2)).matches(grid_of(turned, (512, 512, 2)))


def test_caller_cannot_change_grid_through_its_affine():
    affine = np.eye(4)
    grid = grid_of(affine)
    affine[0, 0] = 9.0

    assert grid.spacing_mm.i == 1.0
    with pytest.raises(ValueError, match="read-only"):
        grid.affine[0, 0] = 9.0


def test_lps_axes_are_flipped_and_origin_moves_to_the_other_end():
    voxels = np.arange(4, dtype=np.float32).reshape(2, 2, 1)
    turned, grid = to_nearest_ras(voxels, grid_of(np.diag([-2.0, -1, 1, 1]), (2, 2, 1)))

    assert turned[:, :, 0].tolist() == [[3, 2], [1, 0]]
    assert grid.affine[:3, 3].tolist() == [-2, -1, 0]
    assert grid.spacing_mm == SpacingMm(2, 1, 1)


@settings(deadline=None, max_examples=40)
@given(oblique_scans())
def test_nearest_ras_keeps_every_voxel_at_its_place(scan):
    voxels, grid = scan
    turned, ras = to_nearest_ras(voxels, grid)

    for index in np.ndindex(turned.shape):
        point = ras.affine @ [*index, 1.0]
        source = np.rint(np.linalg.solve(grid.affine, point)[:3]).astype(int)
        assert voxels[tuple(source)] == turned[index]
    assert (np.argmax(np.abs(ras.affine[:3, :3]), axis=0) == [0, 1, 2]).all()
    assert (np.diag(ras.affine) > 0).all()


@settings(deadline=None, max_examples=40)
@given(oblique_scans())
def test_nearest_ras_twice_changes_nothing_more(scan):
    once, grid = to_nearest_ras(*scan)
    twice, again = to_nearest_ras(once, grid)

    assert np.array_equal(once, twice)
    assert np.array_equal(grid.affine, again.affine)


@settings(deadline=None, max_examples=40)
@given(
    oblique_scans(),
    st.permutations([0, 1, 2]),
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
def test_way_of_storing_changes_neither_ras_array_nor_pixel_hash(scan, order, flips):
    voxels, grid = scan
    other, other_grid = stored_otherwise(voxels, grid, order, flips)

    turned, ras = to_nearest_ras(voxels, grid)
    other_turned, other_ras = to_nearest_ras(other, other_grid)

    assert np.array_equal(turned, other_turned)
    assert ras.matches(other_ras)
    assert sha256_pixels(voxels, grid) == sha256_pixels(other, other_grid)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_grid_at_45_degrees_turns_one_way_however_it_is_stored(axis: int) -> None:
    half = np.sqrt(0.5)
    turn = np.roll([[half, -half, 0], [half, half, 0], [0, 0, 1]], axis, axis=(0, 1))
    voxels = np.arange(60.0).reshape(3, 4, 5)
    affine = np.eye(4)
    affine[:3, :3] = turn + np.random.default_rng(axis).normal(0, 1e-7, (3, 3))
    grid = VoxelGrid.from_affine("s1", (3, 4, 5), affine)
    expected, _ = to_nearest_ras(voxels, grid)

    for order in itertools.permutations(range(3)):
        stored = affine.copy()
        stored[:3, :3] = affine[:3, order]
        i, j, k = (voxels.shape[n] for n in order)
        other = VoxelGrid.from_affine("s1", (i, j, k), stored)
        turned, _ = to_nearest_ras(voxels.transpose(order), other)
        np.testing.assert_array_equal(turned, expected)
