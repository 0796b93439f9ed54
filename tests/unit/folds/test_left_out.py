from dataclasses import replace

import pytest

from tests.unit.folds.makers import (
    MASKS_ONLY,
    TWO_CLASSES,
    a_cohort,
    a_row,
    a_scan,
    held_out,
)
from voxray.core.errors import DatasetError
from voxray.core.records import PatientId
from voxray.core.specs import FoldsSpec
from voxray.folds import assign_folds, audit, training_patients, values_of_folds

BY_SCANNER = FoldsSpec(scheme="leave_one_out_of:scanner")


def test_each_value_is_held_out_by_one_fold_in_the_order_of_the_values():
    records = a_cohort(12)
    rows = assign_folds(records, TWO_CLASSES, BY_SCANNER, seed=1)

    for fold, patients in held_out(rows).items():
        own = {r.patient_id for r in records if r.meta["scanner"] == "abc"[fold]}
        assert patients == own
    assert values_of_folds(rows, records, "scanner") == {0: "a", 1: "b", 2: "c"}
    assert audit(rows, records).passed


def test_number_of_folds_is_that_of_the_values_whatever_n_says():
    spec = BY_SCANNER.model_copy(update={"n": 5})
    rows = assign_folds(a_cohort(12), TWO_CLASSES, spec, seed=1)

    assert {row.fold for row in rows} == {0, 1, 2}


def test_another_seed_leaves_out_the_same_patients():
    folds = [
        held_out(assign_folds(a_cohort(12), TWO_CLASSES, BY_SCANNER, s)) for s in (1, 2)
    ]

    assert folds[0] == folds[1]


def test_validation_is_drawn_from_the_other_values():
    records = a_cohort(30)
    rows = assign_folds(records, TWO_CLASSES, BY_SCANNER, seed=1)

    patients = training_patients(rows, records, 0, 0)
    assert len(patients.validation) == 2
    assert not patients.validation & patients.held_out


@pytest.mark.parametrize("column", ["site", "sex", "modality"])
def test_columns_of_the_headers_can_be_left_out(column):
    records = [
        replace(r, **{column: "MF"[n // 4 % 2]}) for n, r in enumerate(a_cohort(8))
    ]
    spec = FoldsSpec(scheme=f"leave_one_out_of:{column}")

    assert set(held_out(assign_folds(records, TWO_CLASSES, spec, 1))) == {0, 1}


def test_holdout_patients_are_in_no_value():
    spec = FoldsSpec.model_validate(
        {
            "scheme": "leave_one_out_of:scanner",
            "holdout": {"column": "scanner", "value": "b"},
        }
    )
    records = a_cohort(12)
    rows = assign_folds(records, TWO_CLASSES, spec, seed=1)

    assert values_of_folds(rows, records, "scanner") == {0: "a", 1: "c"}
    assert audit(rows, records).n_holdout == 4


def test_a_patient_of_two_values_is_refused_and_named():
    records = [*a_cohort(12), a_scan("s-more", "p00", label=1, scanner="b")]

    with pytest.raises(
        DatasetError, match=r"1 of 12 patients .*'scanner' \('p00': a, b\)"
    ):
        assign_folds(records, TWO_CLASSES, BY_SCANNER, seed=1)


def test_linked_patients_of_two_values_are_refused_together():
    linked = [(PatientId("p00"), PatientId("p01"))]

    with pytest.raises(DatasetError, match=r"2 of 12 patients .*'p00' and 'p01': a, b"):
        assign_folds(a_cohort(12), TWO_CLASSES, BY_SCANNER, 1, linked)


def test_a_scan_without_a_value_counts_as_the_others_of_its_patient():
    records = a_cohort(12)
    records[0] = replace(records[0], meta={})

    assert "p00" in held_out(assign_folds(records, TWO_CLASSES, BY_SCANNER, 1))[0]


def test_a_patient_without_a_value_is_refused():
    records = [*a_cohort(12), a_scan("s-more", "p99", label=1)]

    with pytest.raises(DatasetError, match=r"1 of 13 patients have no value .*'p99'"):
        assign_folds(records, TWO_CLASSES, BY_SCANNER, seed=1)


def test_a_column_of_one_value_is_refused():
    records = [replace(r, meta={"scanner": "a"}) for r in a_cohort(12)]

    with pytest.raises(DatasetError, match=r"there are 1 \('a'\); 2 to 50 are"):
        assign_folds(records, TWO_CLASSES, BY_SCANNER, seed=1)


def test_a_column_of_too_many_values_is_refused():
    records = [a_scan(f"s{n}", f"p{n}", scanner=f"{n:02}") for n in range(51)]

    with pytest.raises(DatasetError, match=r"there are 51 \('00', '01', '02', …\)"):
        assign_folds(records, MASKS_ONLY, BY_SCANNER, seed=1)


def test_a_column_that_is_not_there_is_refused_and_the_nearest_is_named():
    spec = FoldsSpec(scheme="leave_one_out_of:scaner")

    with pytest.raises(DatasetError, match=r"did you mean 'scanner'\?"):
        assign_folds(a_cohort(12), TWO_CLASSES, spec, seed=1)


def test_a_value_without_which_a_class_is_gone_is_refused():
    records = [
        a_scan(f"s{n}", f"p{n}", label=int(n % 3 == 0), scanner="abc"[n % 3])
        for n in range(12)
    ]
    with pytest.raises(
        DatasetError, match=r"patients of 'a' no patient of class 'malignant'"
    ):
        assign_folds(records, TWO_CLASSES, BY_SCANNER, seed=1)


def test_a_table_in_which_a_value_is_in_two_folds_is_refused():
    records = [a_scan(f"s{n}", f"p{n}", scanner="aab"[n]) for n in range(3)]
    rows = [a_row("p0", 0), a_row("p1", 1), a_row("p2", 2)]

    with pytest.raises(DatasetError, match=r"fold 0 holds out a; fold 1 holds out a"):
        values_of_folds(rows, records, "scanner")


def test_a_table_in_which_a_fold_holds_out_two_values_is_refused():
    records = [a_scan(f"s{n}", f"p{n}", scanner="abc"[n]) for n in range(3)]
    rows = [a_row("p0", 0), a_row("p1", 0), a_row("p2", 1)]

    with pytest.raises(DatasetError, match=r"fold 0 holds out a and b"):
        values_of_folds(rows, records, "scanner")


def test_repeats_of_what_is_not_drawn_are_refused():
    with pytest.raises(ValueError, match="2 repeats of 'leave_one_out_of:x' would be"):
        FoldsSpec(scheme="leave_one_out_of:x", repeats=2)


@pytest.mark.parametrize(
    "scheme", ["", "random", "leave_one_out_of", "leave_one_out_of: "]
)
def test_an_unknown_scheme_is_refused(scheme):
    with pytest.raises(
        ValueError, match="is no scheme; write 'stratified' or 'leave_one"
    ):
        FoldsSpec(scheme=scheme)
