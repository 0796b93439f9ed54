"""Awkward cohorts are trained sensibly, or refused with what, how much and a remedy."""

import re

import numpy as np
import pytest

from tests.stages.awkward import TRAIN, Cohort, run


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Holds all cohorts and one workspace: MLflow needs seconds for a new one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield tmp_path_factory.mktemp("awkward")


ONE_CLASS = (
    Cohort(ill=lambda _n: True),
    r"all patients are 'ill' .*healthy: 0, ill: 8",
)
RARE_CLASS = (Cohort(ill=lambda n: n == 0), r"'ill' has 1 patient.*healthy: 7, ill: 1")


@pytest.mark.parametrize(("cohort", "reason"), [ONE_CLASS, RARE_CLASS])
def test_a_class_that_not_every_fold_can_have_is_refused_with_counts(
    root, cohort, reason
):
    ending = run(root, cohort, "classify")

    assert ending.code == 3
    assert re.search(reason, ending.error)
    assert "task.classify.classes" in ending.error


def test_fewer_patients_than_folds_are_refused_with_both_numbers(root):
    ending = run(root, Cohort(n=6), "segment", folds={"n": 7})

    assert ending.code == 3
    assert re.search(r"6 patients .*folds\.n = 7", ending.error)


def test_training_parts_without_a_class_do_not_come_from_the_validation_share(root):
    ending = run(root, Cohort(ill=lambda n: n > 1), "classify")

    assert ending.code == 0
    for fold in (0, 1):
        path = ending.folder / "train" / f"fold_{fold}" / "fold_values.json"
        assert '"healthy": 0.0' not in path.read_text()


def _nan(n, image, _mask):
    if n == 2:
        image[0, 0, 0] = np.nan


def _infinite(n, image, _mask):
    if n == 2:
        image[0, 0, 0] = np.inf


def _constant(n, image, _mask):
    if n == 2:
        image[:] = 7


@pytest.mark.parametrize(
    ("change", "code"),
    [(_nan, "not-finite"), (_infinite, "not-finite"), (_constant, "constant-image")],
)
def test_an_image_without_a_meaning_is_left_out_and_the_rest_is_trained(
    root, change, code
):
    ending = run(root, Cohort(change=change))

    assert ending.code == 0
    assert "c2.nii.gz" in ending.quarantined
    assert code in ending.quarantined


def _extreme(n, image, _mask):
    if n == 2:
        image *= np.float32(1e36)


@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")
def test_values_close_to_the_largest_float_are_trained_or_refused_by_name(root):
    ending = run(root, Cohort(change=_extreme))

    assert ending.code in {0, 4} or "c2" in ending.error


SHAPES = {
    "smaller than any patch": lambda _n: (3, 3, 2),
    "planes of different sizes": lambda n: (20 + 7 * n, 50 - 3 * n, 1),
    "planes among volumes": lambda n: (32, 32, 1) if n % 4 == 0 else (16, 20, 12),
    "one ten times larger": lambda n: (80, 100, 60) if n == 1 else (16, 20, 12),
    "long": lambda _n: (6, 7, 120),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("task", ["segment", "both"])
def test_volumes_of_any_shape_are_trained(root, shape, task):
    ending = run(root, Cohort(shape=shape), task)

    assert ending.code == 0
    assert ending.steps == [4, 4]


@pytest.mark.parametrize(
    "train",
    [
        {**TRAIN, "batch_size": 64},
        {**TRAIN, "batch_size": 1},
        {**TRAIN, "steps": 1},
        {"epochs": 1, "device": "cpu"},
        {**TRAIN, "input_shape": (40, 40, 40)},
    ],
    ids=["batch 64 of 4 exams", "batch 1", "one step", "one epoch", "large input"],
)
def test_any_length_batch_and_input_is_trained(root, train):
    assert run(root, Cohort(), train=train).code == 0


@pytest.mark.parametrize(
    "train",
    [{**TRAIN, "input_shape": (1, 1, 1)}, {**TRAIN, "spacing_mm": (100, 100, 100)}],
    ids=["input of one voxel", "voxels of 100 mm"],
)
def test_an_input_of_a_voxel_is_refused_by_the_setting(root, train):
    ending = run(root, Cohort(), train=train)

    assert ending.code == 3
    assert re.search("input_shape|spacing_mm", ending.error)


def test_a_learning_rate_that_diverges_is_refused_by_name(root):
    train = {**TRAIN, "steps": 40, "learning_rate": 1e6}

    ending = run(root, Cohort(), train=train)

    assert ending.code == 0 or "learning_rate" in ending.error


def test_a_budget_too_short_for_the_fewest_steps_is_said(root):
    shape = (24, 28, 24)
    train = {"budget_minutes": 1e-4, "batch_size": 2, "device": "cpu"}

    ending = run(root, Cohort(shape=lambda _n: shape), "segment", train=train)

    said = "\n".join([*ending.said, ending.error])
    assert re.search(r"budget_minutes.*too short", said)


def _without_lesion(_n, _image, mask):
    mask[:] = 0


def told(ending):
    """Notes and the error: not the metrics, which name every structure."""
    return [*(line for line in ending.said if line.startswith("note")), ending.error]


def test_a_structure_that_no_mask_has_is_named(root):
    ending = run(root, Cohort(change=_without_lesion), "segment")

    assert any("lesion" in line for line in told(ending))


def test_a_structure_that_a_folds_training_lacks_is_named(root):
    ending = run(root, Cohort(ill=lambda n: n == 0), "segment")

    assert any("lesion" in line for line in told(ending))
