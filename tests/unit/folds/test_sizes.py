from tests.unit.folds.makers import MASKS_ONLY, TWO_CLASSES, a_cohort
from voxray.core.specs import FoldsSpec
from voxray.evaluate.estimate import MIN_PATIENTS
from voxray.folds import assign_folds, small_parts
from voxray.folds.sizes import ENOUGH_PATIENTS


def lines(records, task, **folds):
    spec = FoldsSpec.model_validate(folds)
    rows = assign_folds(records, task, spec, seed=1)
    return list(small_parts(rows, records, task, spec))


def test_few_are_as_few_as_evaluation_asks_for():
    assert ENOUGH_PATIENTS == MIN_PATIENTS


def test_a_value_with_few_patients_of_a_class_is_said_with_numbers():
    said = lines(a_cohort(30), TWO_CLASSES, scheme="leave_one_out_of:scanner")

    assert len(said) == 3
    assert said[0].startswith("scanner = 'a' has 10 patients, benign: 5, malignant: 5:")


def test_a_value_of_one_class_has_no_auc():
    records = a_cohort(24, positive_every=4)
    records = [r for r in records if r.meta["scanner"] != "b" or r.labels["y"] == 0]
    said = lines(records, TWO_CLASSES, scheme="leave_one_out_of:scanner")

    assert (
        "scanner = 'b' has 6 patients, benign: 6, malignant: 0: it has no AUC"
        in said[1]
    )


def test_values_with_enough_patients_are_not_named():
    assert not lines(a_cohort(30), MASKS_ONLY, scheme="leave_one_out_of:scanner")
    # TWO_CLASSES needs ten of either class in each
    assert not lines(a_cohort(60), TWO_CLASSES, scheme="leave_one_out_of:scanner")


def test_a_value_of_one_patient_is_said():
    records = a_cohort(45, label=False)
    records = [r for r in records if r.meta["scanner"] != "c" or r.patient_id == "p02"]
    said = lines(records, MASKS_ONLY, scheme="leave_one_out_of:scanner")

    assert said == [
        "scanner = 'c' has 1 patient: its figures have no interval. 10 patients are "
        "needed; add patients, or join small values in the label table"
    ]


def test_a_small_holdout_is_said():
    said = lines(a_cohort(40), TWO_CLASSES, holdout={"fraction": 0.2})

    assert said[0].startswith("the holdout has 8 patients, benign: 4, malignant: 4:")
