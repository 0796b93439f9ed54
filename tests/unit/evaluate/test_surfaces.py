import numpy as np
import pytest
from scipy import ndimage

from tests.unit.evaluate.mask_makers import a_blob, a_box
from voxray.evaluate.surfaces import (
    Surface,
    SurfaceGap,
    by_transform,
    by_tree,
    nearest_mm,
)

N_CASES = 60


def gap_of(pred, truth, spacing_mm):
    return SurfaceGap.between(
        Surface.of(pred, spacing_mm), Surface.of(truth, spacing_mm)
    )


def cases():
    """Pairs of masks in two and three axes, spacings that differ, and tolerances."""
    generator = np.random.default_rng(5)
    for number in range(N_CASES):
        shape = tuple(generator.integers(3, 12, 2 if number % 4 == 0 else 3))
        spacing = tuple(generator.uniform(0.3, 4, len(shape)).tolist())
        truth = a_blob(generator, shape, generator.uniform(0.05, 0.5))
        pred = a_blob(generator, shape, generator.uniform(0.05, 0.5))
        if number % 3 == 0:  # nearly the same
            pred = truth ^ a_blob(generator, shape, 0.03)
        if pred.any() and truth.any():
            yield pred, truth, spacing, float(generator.uniform(0.2, 5))


def by_distance_transform(pred, truth, spacing, tolerance):
    """The same measures from MONAI's edges and areas and scipy's distance transform."""
    from monai.metrics.utils import get_mask_edges  # takes seconds

    edges_p, edges_t, areas_p, areas_t = (
        np.asarray(part, dtype=float)
        for part in get_mask_edges(pred, truth, spacing=spacing)
    )
    parts = []
    for own, other, areas in ((edges_p, edges_t, areas_p), (edges_t, edges_p, areas_t)):
        away = ndimage.distance_transform_edt(other == 0, sampling=spacing)
        parts.append((away[own > 0], areas[own > 0]))
    distance = np.concatenate([part[0] for part in parts])
    area = np.concatenate([part[1] for part in parts])
    hd95 = max(first_above(*part) for part in parts)
    return (
        hd95,
        np.average(distance, weights=area),
        area[distance <= tolerance].sum() / (area.sum()),
    )


def first_above(distance, area):
    """The smallest distance within which 95 % of the area lies."""
    wanted = 0.95 * area.sum() * (1 - 1e-9)
    return min(d for d in distance if area[distance <= d].sum() >= wanted)


def test_measures_are_those_of_a_distance_transform():
    differences = []
    for pred, truth, spacing, tolerance in cases():
        gap = gap_of(pred, truth, spacing)
        ours = gap.hd95_mm(), gap.assd_mm(), gap.nsd(tolerance)
        oracle = by_distance_transform(pred, truth, spacing, tolerance)
        differences.append(np.abs(np.subtract(ours, oracle)))

    assert len(differences) > N_CASES - 5
    assert np.max(differences, axis=0) == pytest.approx([0, 0, 0], abs=1e-5)


def test_an_oracle_without_the_spacing_is_noticed():
    wrong = [
        abs(
            gap_of(p, t, s).assd_mm()
            - by_distance_transform(p, t, (1.0,) * p.ndim, 1)[1]
        )
        for p, t, s, _ in list(cases())[:8]
    ]

    assert max(wrong) > 0.1


@pytest.mark.filterwarnings("ignore:.*scipy.ndimage:DeprecationWarning")
def test_measures_are_those_of_surface_distance():
    oracle = pytest.importorskip("surface_distance", reason="a development dependency")
    for pred, truth, spacing, tolerance in cases():
        gap = gap_of(pred, truth, spacing)
        found = oracle.compute_surface_distances(truth, pred, spacing)
        hd95 = oracle.compute_robust_hausdorff(found, 95)
        nsd = oracle.compute_surface_dice_at_tolerance(found, tolerance)

        assert gap.hd95_mm() == pytest.approx(hd95, abs=1e-6)
        assert gap.nsd(tolerance) == pytest.approx(nsd, abs=1e-6)


@pytest.mark.filterwarnings("ignore:.*always_return_as_numpy")  # MONAI's own call
def test_nsd_is_monais_with_subvoxels():
    import torch  # takes seconds, as MONAI does
    from monai.metrics.surface_dice import compute_surface_dice  # takes seconds

    for pred, truth, spacing, tolerance in list(cases())[:12]:
        pair = [torch.tensor(mask[None, None]).float() for mask in (pred, truth)]
        oracle = compute_surface_dice(
            pair[0],
            pair[1],
            [tolerance],
            include_background=True,
            spacing=spacing,
            use_subvoxels=True,
        )
        assert gap_of(pred, truth, spacing).nsd(tolerance) == pytest.approx(
            float(oracle), abs=1e-5
        )


def test_same_mask_is_no_distance_away():
    mask = a_box((6, 6, 6), (1, 4), (2, 5), (0, 3))
    gap = gap_of(mask, mask, (1, 2, 3))

    assert (gap.hd95_mm(), gap.assd_mm(), gap.nsd(0.1)) == (0, 0, 1)


def test_shift_along_thick_slices_is_a_distance_in_mm():
    pred, truth = (a_box((9, 9, 9), (2, 5), (2, 5), side) for side in ((2, 5), (3, 6)))
    gap = gap_of(pred, truth, (1.0, 1.0, 4.0))

    assert gap.hd95_mm() == pytest.approx(4)


def test_boundary_error_of_exactly_the_tolerance_counts_as_none():
    pred, truth = (a_box((9, 9), (2, 5), side) for side in ((2, 5), (3, 6)))

    assert gap_of(pred, truth, (0.1, 0.3)).nsd(0.3) == 1
    assert gap_of(pred, truth, (0.1, 0.3)).nsd(0.29) < 1


def test_area_of_a_far_speck_decides_the_percentile():
    truth = a_box((60, 9, 9), (2, 8), (2, 8), (2, 8))
    speck = truth | a_box(truth.shape, (50, 51), (4, 5), (4, 5))
    lump = truth | a_box(truth.shape, (48, 54), (2, 8), (2, 8))

    assert gap_of(speck, truth, (1, 1, 1)).hd95_mm() == 0
    assert gap_of(lump, truth, (1, 1, 1)).hd95_mm() > 35


@pytest.mark.parametrize("area", [0.1, 0.3, 1 / 3, 0.7])
def test_a_share_of_just_95_percent_is_reached_however_it_is_rounded(area):
    surface = Surface(np.zeros((20, 3), int), (1.0,) * 3, np.full(20, area))
    gap = SurfaceGap(surface, surface, np.arange(20.0), np.zeros(20))

    assert gap.hd95_mm() == 18


def test_structure_at_the_border_of_the_image_is_closed():
    inner, border = (
        a_box((5, 5, 5), (1, 3), (1, 3), (1, 3)),
        a_box((2, 2, 2), *[(0, 2)] * 3),
    )

    areas = [Surface.of(mask, (1, 1, 1)).areas.sum() for mask in (inner, border)]
    assert areas[0] == pytest.approx(areas[1])


def test_empty_mask_has_no_surface():
    with pytest.raises(ValueError, match="an empty mask has no surface"):
        Surface.of(np.zeros((3, 3), dtype=bool), (1, 1))


def test_both_ways_to_the_nearest_element_agree():
    for pred, truth, spacing, _ in cases():
        first, second = Surface.of(pred, spacing), Surface.of(truth, spacing)
        box = np.zeros(pred.ndim, int), np.add(pred.shape, 1)

        exact = by_tree(first, second)

        np.testing.assert_allclose(by_transform(first, second, *box), exact, atol=1e-12)
        np.testing.assert_allclose(nearest_mm(first, second), exact, atol=1e-12)


def test_specks_all_over_a_scan_are_measured_from_where_they_are():
    truth = a_box((40, 40, 40), *[(18, 22)] * 3)
    specks = np.random.default_rng(0).random(truth.shape) < 0.2
    first, second = Surface.of(specks, (1, 1, 2)), Surface.of(truth, (1, 1, 2))

    found = nearest_mm(first, second)

    np.testing.assert_allclose(found, by_tree(first, second), atol=1e-12)
    assert found.max() > 40
