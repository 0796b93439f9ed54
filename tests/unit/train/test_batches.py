from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.unit.model.makers import PLAIN_CPU, a_plan
from tests.unit.train.makers import SHAPE, an_exam
from voxray.core.specs import FoldValues, IntensityWindow
from voxray.model import NetworkOutput, predict
from voxray.train.batches import epoch_batches

VALUES = FoldValues(n_exams=1)


def batches(exams, plan, steps, values=VALUES, seed=0):
    return list(epoch_batches(exams, plan, values, steps, np.random.default_rng(seed)))


def marked(folder, n):
    """Exams whose image is their number everywhere."""
    exams = [an_exam(folder, number) for number in range(n)]
    for number, exam in enumerate(exams):
        np.save(exam.cached.image, np.full((1, *SHAPE), number, np.float32))
    return exams


@pytest.mark.parametrize(("n_exams", "steps"), [(4, 6), (5, 10), (3, 1), (1, 3)])
def test_each_exam_comes_equally_often(tmp_path, n_exams, steps):
    exams = marked(tmp_path, n_exams)
    seen = Counter(
        float(image[0, 0, 0, 0])
        for batch in batches(exams, a_plan(), steps)
        for image in batch.image
    )
    counts = [seen[float(n)] for n in range(n_exams)]
    assert sum(counts) == steps * 2
    assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize(
    ("task", "has_mask", "has_class"),
    [("classify", False, True), ("segment", True, False), ("both", True, True)],
)
def test_a_batch_holds_what_the_task_needs(tmp_path, task, has_mask, has_class):
    exams = [an_exam(tmp_path, n) for n in range(2)]
    if not has_class:
        exams = [replace(e, target=None) for e in exams]
    batch = batches(exams, a_plan(task), 1)[0]
    assert batch.image.shape == (2, 1, *SHAPE)
    assert (batch.mask is not None) == has_mask
    assert (batch.classes is not None) == has_class
    if has_mask:
        assert batch.mask.shape == (2, 1, *SHAPE)
    if has_class:
        assert sorted(batch.classes.tolist()) == [[0, 1], [1, 0]]


def test_image_and_mask_are_cut_at_the_same_place(tmp_path):
    plan = a_plan("segment", input_shape=(8, 8, 6))
    for batch in batches([an_exam(tmp_path, 0)], plan, 12):
        inside = batch.image[batch.mask == 1]
        outside = batch.image[batch.mask == 0]
        assert inside.numel() == 0 or inside.min() > 1.5
        assert outside.max() < 1.5


def test_most_patches_hold_a_structure(tmp_path):
    exam = an_exam(tmp_path, 0, (64, 64, 64))
    plan = a_plan("segment", input_shape=(8, 8, 8), batch_size=1)
    holding = [bool(b.mask.any()) for b in batches([exam], plan, 60)]
    assert np.mean(holding) > 0.35


def test_patches_come_from_everywhere_when_nothing_is_drawn(tmp_path):
    exam = an_exam(tmp_path, 1, (32, 32, 32))
    place = np.indices((32, 32, 32), dtype=np.float32)[0][None]
    np.save(exam.cached.image, place)
    plan = a_plan("segment", input_shape=(8, 8, 8), batch_size=1)
    firsts = {float(b.image[0, 0, 0, 0, 0]) for b in batches([exam], plan, 80)}
    assert len(firsts) > 15
    assert max(firsts) <= 24


def test_smaller_scans_are_padded_around(tmp_path):
    plan = a_plan("segment", input_shape=(20, 24, 16))
    batch = batches([an_exam(tmp_path, 0)], plan, 1)[0]
    assert batch.image.shape == (2, 1, 20, 24, 16)
    assert batch.mask.sum() == 2 * 6 * 6 * 4
    assert batch.mask[:, :, 6:12, 8:14, 6:10].all()


@pytest.mark.parametrize("padding", ["minimum", "edge"])
def test_a_class_is_trained_on_what_prediction_shows(tmp_path, padding):
    exam = an_exam(tmp_path, 0)
    image = np.array(exam.cached.read_image())
    image[0, 0, 0, 0] = -9  # the darkest voxel, outside the centre
    np.save(exam.cached.image, image)
    plan = a_plan("classify", input_shape=(8, 8, 16), padding=padding)
    shown = []

    class Shown(torch.nn.Module):
        def forward(self, batch):
            shown.append(batch)
            return NetworkOutput(torch.zeros(1, 2), None)

    predict(Shown(), image, plan, PLAIN_CPU)
    trained = batches([exam], plan, 1)[0].image[:1]
    assert torch.equal(trained, shown[0])


@pytest.mark.parametrize(("padding", "continues"), [("edge", True), ("minimum", False)])
def test_a_mask_is_continued_where_the_image_is(tmp_path, padding, continues):
    exam = an_exam(tmp_path, 0)
    mask = np.zeros(SHAPE, np.uint8)
    mask[:, :, -1] = 1
    assert exam.cached.mask is not None
    np.save(exam.cached.mask, mask)
    plan = a_plan("segment", input_shape=(16, 20, 16), padding=padding)
    batch = batches([exam], plan, 1)[0]
    assert batch.mask[:, :, :, :, 14:].all() == continues
    assert not batch.mask[:, :, :, :, :13].any()


def test_a_class_sees_the_centre_of_a_larger_scan(tmp_path):
    exam = an_exam(tmp_path, 0, (16, 20, 12))
    plan = a_plan("both", input_shape=(8, 8, 6))
    one, two = batches([exam], plan, 2)
    assert (one.image == two.image).all()
    wanted = exam.cached.read_image()[0, 4:12, 6:14, 3:9]
    np.testing.assert_array_equal(one.image[0, 0], wanted)


def test_the_folds_window_is_applied(tmp_path):
    window = IntensityWindow(low=-1, high=1, mean=0, std=0.5)
    values = FoldValues(windows={"image": window}, n_exams=1)
    plan = a_plan(normalisation={"image": "window"})
    batch = batches([an_exam(tmp_path, 0)], plan, 1, values)[0]
    assert (float(batch.image.min()), float(batch.image.max())) == (-2, 2)
