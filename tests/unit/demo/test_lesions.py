"""Lesions and the heads they grow in."""

import numpy as np
import pytest

from voxray.demo.anatomy import Anatomy
from voxray.demo.lesions import draw_lesions, grown, lesion_profile
from voxray.demo.scanners import SCANNERS, acquire


def a_lesion(templates, seed=3):
    return draw_lesions(templates, np.random.default_rng(seed))[0]


def points_around(centre_mm, half_mm=20):
    axis = np.arange(-half_mm, half_mm + 1, dtype=np.float32)
    cube = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"))
    return cube + centre_mm.astype(np.float32)[:, None, None, None]


def test_one_to_three_lesions_of_5_to_9_mm_apart(templates):
    for seed in range(20):
        lesions = draw_lesions(templates, np.random.default_rng(seed))
        assert 1 <= len(lesions) <= 3
        for n, lesion in enumerate(lesions):
            assert lesion.radii_mm.min() >= 5.0
            assert lesion.radii_mm.max() <= 9.0
            for other in lesions[:n]:
                assert np.linalg.norm(lesion.centre_mm - other.centre_mm) >= 22


def test_profile_is_one_inside_zero_outside_and_soft_between(templates):
    lesion = a_lesion(templates)
    profile = lesion_profile(lesion, points_around(lesion.centre_mm))
    assert profile[20, 20, 20] > 0.99
    assert profile[0, 0, 0] == 0
    assert ((profile > 0.1) & (profile < 0.9)).any()


def test_grown_lesion_is_larger(templates):
    lesion = a_lesion(templates)
    points = points_around(lesion.centre_mm)
    before = lesion_profile(lesion, points).sum()
    assert lesion_profile(grown(lesion, 1.15), points).sum() > 1.3 * before


@pytest.mark.parametrize("scanner", SCANNERS, ids=lambda s: s.name)
def test_lesion_is_brighter_than_the_healthy_scan_and_only_where_the_mask_says(
    templates, scanner
):
    anatomy = Anatomy.draw(np.random.default_rng(1))
    lesions = draw_lesions(templates, np.random.default_rng(2))
    ill = acquire(templates, anatomy, lesions, scanner, np.random.default_rng(3))
    well = acquire(templates, anatomy, (), scanner, np.random.default_rng(3))
    gain = ill.volume.voxels.astype(float) - well.volume.voxels
    assert ill.mask.sum() >= 10
    assert not well.mask.any()
    assert gain[ill.mask == 1].min() > 0.02 * scanner.gain
    assert np.median(gain[ill.mask == 0]) == 0


def test_grid_is_centred_and_right_handed(templates):
    anatomy = Anatomy.draw(np.random.default_rng(1))
    for scanner in SCANNERS:
        scan = acquire(templates, anatomy, (), scanner, np.random.default_rng(3))
        grid = scan.volume.grid
        assert np.allclose(grid.corners_ras_mm().mean(axis=0), 0, atol=1e-9)
        assert np.linalg.det(grid.affine) > 0
        assert np.allclose(grid.spacing_mm, scanner.spacing_mm)
        assert 145 <= min(grid.extent_mm) <= max(grid.extent_mm) <= 195


def test_brain_fits_into_the_field_of_view(templates):
    for seed, scanner in enumerate(SCANNERS):
        rng = np.random.default_rng(seed)
        voxels = acquire(
            templates, Anatomy.draw(rng), (), scanner, rng
        ).volume.voxels.astype(float)
        bright = voxels > 0.25 * np.percentile(voxels, 99)
        for axis in range(3):
            for end in (0, -1):
                assert np.take(bright, end, axis=axis).mean() < 0.01
