import itertools
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from monai.data.meta_tensor import MetaTensor
from monai.transforms.compose import Compose
from monai.transforms.spatial.array import Orientation, Spacing

from tests.makers import Series, nifti_source, truncate, write_nifti, write_series
from tests.unit.model.makers import a_plan
from tests.unit.preprocess.makers import (
    SHAPE,
    a_grid,
    an_affine,
    linear_in_mm,
    on_source,
    places_mm,
    prepare_scan,
    turned,
    write_scan,
)
from voxray.core.errors import ScanError, UnreadableScanError
from voxray.core.geometry import VoxelGrid
from voxray.preprocess import (
    ScanGeometry,
    build_transforms,
    label_map,
    volumes_ml,
)

WINDOW = {"image": "window"}


ORDERS = list(itertools.permutations(range(3)))
FLIPS = list(itertools.product([False, True], repeat=3))


def a_block(shape=SHAPE, value=1):
    labels = np.zeros(shape, np.uint8)
    labels[4:9, 6:13, 3:7] = value
    return labels


def test_an_identity_plan_gives_the_z_scores_of_the_scan(tmp_path):
    voxels = np.random.default_rng(0).integers(0, 900, SHAPE, np.int16)
    source = write_scan(tmp_path / "s.nii.gz", voxels, an_affine())
    scan = prepare_scan(source, None, a_plan())
    values = voxels.astype(np.float64)
    wanted = (values - values.mean()) / values.std()
    assert scan.image.dtype == np.float32
    assert scan.image.shape == (1, *SHAPE)
    np.testing.assert_allclose(scan.image[0], wanted, atol=1e-4)
    assert scan.grid.matches(a_grid())


def test_window_channels_keep_their_units(tmp_path):
    voxels = np.random.default_rng(0).integers(-900, 900, SHAPE, np.int16)
    source = write_scan(tmp_path / "s.nii.gz", voxels, an_affine())
    scan = prepare_scan(source, None, a_plan(normalisation=WINDOW))
    np.testing.assert_array_equal(scan.image[0], voxels)


@pytest.mark.parametrize("spacing", [(2.0, 2.0, 2.0), (0.7, 1.3, 1.9), (1.5, 1.0, 4.0)])
def test_a_resampled_voxel_has_the_value_of_its_place(tmp_path, spacing):
    grid = a_grid((30, 30, 30))
    source = write_scan(tmp_path / "s.nii.gz", linear_in_mm(grid), grid.affine)
    plan = a_plan(normalisation=WINDOW, spacing_mm=spacing)
    scan = prepare_scan(source, None, plan)
    np.testing.assert_allclose(scan.grid.spacing_mm, spacing, atol=1e-6)
    inner = _inside(places_mm(scan.grid), grid, border=5)
    assert inner.any()
    wanted = linear_in_mm(scan.grid)
    np.testing.assert_allclose(scan.image[0][inner], wanted[inner], atol=1e-3)


def _inside(places, grid, border=0):
    """Places with at least so many voxels between them and the border."""
    index = np.linalg.inv(grid.affine)[:3, :3] @ (
        places.reshape(3, -1) - grid.affine[:3, 3:]
    )
    last = np.array(grid.shape)[:, None] - 1 - border
    within = ((index >= border - 1e-9) & (index <= last + 1e-9)).all(axis=0)
    return within.reshape(places.shape[1:])


@pytest.mark.parametrize(
    ("order", "flips"), list(itertools.product(ORDERS[1:], FLIPS[::3]))
)
def test_how_the_axes_are_stored_does_not_matter(tmp_path, order, flips):
    affine = an_affine((1.0, 1.5, 2.0))
    voxels = np.random.default_rng(0).integers(0, 900, SHAPE, np.int16)
    plan = a_plan(normalisation=WINDOW, spacing_mm=(1.2, 1.2, 2.0))
    stored, matrix = turned(voxels, affine, order, flips)
    labels, _ = turned(a_block(), affine, order, flips)
    one = prepare_scan(
        write_scan(tmp_path / "a.nii.gz", voxels, affine),
        write_scan(tmp_path / "am.nii.gz", a_block(), affine),
        plan,
    )
    other = prepare_scan(
        write_scan(tmp_path / "b.nii.gz", stored, matrix),
        write_scan(tmp_path / "bm.nii.gz", labels, matrix),
        plan,
    )
    assert one.grid.matches(other.grid)
    np.testing.assert_allclose(one.image, other.image, atol=0.05)
    np.testing.assert_array_equal(one.mask, other.mask)


def test_a_dicom_series_and_its_nifti_give_one_array(tmp_path):
    series = Series(n_slices=6)
    scan = series.source(write_series(tmp_path / "dicom", series))
    affine = np.diag([-1.0, -1.0, 2.0, 1.0])
    nifti = write_nifti(
        tmp_path / "s.nii.gz", series.stored().transpose(2, 1, 0), affine
    )
    plan = a_plan(spacing_mm=(1.0, 1.0, 1.0))
    one = prepare_scan(scan, None, plan)
    other = prepare_scan(nifti_source(nifti), None, plan)
    assert one.grid.matches(other.grid)
    np.testing.assert_allclose(one.image, other.image, atol=1e-4)


def test_masks_become_structure_numbers(tmp_path):
    labels = a_block(value=7)
    labels[0, 0, 0] = 9
    labels[1, 0, 0] = 5
    plan = a_plan("segment", structures=("big", "dot"), mask_values=(7, 9))
    scan = prepare_scan(
        write_scan(tmp_path / "s.nii.gz", linear_in_mm(a_grid()), an_affine()),
        write_scan(tmp_path / "m.nii.gz", labels, an_affine()),
        plan,
    )
    assert scan.mask is not None
    assert scan.mask.dtype == np.uint8
    assert scan.mask[0, 0, 0] == 2
    assert scan.mask[1, 0, 0] == 0
    np.testing.assert_array_equal(scan.mask == 1, labels == 7)


def test_a_mask_stays_on_its_place_when_the_spacing_changes(tmp_path):
    affine = an_affine((1.0, 1.0, 3.0))
    plan = a_plan("segment", spacing_mm=(1.0, 1.0, 1.0))
    scan = prepare_scan(
        write_scan(tmp_path / "s.nii.gz", linear_in_mm(a_grid()), affine),
        write_scan(tmp_path / "m.nii.gz", a_block(), affine),
        plan,
    )
    source = VoxelGrid.from_affine("s", SHAPE, affine)
    centre = places_mm(source)[:, a_block() == 1].mean(axis=1)
    found = places_mm(scan.grid)[:, scan.mask == 1].mean(axis=1)
    np.testing.assert_allclose(found, centre, atol=0.51)


def test_flat_scans_stay_flat_and_keep_their_thickness(tmp_path):
    voxels = np.random.default_rng(0).integers(0, 900, (28, 20, 1), np.int16)
    source = write_scan(tmp_path / "s.nii.gz", voxels, an_affine((1.0, 1.0, 5.0)))
    scan = prepare_scan(source, None, a_plan("classify", spacing_mm=(2.0, 2.0, 1.0)))
    assert scan.image.shape == (1, 14, 10, 1)
    assert scan.grid.spacing_mm == pytest.approx((2.0, 2.0, 5.0))


def test_back_on_the_same_grid_nothing_changes():
    shares = np.random.default_rng(0).random((2, *SHAPE)).astype(np.float32)
    back = on_source(shares, a_grid(), a_grid())
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, shares, atol=1e-6)


@pytest.mark.parametrize("spacing", [(2.0, 2.0, 2.0), (0.8, 1.1, 3.0)])
def test_back_on_the_source_grid_values_keep_their_place(spacing):
    grid, source = a_grid((24, 30, 20), (1.0, 1.0, 1.0)), a_grid(SHAPE, spacing)
    back = on_source(linear_in_mm(grid)[None], grid, source)[0]
    inner = _inside(places_mm(source), grid)
    wanted = linear_in_mm(source)
    np.testing.assert_allclose(back[inner], wanted[inner], atol=1e-3)


@pytest.mark.parametrize(("order", "flips"), [((2, 0, 1), (True, False, True))])
def test_a_label_map_survives_the_round_trip(tmp_path, order, flips):
    labels, matrix = turned(a_block(value=4), an_affine(), order, flips)
    voxels, _ = turned(linear_in_mm(a_grid()), an_affine(), order, flips)
    plan = a_plan("segment", mask_values=(4,))
    scan = prepare_scan(
        write_scan(tmp_path / "s.nii.gz", voxels, matrix),
        write_scan(tmp_path / "m.nii.gz", labels, matrix),
        plan,
    )
    source = VoxelGrid.from_affine("s", labels.shape, matrix)
    shares = np.stack([scan.mask == n for n in range(2)]).astype(np.float32)
    back = label_map(on_source(shares, scan.grid, source), plan)
    np.testing.assert_array_equal(back, labels)


def test_a_mask_that_is_no_number_is_no_background():
    shares = np.full((2, 2, 2, 2), np.nan, np.float32)
    with pytest.raises(ValueError, match="probability is NaN"):
        label_map(shares, a_plan("segment"))


def test_volumes_are_millilitres():
    plan = a_plan("segment", structures=("a", "b"), mask_values=(4, 6))
    grid = a_grid((10, 10, 10), (2.0, 2.0, 2.5))
    labels = np.zeros(grid.shape, np.uint16)
    labels[:, :, :2] = 4
    assert volumes_ml(labels, grid, plan) == {"a": pytest.approx(2.0), "b": 0.0}


def test_a_torn_scan_is_a_scan_error_and_not_a_traceback_of_the_library(tmp_path):
    path = write_nifti(tmp_path / "s.nii", np.zeros(SHAPE, np.int16))
    with pytest.raises(UnreadableScanError, match="scan 's1'"):
        prepare_scan(nifti_source(truncate(path, 0.5), "s1"), None, a_plan())


def test_what_is_no_scan_error_keeps_its_kind(tmp_path):
    source = write_scan(tmp_path / "s.nii.gz", linear_in_mm(a_grid()), an_affine())
    unnamed = replace(source, files=(object(),))
    with pytest.raises(RuntimeError) as caught:
        prepare_scan(unnamed, None, a_plan())
    assert caught.value.__cause__ is not caught.value


def test_the_transforms_are_a_plain_compose(tmp_path):
    source = write_scan(tmp_path / "s.nii.gz", linear_in_mm(a_grid()), an_affine())
    out = build_transforms(a_plan())({"image": source})
    assert set(out) == {"image"}
    assert tuple(out["image"].shape) == (1, *SHAPE)


def by_monai(source, spacing):
    """Resampled by MONAI, which picks points where the grid gets coarser."""
    image = nib.nifti1.load(source.files[0])
    voxels = np.asarray(image.dataobj, dtype=np.float32)[None]
    steps = [
        Orientation("RAS", labels=(("L", "R"), ("P", "A"), ("I", "S"))),
        Spacing(spacing, padding_mode="border"),
    ]
    return Compose(steps)(MetaTensor(voxels, affine=image.affine))


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.7, 1.0, 0.4)])
def test_where_nothing_gets_coarser_it_is_what_monai_gives(tmp_path, spacing):
    voxels = np.random.default_rng(0).integers(0, 900, SHAPE, np.int16)
    source = write_scan(tmp_path / "s.nii.gz", voxels, an_affine())
    plan = a_plan(normalisation=WINDOW, spacing_mm=spacing)
    wanted = by_monai(source, spacing)
    found = prepare_scan(source, None, plan)
    np.testing.assert_allclose(found.grid.affine, wanted.affine, atol=1e-6)
    np.testing.assert_allclose(found.image[0], wanted[0], atol=0.1)


@pytest.mark.parametrize("spacing", [(2.0, 2.0, 2.0), (1.3, 2.9, 5.0), (0.6, 3.0, 1.0)])
def test_grids_are_those_of_monai(tmp_path, spacing):
    source = write_scan(tmp_path / "s.nii.gz", linear_in_mm(a_grid()), an_affine())
    wanted = by_monai(source, spacing)
    found = prepare_scan(source, None, a_plan(spacing_mm=spacing))
    assert found.grid.shape == tuple(wanted.shape[1:])
    np.testing.assert_allclose(found.grid.affine, wanted.affine, atol=1e-6)


def test_texture_finer_than_the_new_grid_is_taken_away(tmp_path):
    fine = np.indices((48, 48, 48)).sum(axis=0) % 2 * 100.0
    source = write_scan(tmp_path / "s.nii.gz", fine.astype(np.float32), an_affine())
    coarse = (3.0, 3.0, 3.0)
    plan = a_plan(normalisation=WINDOW, spacing_mm=coarse)
    inner = prepare_scan(source, None, plan).image[0, 2:-2, 2:-2, 2:-2]
    assert by_monai(source, coarse).std() > 40
    assert inner.std() < 1
    assert inner.mean() == pytest.approx(50, abs=1)


def test_a_large_scan_is_kept_in_16_bits_if_they_tell_its_values_apart(tmp_path):
    shape = (201, 200, 200)
    voxels = np.random.default_rng(0).integers(-1000, 1000, shape, np.int16)
    ct, far = (
        write_scan(tmp_path / name, voxels + shift, an_affine())
        for name, shift in (("a.nii", 0), ("b.nii", np.float32(1e6)))
    )
    kept = prepare_scan(ct, None, a_plan(normalisation=WINDOW))
    assert kept.image.dtype == np.float16
    np.testing.assert_array_equal(kept.image[0], voxels)
    far_off = prepare_scan(far, None, a_plan(normalisation=WINDOW))
    assert far_off.image.dtype == np.float32


def test_values_close_to_the_largest_float_are_still_z_scored(tmp_path):
    voxels = np.random.default_rng(0).normal(1, 0.1, SHAPE).astype(np.float32) * 1e38
    path = write_nifti(tmp_path / "large.nii.gz", voxels.astype(np.float32))
    image = prepare_scan(nifti_source(path), None, a_plan()).image
    np.testing.assert_allclose((image.mean(), image.std()), (0, 1), atol=1e-3)


@pytest.mark.parametrize("mm", [1.0, 0.81, 4.3])
def test_exports_of_a_picture_of_any_size_are_one_input(tmp_path, mm):
    fine = np.linspace(0, 900, 64)[:, None] + np.linspace(0, 300, 48)[None]
    plan = a_plan(spacing_mm=(mm, mm, 1.0), longer_side_mm=256.0)
    seen = []
    for scale in (1, 4, 16):
        picture = np.kron(fine, np.ones((scale, scale)))[..., None]
        path = tmp_path / f"{scale}.nii.gz"
        source = write_scan(path, picture.astype(np.int16), an_affine())
        scan = prepare_scan(source, None, plan)
        seen.append(scan.image)
        back = on_source(scan.image, scan.grid, a_grid(picture.shape))
        assert np.corrcoef(back.ravel(), picture.ravel())[0, 1] > 0.99
    assert len({image.shape for image in seen}) == 1
    for image in seen[1:]:
        assert np.abs(image - seen[0]).mean() < 0.06


def test_planes_keep_their_stated_size_where_the_plan_counts_it(tmp_path):
    picture = np.zeros((64, 48, 1), np.int16)
    source = write_scan(tmp_path / "a.nii.gz", picture, an_affine())
    plan = a_plan(spacing_mm=(1.0, 1.0, 1.0))
    assert prepare_scan(source, None, plan).image.shape == (1, 64, 48, 1)


def test_volume_too_large_for_the_memory_is_refused_before_it_is_made(
    tmp_path, monkeypatch
):
    source = write_scan(tmp_path / "s.nii.gz", np.zeros(SHAPE, np.int16), an_affine())
    plan = a_plan(spacing_mm=(0.1, 0.1, 0.1))
    monkeypatch.setattr("voxray.preprocess.resample.memory_bytes", lambda: 16_000_000)
    with pytest.raises(ScanError, match="16 x 20 x 12 voxels become 151 x 191 x 111"):
        prepare_scan(source, None, plan)


@pytest.mark.parametrize("seed", range(12))
def test_oblique_scan_has_the_axes_that_the_plan_counted(tmp_path, seed):
    matrix, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3] = matrix * (1.0, 1.0, 3.0)
    voxels = np.random.default_rng(1).integers(0, 900, (10, 14, 6), np.int16)
    source = write_scan(tmp_path / "s.nii.gz", voxels, affine)
    counted = ScanGeometry.of(VoxelGrid.from_affine("s", voxels.shape, affine), "")
    scan = prepare_scan(source, None, a_plan(spacing_mm=counted.spacing_mm))
    assert scan.image.shape[1:] == counted.shape
