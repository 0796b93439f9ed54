import math

import numpy as np
import pytest

from voxray.train.baselines import fit_mean_mask, fit_threshold

SHAPE = (6, 6, 6)


def a_cube(start=2, stop=4, shape=SHAPE):
    labels = np.zeros(shape, np.uint8)
    labels[start:stop, start:stop, start:stop] = 1
    return labels


def a_bright(labels, value=2.0):
    return np.where(labels == 1, value, 0.0).astype(np.float32)[None]


def test_a_structure_of_its_own_grey_value_is_found():
    labels = a_cube()
    (found,) = fit_threshold([(a_bright(labels), labels)], 1)
    assert found.dice == 1
    assert np.array_equal(found.mask(a_bright(labels)), labels == 1)


def test_a_window_leaves_out_what_is_brighter():
    labels = a_cube()
    image = a_bright(labels)
    image[0, 0] = 4.0
    (found,) = fit_threshold([(image, labels)], 1)
    assert found.dice == 1
    assert 2 < found.high <= 4


def test_a_dark_structure_is_found_from_below():
    labels = a_cube()
    (found,) = fit_threshold([(-a_bright(labels), labels)], 1)
    assert found.low == -math.inf or found.low <= -2
    assert found.dice == 1


def test_the_best_channel_is_taken():
    labels = a_cube()
    image = np.concatenate([np.zeros((1, *SHAPE), np.float32), a_bright(labels)])
    (found,) = fit_threshold([(image, labels)], 1)
    assert found.channel == 1


def test_exams_without_the_structure_do_not_count():
    labels, nothing = a_cube(), np.zeros(SHAPE, np.uint8)
    exams = [(a_bright(labels), labels), (a_bright(nothing), nothing)]
    (found,) = fit_threshold(exams, 1)
    assert found.dice == 1


def test_the_mean_of_equal_masks_is_that_mask():
    mean = fit_mean_mask(lambda: [a_cube(), a_cube()], 1, SHAPE, ["centred"])
    assert mean.dice == 1
    assert np.array_equal(mean.mask(0, SHAPE), a_cube() == 1)


def test_the_level_is_the_best_on_training_exams():
    masks = [a_cube(), a_cube(), a_cube(1, 5)]  # 8, 8 and 64 voxels
    mean = fit_mean_mask(lambda: masks, 1, SHAPE, ["centred"])
    assert int(mean.mask(0, SHAPE).sum()) == 8
    assert mean.dice == pytest.approx((1 + 1 + 16 / 72) / 3)


def test_a_structure_that_nobody_drew_is_drawn_nowhere():
    mean = fit_mean_mask(lambda: [np.zeros(SHAPE, np.uint8)], 1, SHAPE, ["centred"])
    assert not mean.mask(0, SHAPE).any()


def test_scans_whose_structure_grows_with_them_are_stretched():
    masks = [a_cube(1, 3, (4, 4, 4)), a_cube(2, 6, (8, 8, 8))]
    mean = fit_mean_mask(lambda: masks, 1, (8, 8, 8), ["centred", "stretched"])
    assert mean.placement == "stretched"
    assert np.array_equal(mean.mask(0, (8, 8, 8)), masks[1] == 1)
    assert np.array_equal(mean.mask(0, (4, 4, 4)), masks[0] == 1)


def test_a_smaller_scan_gets_the_centre_of_a_centred_mean():
    mean = fit_mean_mask(lambda: [a_cube()], 1, SHAPE, ["centred"])
    assert np.array_equal(mean.mask(0, (4, 4, 4)), a_cube(1, 3, (4, 4, 4)) == 1)
