import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.model.makers import (
    a_network,
    a_plan,
    predicted,
    predicted_together,
)
from voxray.core.specs import FoldValues, IntensityWindow
from voxray.model import apply_fold_values, fit_to
from voxray.model.inference import centre_slices
from voxray.model.mirrors import mirror_images

SIDE = st.integers(1, 7)
SHAPES = st.tuples(SIDE, SIDE, SIDE)


def an_image(shape=(16, 20, 12), seed=0):
    return np.random.default_rng(seed).normal(size=(1, *shape)).astype(np.float32)


@given(SHAPES, SHAPES)
@settings(deadline=None)
def test_padding_and_cropping_back_gives_the_same_voxels(small, more):
    image = an_image(small)
    large = tuple(a + b for a, b in zip(small, more, strict=True))
    padded = fit_to(image, large)
    assert padded.shape == (1, *large)
    back = padded[(slice(None), *centre_slices(large, small))]
    np.testing.assert_array_equal(back, image)


@given(SHAPES, SHAPES)
@settings(deadline=None)
def test_any_shape_can_be_asked_for(shape, wanted):
    fitted = fit_to(an_image(shape), wanted)
    assert fitted.shape == (1, *wanted)
    assert fitted.dtype == np.float32


def test_padding_is_each_channels_minimum_unless_said():
    image = np.stack([np.full((2, 2, 2), 5.0), np.full((2, 2, 2), -3.0)])
    image[0, 0, 0, 0] = 1.0
    padded = fit_to(image.astype(np.float32), (4, 2, 2))
    assert (padded[0, 0].max(), padded[1, 0].max()) == (1.0, -3.0)
    assert fit_to(image.astype(np.float32), (4, 2, 2), background=0)[1, 0].max() == 0


def test_edge_padding_repeats_the_outermost_voxels_of_each_channel():
    image = np.arange(4, dtype=np.float32).reshape(2, 2, 1, 1)
    padded = fit_to(image, (4, 2, 1), padding="edge")
    assert padded[0, :, 1, 0].tolist() == [0, 0, 1, 1]
    assert padded[1, :, 0, 0].tolist() == [2, 2, 3, 3]


def test_with_edge_padding_a_blank_scan_is_blank_whatever_its_extent():
    plan = a_plan("classify", padding="edge")
    network = a_network(plan)
    blank = [np.full((1, *shape), 2, np.float32) for shape in ((9, 9, 2), (16, 20, 12))]
    small, whole = (predicted(network, image, plan).classes for image in blank)
    np.testing.assert_array_equal(small, whole)


def test_a_window_is_clipped_and_scaled_by_what_the_fold_learned():
    plan = a_plan(normalisation={"image": "window"})
    window = IntensityWindow(low=0, high=100, mean=50, std=25)
    values = FoldValues(windows={"image": window}, n_exams=1)
    image = np.array([-500, 50, 75, 3000], np.float32).reshape(1, 4, 1, 1)
    scaled = apply_fold_values(image, plan, values)
    assert scaled.ravel().tolist() == [-2, 0, 1, 2]
    assert image[0, 0, 0, 0] == -500


def test_without_a_window_the_image_is_left_alone():
    image = an_image()
    assert apply_fold_values(image, a_plan(), FoldValues(n_exams=1)) is image


@pytest.mark.parametrize(
    "shape", [(16, 20, 12), (9, 13, 5), (30, 11, 12), (60, 50, 40)]
)
@pytest.mark.parametrize("task", ["segment", "both"])
def test_masks_are_on_the_grid_of_the_image_and_sum_to_one(shape, task):
    plan = a_plan(task)
    said = predicted(a_network(plan), an_image(shape), plan)
    assert said.masks.shape == (2, *shape)
    assert said.masks.dtype == np.float32
    np.testing.assert_allclose(said.masks.sum(axis=0), 1, atol=1e-5)
    if task == "both":
        np.testing.assert_allclose(said.classes.sum(), 1, atol=1e-6)


def test_classes_come_from_the_centre_of_a_large_scan():
    plan, image = a_plan("classify"), an_image((24, 24, 24))
    network = a_network(plan)
    centre = image[(slice(None), *centre_slices((24, 24, 24), plan.input_shape))]
    whole = predicted(network, image, plan)
    assert whole.masks is None
    np.testing.assert_array_equal(
        whole.classes, predicted(network, centre, plan).classes
    )


def test_a_short_axis_is_filled_up_as_in_training():
    plan = a_plan("segment")
    network, image = a_network(plan), an_image((24, 24, 4))
    filled = fit_to(image, (24, 24, plan.input_shape[2]))
    part = centre_slices(filled.shape[1:], (24, 24, 4))
    np.testing.assert_array_equal(
        predicted(network, image, plan).masks,
        predicted(network, filled, plan).masks[(slice(None), *part)],
    )


def test_a_memory_mapped_scan_larger_than_the_input_is_predicted(tmp_path):
    plan, image = a_plan("segment"), an_image((40, 40, 40))
    np.save(tmp_path / "scan.npy", image)
    mapped = np.load(tmp_path / "scan.npy", mmap_mode="r")
    network = a_network(plan)
    np.testing.assert_array_equal(
        predicted(network, mapped, plan).masks,
        predicted(network, image, plan).masks,
    )


def test_the_order_of_networks_changes_nothing():
    plan, image = a_plan(), an_image()
    members = [(a_network(plan, seed), FoldValues(n_exams=1)) for seed in range(3)]
    said = [
        predicted_together(order, image, plan)
        for order in itertools.permutations(members)
    ]
    for one, spread in said[1:]:
        np.testing.assert_allclose(one.masks, said[0][0].masks, atol=1e-7)
        np.testing.assert_allclose(one.classes, said[0][0].classes, atol=1e-7)
        assert spread == pytest.approx(said[0][1])


def test_an_ensemble_is_the_mean_of_its_networks():
    plan, image = a_plan(), an_image()
    members = [(a_network(plan, seed), FoldValues(n_exams=1)) for seed in range(2)]
    both, spread = predicted_together(members, image, plan)
    one, two = (predicted(net, image, plan) for net, _ in members)
    np.testing.assert_allclose(both.masks, (one.masks + two.masks) / 2, atol=1e-7)
    half = abs(one.classes - two.classes).max() / 2
    assert spread == pytest.approx(half, abs=1e-6)


@pytest.mark.parametrize(("task", "n"), [("segment", 2), ("classify", 1)])
def test_without_classes_or_with_one_network_there_is_no_spread(task, n):
    plan = a_plan(task)
    members = [(a_network(plan, seed), FoldValues(n_exams=1)) for seed in range(n)]
    assert predicted_together(members, an_image(), plan)[1] is None


def test_windows_of_an_ensemble_are_the_mean_of_its_networks():
    plan, image = a_plan("segment", input_shape=(8, 8, 8)), an_image((20, 22, 17))
    members = [(a_network(plan, seed), FoldValues(n_exams=1)) for seed in range(2)]
    both, _ = predicted_together(members, image, plan)
    one, two = (predicted(net, image, plan).masks for net, _ in members)
    np.testing.assert_allclose(both.masks, (one + two) / 2, atol=1e-5)


def test_a_window_of_intensities_is_applied_to_each_part_of_a_large_scan():
    window = IntensityWindow(low=-1, high=1, mean=0.2, std=0.5)
    values = FoldValues(windows={"image": window}, n_exams=1)
    plan = a_plan("segment", input_shape=(8, 8, 8), normalisation={"image": "window"})
    image = an_image((20, 22, 17))
    network = a_network(plan)
    said, _ = predicted_together([(network, values)], image, plan)
    scaled = predicted(network, apply_fold_values(image, plan, values), plan)
    np.testing.assert_allclose(said.masks, scaled.masks, atol=1e-6)


@pytest.mark.parametrize("axes", [(0,), (0, 1)])
def test_with_test_time_augmentation_a_mirrored_scan_gets_the_mirrored_answer(axes):
    plan = a_plan(mirror_axes=axes, test_time_augmentation=True)
    members, image = [(a_network(plan), FoldValues(n_exams=1))], an_image()
    mirrored = np.flip(image, axes[0] + 1).copy()
    one, other = (predicted_together(members, i, plan)[0] for i in (image, mirrored))
    np.testing.assert_allclose(one.classes, other.classes, atol=1e-6)
    np.testing.assert_allclose(one.masks, np.flip(other.masks, axes[0] + 1), atol=1e-5)


def test_axes_that_must_not_be_mirrored_are_left_alone_at_test_time():
    plan = a_plan(mirror_axes=(), test_time_augmentation=True)
    assert mirror_images(plan) == ((),)
    assert mirror_images(a_plan(mirror_axes=(0,))) == ((),)
    both = a_plan(mirror_axes=(0, 2), test_time_augmentation=True)
    assert mirror_images(both) == ((), (0,), (2,), (0, 2))


def test_a_scan_long_along_one_axis_is_padded_to_the_input_along_the_others():
    plan = a_plan("segment", padding="edge")
    network, image = a_network(plan), an_image((24, 20, 3))
    padded = fit_to(image, (24, 20, 12), padding="edge")
    wanted = predicted(network, padded, plan).masks[:, :, :, 4:7]
    np.testing.assert_allclose(predicted(network, image, plan).masks, wanted, atol=1e-5)
