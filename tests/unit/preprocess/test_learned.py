from dataclasses import replace

import numpy as np
import pytest

from tests.unit.model.makers import a_plan
from voxray.core.errors import DatasetError
from voxray.core.records import ScanId
from voxray.core.specs import ReferenceValues, Target
from voxray.preprocess import ScanStatistics, learn_fold_values, learn_references

CT = a_plan(normalisation={"image": "window"})
ROW = ScanStatistics(ScanId("s1"), (4, 4, 4), (1.0, 1.0, 1.0), "CT", -100, 300, 50, 20)


def learned(plan, rows, labels=()):
    """From exams of the one channel."""
    return learn_fold_values(plan, [{"image": row} for row in rows], labels)


def test_a_window_holds_what_nearly_all_training_scans_show():
    rows = [replace(ROW, low=-n, high=10 * n, mean=n) for n in range(1, 102)]
    rows[-1] = replace(rows[-1], high=90000, mean=90000)
    window = learned(CT, rows).windows["image"]
    assert (window.low, window.high, window.mean, window.std) == (-96, 960, 51, 20)


def test_window_is_of_structures_where_any_scan_has_one():
    drawn = replace(ROW, low=-60, high=180, mean=100, std=40, structure_voxels=(9,))
    empty = replace(ROW, low=-1024, high=700, mean=-550, std=500, structure_voxels=(0,))
    window = learned(CT, [drawn] * 4 + [empty] * 6).windows["image"]
    assert (window.low, window.high, window.mean, window.std) == (-60, 180, 100, 40)
    assert learned(CT, [empty]).windows["image"].low == -1024


def test_nothing_but_the_given_scans_counts():
    training, held_out = [ROW, replace(ROW, mean=60)], replace(ROW, mean=9999)
    before = learned(CT, training, [(0, 1), (1, 0)])
    replace(held_out, mean=-9999)
    assert learned(CT, training, [(0, 1), (1, 0)]) == before
    assert before.n_exams == 2
    assert before.windows["image"].mean == 55


def test_z_scores_learn_no_window():
    assert learned(a_plan(), [ROW]).windows == {}


def test_a_constant_training_set_divides_by_no_zero():
    values = learned(CT, [replace(ROW, std=0.0)])
    assert values.windows["image"].std > 0


def test_class_shares_are_those_of_the_training_exams():
    targets = [(1, 0), (1, 0), (0, 1), (1, 0)]
    share = learned(a_plan(), [ROW] * 4, targets).class_share
    assert share == {"healthy": 0.75, "ill": 0.25}


def test_a_fold_without_training_scans_is_refused():
    with pytest.raises(DatasetError, match="no training scan; use fewer folds"):
        learned(a_plan(), [])


def test_references_span_the_training_scans():
    scans = [
        replace(ROW, shape=(10, 20, 30), spacing_mm=(1.0, 1.0, 2.0), modality="MR"),
        replace(ROW, shape=(12, 18, 30), spacing_mm=(1.0, 1.5, 1.0), modality=""),
    ]
    references = learn_references(scans, in_units=False)
    assert references.modalities == ("MR",)
    np.testing.assert_allclose(references.spacing_mm, ((1, 1), (1, 1.5), (1, 2)))
    np.testing.assert_allclose(references.extent_mm, ((10, 12), (20, 27), (30, 60)))
    assert references.n_scans == 2
    assert references.values is None


def test_references_say_where_values_lie_that_have_a_unit():
    dark = replace(ROW, intensity=(0, 1, -1000, -900, -500, -100, 0, 50, 100))
    bright = replace(ROW, intensity=(0, 1, -700, -600, -200, 0, 20, 90, 400))
    assert learn_references([dark, bright], in_units=True).values == ReferenceValues(
        darkest=(-1000, -700), median=(-100, 0), brightest=(100, 400), span=1100
    )


def test_structure_shares_are_voxels_of_the_training_scans():
    plan = a_plan("segment", structures=("a", "b"), mask_values=(1, 2))
    rows = [
        replace(ROW, shape=(10, 10, 10), structure_voxels=(100, 0)),
        replace(ROW, shape=(10, 10, 10), structure_voxels=(0, 20)),
    ]
    share = learned(plan, rows).structure_share
    assert share == {"a": 0.05, "b": 0.01}


def test_each_channel_has_its_own_window():
    kinds = {"native": "window", "late": "window"}
    plan = a_plan("classify", channels=tuple(kinds), normalisation=kinds)
    exams = [{"native": ROW, "late": replace(ROW, high=900)}, {"native": ROW}]
    windows = learn_fold_values(plan, exams, []).windows
    assert (windows["native"].high, windows["late"].high) == (300, 900)


def test_a_window_of_a_channel_no_training_exam_has_is_refused():
    kinds = {"native": "window", "late": "window"}
    plan = a_plan("classify", channels=tuple(kinds), normalisation=kinds)
    with pytest.raises(DatasetError, match="no training scan of channel 'late'"):
        learn_fold_values(plan, [{"native": ROW}], [])


def test_exams_are_counted_per_structure_also_where_none_has_it():
    plan = a_plan("segment", structures=("a", "b"), mask_values=(1, 2))
    rows = [replace(ROW, structure_voxels=voxels) for voxels in ((9, 0), (4, 0), ())]
    assert learned(plan, rows).structure_exams == {"a": 2, "b": 0}


@pytest.mark.parametrize(
    ("voxels", "share"),
    [((1, 500_000), 0.67), ((20_000, 500_000), 0.5), ((0, 0), 0.33)],
)
def test_the_rarer_a_structure_the_more_patches_are_centred_on_one(voxels, share):
    plan = a_plan("segment", structures=("a", "b"), mask_values=(1, 2))
    rows = [replace(ROW, shape=(100, 100, 100), structure_voxels=voxels)]
    assert learned(plan, rows).on_structure == share


def test_share_of_a_label_is_among_the_exams_that_state_it():
    nan = float("nan")
    plan = a_plan("classify", classes=("a", "b", "c"), target=Target.LABELS)
    targets = [(1, nan, nan), (0, 1, nan), (0, 1, nan), (0, nan, nan)]
    assert learned(plan, [ROW] * 4, targets).class_share == {"a": 0.25, "b": 1.0}
