import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from voxray.core.calibration import calibrated, log_odds, tempered
from voxray.core.decision import calibrate
from voxray.core.specs import Calibration, DecisionRule, OperatingPoint, Target

PLATT = Calibration(kind="platt", slope=0.5, intercept=-1.0)
STEPS = Calibration(kind="isotonic", scores=(0.2, 0.6), shares=(0.1, 0.5))
COOLER = Calibration(kind="temperature", slope=2.0)
POINT = OperatingPoint(
    metric="sensitivity", at_least=0.9, threshold=0.3, n_positive=20, n_negative=30
)


def two(positive, calibration):
    return DecisionRule(
        classes=("no", "yes"),
        positive=positive,
        calibration=calibration,
        operating_point=POINT,
    )


def test_platt_scales_and_shifts_the_log_odds():
    said = calibrated(np.array([0.5, 0.9]), PLATT)
    odds = np.exp(-1.0), np.exp(0.5 * np.log(9) - 1)
    assert said == pytest.approx([o / (1 + o) for o in odds])


def test_isotonic_is_linear_between_its_steps_and_flat_beyond():
    said = calibrated(np.array([0.0, 0.2, 0.4, 0.6, 1.0]), STEPS)
    assert said == pytest.approx([0.1, 0.1, 0.3, 0.5, 0.5])


def test_a_temperature_below_one_sharpens_all_classes():
    said = tempered(np.array([[0.5, 0.3, 0.2]]), COOLER)
    assert said[0] == pytest.approx(np.array([25, 9, 4]) / 38)


def test_nothing_is_changed_without_a_calibration():
    given_ = np.array([[0.5, 0.3, 0.2]])
    np.testing.assert_array_equal(tempered(given_, None), given_)
    np.testing.assert_array_equal(calibrated(given_, None), given_)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=20))
def test_no_calibration_changes_the_order(probabilities):
    before = np.array(sorted(probabilities))
    for how in (PLATT, STEPS):
        after = calibrated(before, how)
        assert (np.diff(after) >= 0).all()
        assert ((after >= 0) & (after <= 1)).all()


def test_certain_networks_have_finite_log_odds():
    assert np.isfinite(log_odds(np.array([0.0, 1.0]))).all()


@pytest.mark.parametrize("positive", ["yes", "no"])
def test_of_two_classes_the_positive_one_is_calibrated(positive):
    other = "no" if positive == "yes" else "yes"
    said = calibrate({positive: 0.9, other: 0.1}, two(positive, PLATT))
    assert said[positive] == pytest.approx(float(calibrated(np.array(0.9), PLATT)))
    assert said[positive] + said[other] == pytest.approx(1)


def test_each_label_is_calibrated_by_itself():
    rule = DecisionRule(
        classes=("nodule", "effusion"),
        positive="",
        target=Target.LABELS,
        calibrations={"effusion": PLATT},
        operating_points={"nodule": POINT, "effusion": POINT},
    )
    said = calibrate({"nodule": 0.9, "effusion": 0.9}, rule)
    assert said["nodule"] == pytest.approx(0.9)
    assert said["effusion"] == pytest.approx(float(calibrated(np.array(0.9), PLATT)))


def test_three_classes_are_calibrated_together():
    rule = DecisionRule(classes=("a", "b", "c"), positive="c", calibration=COOLER)
    said = calibrate({"a": 0.5, "b": 0.3, "c": 0.2}, rule)
    assert list(said.values()) == pytest.approx([25 / 38, 9 / 38, 4 / 38])


def test_a_calibration_for_other_classes_is_refused():
    with pytest.raises(ValidationError, match="'temperature' of 2 classes"):
        two("yes", COOLER)
    with pytest.raises(ValidationError, match="'platt' of 3 classes"):
        DecisionRule(classes=("a", "b", "c"), positive="c", calibration=PLATT)
    with pytest.raises(ValidationError, match="which are not labels"):
        DecisionRule(classes=("no", "yes"), positive="yes", calibrations={"a": PLATT})
    with pytest.raises(ValidationError, match="with 1 scores and 0 shares"):
        Calibration(kind="isotonic", scores=(0.5,))
