import math

import pytest

from tests.unit.preprocess.makers import a_geometry, a_grid
from voxray.core.errors import ConfigError, DatasetError
from voxray.core.specs import TaskSpec, TrainSpec
from voxray.preprocess import ScanGeometry, SeenValues, make_plan, plan_in_words

MASKS = TaskSpec.model_validate({"segment": {"classes": {"lesion": {"value": 3}}}})
CLASSES = TaskSpec.model_validate(
    {"classify": {"column": "y", "classes": {"no": 0, "yes": 1}}}
)
DECIDED = {
    "spacing_mm",
    "network",
    "input_shape",
    "padding",
    "normalisation",
    "mirror_axes",
    "test_time_augmentation",
    "batch_size",
}


def planned(scans, task=MASKS, **train):
    return make_plan({"image": scans}, task, TrainSpec(**train))


def names(*classes):
    said = {
        "classify": {"column": "y", "classes": dict(zip(classes, "ab", strict=True))}
    }
    return TaskSpec.model_validate(said)


@pytest.mark.parametrize("task", [MASKS, CLASSES])
@pytest.mark.parametrize(
    "train",
    [
        {},
        {"spacing_mm": (2, 2, 2), "input_shape": (17, 9, 9), "batch_size": 3},
        {"input_mm": 12.0, "padding": "minimum"},
        {"input_mm": 12.0, "spacing_mm": (2, 2, 2)},
    ],
)
def test_every_choice_has_a_reason(task, train):
    plan = planned([a_geometry()] * 8, task, **train)
    decided = DECIDED | ({"target", "mixup"} if task.classify else set())
    assert set(plan.reasons) == decided
    assert all(plan.reasons.values())


def test_what_the_experiment_sets_is_taken():
    plan = planned(
        [a_geometry()] * 8,
        spacing_mm=(2, 2, 2),
        input_shape=(17, 9, 9),
        batch_size=3,
    )
    assert plan.spacing_mm == (2, 2, 2)
    assert plan.batch_size == 3
    assert all(a >= b for a, b in zip(plan.input_shape, (17, 9, 9), strict=True))
    assert plan.network.round_up(plan.input_shape) == plan.input_shape


def test_small_scans_are_seen_whole_and_large_ones_in_patches():
    small = planned([a_geometry((40, 40, 40))] * 8)
    large = planned([a_geometry((200, 200, 150))] * 8)
    assert small.whole_volume
    assert small.input_shape == (40, 40, 40)
    assert not large.whole_volume
    assert math.prod(large.input_shape) < 200 * 200 * 150 / 50
    assert large.spacing_mm == (1, 1, 1)
    assert large.reasons["input_shape"].startswith("patches")


def test_a_class_is_decided_from_the_whole_scan_at_a_coarser_spacing():
    scans = [a_geometry((200, 200, 40), (1.0, 1.0, 5.0))] * 8
    plan = planned(scans, CLASSES)
    assert plan.whole_volume
    assert plan.spacing_mm[0] == plan.spacing_mm[1] > 1
    assert plan.spacing_mm[2] == 5
    assert "median is 1.00 x 1.00 x 5.00 mm" in plan.reasons["spacing_mm"]


def test_the_median_spacing_is_the_target():
    scans = [a_geometry(spacing=(mm, 1.0, 1.0)) for mm in (0.5, 1.0, 4.0)]
    assert planned(scans).spacing_mm == (1.0, 1.0, 1.0)


def test_a_coarse_axis_is_halved_later_and_gets_no_kernel_before():
    network = planned([a_geometry((160, 160, 24), (1.0, 1.0, 6.0))] * 8).network
    assert network.strides[:3] == ((1, 1, 1), (2, 2, 1), (2, 2, 1))
    assert network.kernels[:3] == ((3, 3, 1), (3, 3, 1), (3, 3, 3))


@pytest.mark.parametrize(
    ("shape", "along_k"), [((64, 64, 1), 1), ((64, 64, 8), 3), ((64, 48, 48), 3)]
)
def test_an_axis_that_ran_out_of_voxels_takes_no_kernel_from_the_others(shape, along_k):
    network = planned([a_geometry(shape)] * 8).network
    assert len(network.kernels) > 2
    assert set(network.kernels) == {(3, 3, along_k)}


def test_flat_data_stay_flat():
    plan = planned([a_geometry((28, 28, 1))] * 8, CLASSES)
    assert plan.input_shape[2] == 1
    assert all(stride[2] == 1 for stride in plan.network.strides)
    assert plan.network.strides[1] == (2, 2, 1)


def test_the_thickness_of_a_flat_scan_does_not_matter():
    thin, thick = (
        planned([a_geometry((64, 64, 1), (1.0, 1.0, mm))] * 8).network
        for mm in (0.1, 9.0)
    )
    assert thin == thick


def test_tiny_scans_get_a_network_that_fits():
    plan = planned([a_geometry((3, 4, 2))] * 2, batch_size=1)
    assert plan.network.strides == ((1, 1, 1),)
    assert plan.input_shape == (3, 4, 2)


@pytest.mark.parametrize(
    ("classes", "axes"),
    [
        (("benign", "malignant"), (0,)),
        (("left", "right"), ()),
        (("kidney_left", "other"), ()),
        (("other", "Lung-R"), ()),
        (("other", "LeftLung"), ()),
        (("kidneyRight", "other"), ()),
        (("L1", "LAD"), (0,)),
        (("bright", "cleft"), (0,)),
    ],
)
def test_a_class_that_names_a_side_switches_mirroring_off(classes, axes):
    assert planned([a_geometry()] * 8, names(*classes)).mirror_axes == axes


def test_label_in_several_words_may_name_a_side():
    columns = ["Left pleural effusion", "Right pleural effusion"]
    task = TaskSpec.model_validate({"classify": {"columns": columns}})
    assert planned([a_geometry()] * 8, task).mirror_axes == ()


def test_a_task_can_say_that_it_tells_left_from_right():
    task = CLASSES.model_copy(update={"lateral": True})
    plan = planned([a_geometry()] * 8, task)
    assert plan.mirror_axes == ()
    assert "left from right" in plan.reasons["mirror_axes"]


def test_masks_alone_are_not_mirrored():
    assert planned([a_geometry()] * 8, MASKS).mirror_axes == ()


@pytest.mark.parametrize(
    ("modalities", "kind"),
    [({"CT"}, "window"), ({"MR"}, "zscore"), ({"CT", ""}, "zscore")],
)
def test_only_ct_has_a_window(modalities, kind):
    scans = [a_geometry(modality=m) for m in modalities for _ in range(4)]
    assert planned(scans).normalisation == {"image": kind}


def test_the_heads_are_those_of_the_task():
    masks, classes = (planned([a_geometry()] * 8, task) for task in (MASKS, CLASSES))
    assert (masks.structures, masks.mask_values, masks.classes) == (
        ("lesion",),
        (3,),
        (),
    )
    assert (classes.structures, classes.classes) == ((), ("no", "yes"))


@pytest.mark.parametrize(
    ("heads", "train", "kind"),
    [
        (["segment"], {}, "size"),
        (["classify"], {}, "size"),
        (["segment", "classify"], {}, "size_and_looks"),
        (["segment", "classify"], {"class_from": "volume"}, "size"),
    ],
)
def test_a_class_looks_into_the_mask_where_both_are_learned(heads, train, kind):
    both = MASKS.model_copy(update={"classify": CLASSES.classify})
    absent = {"segment", "classify"} - set(heads)
    task = both.model_copy(update=dict.fromkeys(absent))
    plan = planned([a_geometry()] * 8, task, **train)
    assert plan.network.evidence == kind
    assert ("looks where the predicted mask is" in plan.reasons["network"]) == (
        kind == "size_and_looks"
    )


def test_a_class_without_masks_sees_features_relative_to_other_exams():
    plans = [planned([a_geometry()] * 8, task) for task in (CLASSES, MASKS)]
    assert [p.network.pooled_norm for p in plans] == ["cohort", "exam"]
    assert "relative to the training exams" in plans[0].reasons["network"]


def test_without_scans_there_is_no_plan():
    with pytest.raises(DatasetError, match=r"no scan is left.*quarantine\.csv"):
        planned([])


def in_box(plan):
    sizes = zip(plan.input_shape, plan.spacing_mm, strict=True)
    return [n * mm for n, mm in sizes]


@pytest.mark.parametrize("task", [MASKS, CLASSES])
@pytest.mark.parametrize("box", [40.0, (40.0, 50.0, 30.0)])
def test_a_box_in_mm_is_filled_exactly_whatever_the_scans_are(task, box):
    scans = [a_geometry((60, 70, 30), (0.7, 0.7, 1.25)), a_geometry((90, 60, 5))] * 4
    plan = planned(scans, task, input_mm=box)
    sides = (box,) * 3 if isinstance(box, float) else box
    assert in_box(plan) == pytest.approx(sides)
    assert math.prod(plan.input_shape) < 150_000
    assert plan.network.round_up(plan.input_shape) == plan.input_shape
    assert plan.padding == "edge"


def test_a_spacing_that_is_set_is_kept_and_the_box_is_rounded_up():
    plan = planned([a_geometry()] * 8, CLASSES, input_mm=15.0, spacing_mm=(2, 2, 2))
    assert plan.spacing_mm == (2, 2, 2)
    assert all(15 <= side < 20 for side in in_box(plan))


def test_a_box_has_one_voxel_along_an_axis_in_which_all_scans_are_flat():
    plan = planned([a_geometry((64, 64, 1))] * 8, CLASSES, input_mm=40.0)
    assert in_box(plan) == pytest.approx((40, 40, 1))
    assert plan.input_shape[2] == 1


def test_padding_is_the_minimum_unless_a_box_is_asked_for_or_it_is_set():
    scans = [a_geometry()] * 8
    assert planned(scans).padding == "minimum"
    assert planned(scans, padding="edge").padding == "edge"
    assert planned(scans, input_mm=40.0, padding="minimum").padding == "minimum"


def test_normalisation_can_be_set_per_channel():
    plan = planned([a_geometry(modality="")] * 8, normalisation={"image": "window"})
    assert plan.normalisation == {"image": "window"}
    assert plan.reasons["normalisation"] == "image set in the experiment"


def test_hounsfield_values_without_a_modality_get_a_window_and_a_reason():
    scans = {"ct": [a_geometry(modality="")] * 8}
    plan = make_plan(scans, MASKS, TrainSpec(), seen=SeenValues({"ct"}))
    assert plan.normalisation == {"ct": "window"}
    assert "if they are not, set train.normalisation" in plan.reasons["normalisation"]


def test_mirror_axes_can_be_set_or_switched_off():
    scans = [a_geometry()] * 8
    assert planned(scans, MASKS, mirror_axes=(0, 1)).mirror_axes == (0, 1)
    assert planned(scans, CLASSES, mirror_axes=()).mirror_axes == ()


def test_exams_are_mixed_only_where_it_is_asked_for():
    scans = [a_geometry()] * 8
    assert not planned(scans, CLASSES).mixup
    assert planned(scans, CLASSES, mixup=True).mixup


def test_masks_are_not_mixed():
    with pytest.raises(ConfigError, match=r"train\.mixup .*masks cannot be mixed"):
        planned([a_geometry()] * 8, MASKS, mixup=True)


def test_the_network_can_be_set():
    scans = [a_geometry((40, 40, 40))] * 8
    narrow = planned(scans, features=(8, 16)).network
    assert narrow.strides == ((1, 1, 1), (2, 2, 2))
    strides = ((1, 1, 1), (2, 2, 1), (2, 2, 2))
    kernels = ((3, 3, 1), (3, 3, 1), (5, 5, 5))
    whole = planned(scans, features=(8, 16, 24), strides=strides, kernels=kernels)
    assert whole.network.features == (8, 16, 24)
    assert (whole.network.strides, whole.network.kernels) == (strides, kernels)
    assert "features and kernels set in the experiment" in whole.reasons["network"]


def test_levels_that_do_not_fit_together_are_refused():
    scans = [a_geometry((40, 40, 40))] * 8
    with pytest.raises(DatasetError, match=r"has 4 levels, but train\.features"):
        planned(scans, features=(8, 16, 32, 64, 128))


def test_a_person_reads_what_was_decided_and_why():
    plan = planned([a_geometry((200, 200, 40), (1.0, 1.0, 5.0))] * 8, CLASSES)
    lines = plan_in_words(plan)
    text = "\n".join(lines)
    assert "whole scans" in text
    assert "mirror axes    left-right" in lines
    assert all(reason in text for reason in plan.reasons.values())
    assert max(len(line.split("  ")[0]) for line in lines) < 15


def test_a_network_that_would_see_a_single_voxel_is_refused():
    with pytest.raises(DatasetError, match=r"see 1 x 1 x 1 voxels of 100\.00 x 100"):
        planned([a_geometry()], spacing_mm=(100, 100, 100))


@pytest.mark.parametrize(
    ("n_scans", "side", "batch"),
    [(20, 10, 8), (31, 10, 8), (10, 10, 5), (400, 10, 64), (400, 50, 8), (400, 64, 6)],
)
def test_step_of_a_class_has_a_cohort_to_standardise_over(n_scans, side, batch):
    scans = [a_geometry((side,) * 3)] * n_scans
    plan = planned(scans, CLASSES, input_shape=(side,) * 3)
    assert plan.batch_size == batch


def test_pictures_without_a_pixel_size_are_planned_by_their_longer_side():
    shapes = [(1000, 800, 1), (2000, 1600, 1)] * 10
    pictures = [ScanGeometry.of(a_grid(shape), "") for shape in shapes]
    plan = planned(pictures, CLASSES)
    assert plan.longer_side_mm == 256
    assert plan.whole_volume
    in_view = [n * mm for n, mm in zip(plan.input_shape, plan.spacing_mm, strict=True)]
    assert in_view[0] == pytest.approx(256, rel=0.1)
    assert "20 of 20 pictures state no pixel size" in plan.reasons["spacing_mm"]


@pytest.mark.parametrize(("n_stated", "counts"), [(5, True), (95, False)])
def test_few_pictures_without_a_size_are_taken_as_they_are(n_stated, counts):
    stated = a_geometry((2000, 2500, 1), (0.15, 0.15, 1))
    unstated = ScanGeometry.of(a_grid((1000, 800, 1)), "")
    plan = planned([stated] * n_stated + [unstated] * 5, CLASSES)
    assert (plan.longer_side_mm is not None) is counts


def test_slices_thick_along_several_axes_become_cubes_of_the_usual_volume():
    axial = a_geometry((256, 256, 24), (0.5, 0.5, 6.0))
    sagittal = a_geometry((24, 256, 256), (6.0, 0.5, 0.5))
    plan = planned([axial] * 60 + [sagittal] * 40)
    assert plan.spacing_mm == pytest.approx((1.1447,) * 3, abs=1e-3)
    said = plan.reasons["spacing_mm"]
    assert "40 along left-right, 60 along foot-head" in said
    few = planned([axial] * 95 + [sagittal] * 5)
    assert few.spacing_mm[2] == 6
    assert "median" in few.reasons["spacing_mm"]


@pytest.mark.parametrize(
    ("asked", "seen", "n_inputs"),
    [(None, True, 3), (None, False, 1), (True, False, 3), (False, True, 1)],
)
def test_pictures_come_in_colour_where_seen_or_asked_for(asked, seen, n_inputs):
    scans = {"image": [a_geometry((28, 28, 1), modality="")] * 8}
    train = TrainSpec(colour=asked)
    plan = make_plan(scans, CLASSES, train, seen=SeenValues(coloured=seen))
    assert len(plan.inputs) == n_inputs
    assert plan.channels == ("image",)
    assert ("colour" in plan.reasons) == (asked is not None or seen)


def test_colour_of_several_channels_or_of_units_is_refused():
    many = {"a": [a_geometry()] * 8, "b": [a_geometry()] * 8}
    ct = {"ct": [a_geometry(modality="CT")] * 8}
    for scans in (many, ct):
        with pytest.raises(ConfigError, match="one channel without units"):
            make_plan(scans, CLASSES, TrainSpec(colour=True))
        seen = SeenValues(coloured=True)
        assert not make_plan(scans, CLASSES, TrainSpec(), seen=seen).colour
