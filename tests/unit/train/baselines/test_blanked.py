import numpy as np
import pytest

from tests.unit.model.makers import a_plan
from tests.unit.preprocess.makers import a_grid
from tests.unit.train.makers import an_exam
from voxray.core.records import ExamId, PatientId
from voxray.core.specs import FoldValues, IntensityWindow
from voxray.model import fit_to
from voxray.train import TrainingExam
from voxray.train.baselines import (
    BlankedExam,
    blanked_steps,
    classes_only,
    extent_pattern,
)
from voxray.train.batches import epoch_batches

PLAN = classes_only(a_plan("both"))
VALUES = FoldValues(n_exams=4)
SMALL = (10, 12, 8)


def blanked(folder, shape=SMALL, plan=PLAN, values=VALUES, present=None):
    exam = an_exam(folder, 0, shape)
    channels = plan.channels if present is None else present
    return BlankedExam.of(exam.cached, a_grid(shape), plan, values, channels)


def test_only_the_extent_is_left_of_an_image(tmp_path):
    image = blanked(tmp_path).read_image()
    assert image.shape == (1, *PLAN.input_shape)
    assert np.unique(image).tolist() == [-1, 0]
    assert int((image == 0).sum()) == np.prod(SMALL)


def test_training_sees_two_values_and_no_mask(tmp_path):
    exam = TrainingExam(ExamId("e0"), PatientId("p0"), blanked(tmp_path), (0.0, 1.0))
    (batch,) = epoch_batches([exam], PLAN, VALUES, 1, np.random.default_rng(0))
    assert np.unique(batch.image.numpy()).tolist() == [-1, 0]
    assert batch.mask is None


def test_a_scan_that_fills_the_input_has_no_padding(tmp_path):
    large = tuple(2 * n for n in PLAN.input_shape)
    assert np.unique(blanked(tmp_path, large).read_image()).tolist() == [0]


def test_what_lies_beyond_the_scan_as_it_came_is_no_content():
    inside = extent_pattern(a_grid((16, 16, 16)), a_grid((16, 16, 8)), (16, 16, 16))
    assert inside[:, :, :8].all()
    assert not inside[:, :, 10:].any()


def test_a_window_channel_gets_its_mean_inside_and_a_deviation_less_beyond(tmp_path):
    plan = PLAN.model_copy(
        update={"normalisation": dict.fromkeys(PLAN.channels, "window")}
    )
    window = IntensityWindow(low=-900, high=300, mean=-200, std=100)
    values = FoldValues(windows=dict.fromkeys(plan.channels, window), n_exams=4)
    image = blanked(tmp_path, plan=plan, values=values).read_image()
    assert np.unique(image).tolist() == [-300, -200]


def test_a_channel_that_the_exam_lacks_stays_without_extent(tmp_path):
    assert np.unique(blanked(tmp_path, present=()).read_image()).tolist() == [0]


def test_where_the_edge_is_repeated_noise_shows_where_the_scan_ends(tmp_path):
    exam = blanked(tmp_path, plan=PLAN.model_copy(update={"padding": "edge"}))
    image = exam.read_image()
    assert image.shape == (1, *SMALL)
    assert np.array_equal(image, exam.read_image())
    assert image.std() == pytest.approx(1, abs=0.1)


def test_no_more_is_made_than_the_network_sees(tmp_path):
    plan = PLAN.model_copy(update={"padding": "edge"})
    large = (400, 12, 8)
    assert blanked(tmp_path, large, plan).read_image().shape == (
        1,
        *map(min, large, PLAN.input_shape),
    )


@pytest.mark.parametrize("size", [(5, 7, 4), (16, 9, 30), (31, 40, 33)])
def test_the_pattern_is_that_of_the_whole_array_cut_and_padded(size):
    source, shape = a_grid((12, 20, 16)), (16, 16, 16)
    there = np.zeros(size, np.uint8)
    there[:13, :21, :17] = 1  # a voxel more than the scan has
    wanted = fit_to(there[None], shape, background=0)[0] > 0
    assert np.array_equal(extent_pattern(a_grid(size), source, shape), wanted)


@pytest.mark.parametrize(
    ("steps", "share", "expected"), [(1000, 0.15, 150), (9000, 0.15, 500), (3, 0.1, 1)]
)
def test_steps_are_a_share_of_the_folds(steps, share, expected):
    assert blanked_steps(steps, share) == expected
