from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import f1_score

from tests.unit.evaluate.makers import LESION, SPEC, a_mask, by_name, numbers
from voxray.evaluate import dice_per_class, evaluate_oof

masks = arrays(np.uint8, (3, 4, 2), elements=st.integers(0, 2))
VALUES = {"front": 1, "back": 2}


def metrics_of(rows):
    return by_name(evaluate_oof(rows, LESION, SPEC, seed=1))


def test_dice_by_hand():
    pred, truth = np.array([[1, 1, 0, 2]]), np.array([[1, 0, 0, 2]])

    assert dice_per_class(pred, truth, VALUES) == {
        "front": pytest.approx(2 / 3),
        "back": 1,
    }


def test_dice_of_empty_masks():
    full, empty = np.ones((2, 2), int), np.zeros((2, 2), int)

    assert dice_per_class(full, empty, {"a": 1}) == {"a": 0}
    assert dice_per_class(empty, full, {"a": 1}) == {"a": 0}
    assert dice_per_class(empty, empty, {"a": 1}) == {"a": None}


@settings(deadline=None, max_examples=60)
@given(masks, masks)
def test_dice_is_scikit_learns_f1(pred, truth):
    for name, value in VALUES.items():
        dice = dice_per_class(pred, truth, VALUES)[name]
        if dice is not None:
            flat = truth.ravel() == value, pred.ravel() == value
            assert dice == pytest.approx(f1_score(*flat, zero_division=0))


def test_dice_is_monais():
    torch = pytest.importorskip("torch")
    from monai.metrics.meandice import compute_dice  # takes seconds

    generator = np.random.default_rng(1)
    pred, truth = generator.integers(0, 3, (2, 6, 5, 4))
    one_hot = [
        torch.tensor(np.stack([m == v for v in VALUES.values()])[None])
        for m in (pred, truth)
    ]

    oracle = compute_dice(*one_hot)[0].tolist()

    ours = list(dice_per_class(pred, truth, VALUES).values())
    assert ours == pytest.approx(oracle)


def test_masks_of_different_shape_are_refused():
    with pytest.raises(ValueError, match=r"predicted \(2,\), drawn \(3,\)"):
        dice_per_class(np.zeros(2, int), np.zeros(3, int), VALUES)


def test_dice_is_averaged_within_the_patient_first():
    rows = [a_mask(f"e{n}", "p0", 0.9) for n in range(9)] + [a_mask("e9", "p1", 0.5)]
    dice = metrics_of(rows)["dice"]

    assert dice.value == pytest.approx(0.7)
    assert (dice.n_exams, dice.n_patients, dice.n_positive) == (10, 2, 2)
    assert dice.low < 0.7 < dice.high


def test_both_empty_is_left_out_and_counted():
    rows = [a_mask("e0", "p0", 0.8), a_mask("e1", "p1", None, drawn=0, predicted=0)]
    metrics = metrics_of(rows)

    assert metrics["dice"].value == pytest.approx(0.8)
    assert metrics["dice"].n_exams == 1
    assert metrics["true_negative_exams"].value == 1
    assert metrics["true_negative_exams"].unit == "exam"
    assert metrics["false_positive_exams"].value == 0


def test_prediction_where_nothing_is_drawn_is_dice_0_and_counted():
    rows = [a_mask("e0", "p0", 0.8), a_mask("e1", "p1", 0.0, drawn=0, predicted=2)]
    metrics = metrics_of(rows)

    assert metrics["dice"].value == pytest.approx(0.4)
    assert metrics["dice"].n_positive == 1
    assert metrics["false_positive_exams"].value == 1


def test_missed_structure_is_dice_0_and_no_false_positive():
    metrics = metrics_of([a_mask("e0", "p0", 0.0, drawn=3, predicted=0)])

    assert metrics["dice"].value == 0
    assert metrics["false_positive_exams"].value == 0
    assert metrics["missed_exams"].value == 1


def with_surfaces(exam, patient, **measures):
    own = {name: {"lesion": value} for name, value in measures.items()}
    return replace(a_mask(exam, patient, 0.8), **own)


def test_surface_measures_are_averaged_within_the_patient_first():
    rows = [
        with_surfaces("e0", "p0", iou=0.6, nsd=0.9, hd95_mm=2.0, assd_mm=1.0),
        with_surfaces("e1", "p0", iou=0.4, nsd=0.7, hd95_mm=4.0, assd_mm=3.0),
        with_surfaces("e2", "p1", iou=0.7, nsd=1.0, hd95_mm=9.0, assd_mm=4.0),
    ]
    metrics = metrics_of(rows)

    for name, value in {"iou": 0.6, "nsd": 0.9, "hd95_mm": 6, "assd_mm": 3}.items():
        low, mean, high = numbers(metrics[name])
        assert mean == pytest.approx(value)
        assert 0 < low < mean < high
        assert metrics[name].n_patients == 2


def test_exam_without_a_distance_is_left_out_of_the_distances_only():
    rows = [
        with_surfaces("e0", "p0", nsd=0.9, hd95_mm=2.0),
        with_surfaces("e1", "p1", nsd=0.0, hd95_mm=None),
    ]
    metrics = metrics_of(rows)

    assert (metrics["hd95_mm"].value, metrics["hd95_mm"].n_exams) == (2, 1)
    assert (metrics["nsd"].value, metrics["nsd"].n_exams) == (0.45, 2)


def test_a_missed_structure_is_left_out_of_the_distance_where_found():
    rows = [
        with_surfaces("e0", "p0", hd95_mm=2.0),
        replace(with_surfaces("e1", "p1", hd95_mm=300.0), volume_ml={"lesion": 0.0}),
    ]
    metrics = metrics_of(rows)

    assert metrics["hd95_mm"].value == 151
    assert (metrics["hd95_found_mm"].value, metrics["missed_exams"].value) == (2, 1)


def test_interval_of_a_distance_follows_its_right_tail():
    values = np.random.default_rng(1).lognormal(1, 1, 30)
    rows = [
        with_surfaces(f"e{n}", f"p{n}", hd95_mm=float(value))
        for n, value in enumerate(values)
    ]

    low, mean, high = numbers(metrics_of(rows)["hd95_mm"])

    assert high - mean > mean - low > 0


def test_volumes_of_exams_without_any_mask_are_left_out():
    rows = [a_mask("e0", "p0", 0.8, 3, 5), a_mask("e1", "p1", None, 0, 0)]

    assert metrics_of(rows)["volume_error_ml"].value == 2
    assert metrics_of(rows)["volume_error_ml"].n_exams == 1


def test_one_patient_has_no_interval():
    dice = metrics_of([a_mask("e0", "p0", 0.8)])["dice"]

    assert (dice.value, dice.low) == (0.8, None)
    assert "not estimable: 1 patient, no spread is seen" in dice.method


def test_nothing_drawn_anywhere_has_no_dice():
    dice = metrics_of([a_mask("e0", "p0", None, drawn=0, predicted=0)])["dice"]

    assert dice.value is None
    assert "not estimable: no exam has a value" in dice.method


def test_volume_errors_are_signed_and_absolute():
    rows = [
        a_mask("e0", "p0", 0.8, drawn=3, predicted=5),
        a_mask("e1", "p1", 0.8, drawn=3, predicted=2),
    ]
    metrics = metrics_of(rows)

    assert metrics["volume_error_ml"].value == pytest.approx(0.5)
    assert metrics["volume_abs_error_ml"].value == pytest.approx(1.5)


def test_repeats_of_an_exam_are_averaged_not_counted():
    rows = [a_mask("e0", "p0", 0.8), a_mask("e0", "p0", 0.6, repeat=1)]
    rows += [a_mask("e1", "p1", None, 0, 0), a_mask("e1", "p1", 0.0, 0, 1, repeat=1)]
    metrics = metrics_of(rows)

    # the false alarm of one of two repeats counts half
    assert metrics["dice"].value == pytest.approx((0.7 + 0.5 * 0.0) / 1.5)
    assert metrics["dice"].n_exams == 2
    assert metrics["true_negative_exams"].value == 0.5
    assert "mean over repeats" in metrics["true_negative_exams"].method


def test_the_mean_over_repeats_is_among_those_of_the_repeats():
    """Empty exams falsely filled in one of five repeats each count a fifth."""
    rng = np.random.default_rng(1)
    rows = [
        a_mask(f"e{n}", f"p{n}", 0.8 + 0.05 * rng.normal(), repeat=repeat)
        for n in range(12)
        for repeat in range(5)
    ]
    rows += [
        a_mask(f"f{n}", f"q{n}", 0.0 if n % 5 == repeat else None, 0, 1, repeat=repeat)
        for n in range(12)
        for repeat in range(5)
    ]
    found = metrics_of(rows)["dice"]
    own = [
        metrics_of([row for row in rows if row.repeat == repeat])["dice"].value
        for repeat in range(5)
    ]
    assert min(own) <= found.value <= max(own)
    assert found.low < found.value < found.high


def test_missing_volumes_leave_the_volume_errors_without_a_value():
    rows = [a_mask("e0", "p0", 0.8)]
    rows = [type(r)(0, 0, r.exam_id, r.patient_id, dice=r.dice) for r in rows]

    assert metrics_of(rows)["volume_error_ml"].value is None
