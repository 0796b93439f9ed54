import pytest

from tests.unit.folds.makers import TWO_CLASSES, a_cohort, a_scan
from voxray.core.errors import DatasetError
from voxray.core.records import PatientId
from voxray.core.specs import FoldsSpec
from voxray.folds import assign_folds, choose_holdout


def spec_of(holdout):
    return FoldsSpec.model_validate({"holdout": holdout})


def test_without_a_rule_nobody_is_held_out():
    assert choose_holdout(a_cohort(), FoldsSpec(), 1) == frozenset()


def test_column_chooses_every_patient_with_its_value():
    chosen = choose_holdout(
        a_cohort(9), spec_of({"column": "scanner", "value": "b"}), seed=1
    )

    assert chosen == {"p01", "p04", "p07"}


def test_patients_linked_to_a_holdout_patient_are_holdout_too():
    linked = [(PatientId("p00"), PatientId("p01"))]
    spec = spec_of({"column": "scanner", "value": "b"})

    assert "p00" in choose_holdout(a_cohort(9), spec, 1, linked)


def test_fraction_is_drawn_per_class():
    records = a_cohort(40, positive_every=4)
    chosen = choose_holdout(records, spec_of({"fraction": 0.2}), seed=1)

    positive = {r.patient_id for r in records if r.labels["y"] == 1}
    assert (len(chosen), len(chosen & positive)) == (8, 2)


def test_same_seed_same_patients_in_any_order_another_seed_others():
    records, spec = a_cohort(40), spec_of({"fraction": 0.2})
    chosen = choose_holdout(records, spec, seed=1)

    assert choose_holdout(records[::-1], spec, seed=1) == chosen
    assert choose_holdout(records, spec, seed=2) != chosen


def test_value_that_no_scan_has_is_refused_and_the_values_are_named():
    with pytest.raises(
        DatasetError, match=r"no scan has 'z' .* its values are a, b, c"
    ):
        choose_holdout(a_cohort(), spec_of({"column": "scanner", "value": "z"}), 1)


def test_column_that_no_scan_has_is_refused():
    with pytest.raises(DatasetError, match=r"column 'ward' .* table: scanner"):
        choose_holdout(a_cohort(), spec_of({"column": "ward", "value": "z"}), 1)


def test_column_that_takes_everybody_is_refused():
    records = [a_scan(f"s{n}", f"p{n}", ward="x") for n in range(3)]

    with pytest.raises(DatasetError, match=r"takes all 3 patients"):
        choose_holdout(records, spec_of({"column": "ward", "value": "x"}), 1)


def test_fraction_that_is_nobody_is_refused():
    records = [a_scan(f"s{n}", f"p{n}", label=n) for n in range(3)]

    with pytest.raises(DatasetError, match=r"0\.1 of 3 patients is nobody"):
        choose_holdout(records, spec_of({"fraction": 0.1}), 1)


def test_a_value_that_is_nearly_one_there_is_named():
    records = [
        a_scan(f"s{n}", f"p{n}", ward=["north", "south"][n % 2]) for n in range(4)
    ]

    with pytest.raises(DatasetError, match=r"no scan has 'South'.*mean 'south'\?"):
        choose_holdout(records, spec_of({"column": "ward", "value": "South"}), 1)


def test_a_holdout_value_of_one_class_is_refused_with_the_counts():
    records = [a_scan(f"s{n}", f"p{n}", n % 2, ward="xy"[n % 2]) for n in range(20)]
    spec = spec_of({"column": "ward", "value": "x"})

    with pytest.raises(
        DatasetError,
        match=r"10 patients out, none of class 'malignant' \(benign: 10, .*0\).*value",
    ):
        assign_folds(records, TWO_CLASSES, spec, seed=1)


def test_a_fraction_that_leaves_no_positive_is_refused():
    """The only positive patient stays in the folds."""
    records = [a_scan(f"s{n}", f"p{n}", 0) for n in range(20)]
    records.append(a_scan("t", "q", 1))
    with pytest.raises(
        DatasetError, match=r"none of class 'malignant'.*larger fraction"
    ):
        assign_folds(records, TWO_CLASSES, spec_of({"fraction": 0.2}), seed=1)


def test_too_few_patients_outside_the_holdout_are_said_to_be_outside_it():
    records = a_cohort(12, positive_every=2)

    with pytest.raises(
        DatasetError, match=r"has 3 patients outside the holdout, fewer"
    ):
        assign_folds(records, TWO_CLASSES, spec_of({"fraction": 0.5}), seed=1)
