from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.folds.makers import (
    MASKS_ONLY,
    TWO_CLASSES,
    a_cohort,
    a_scan,
    held_out,
)
from voxray.core.errors import DatasetError
from voxray.core.records import FoldRole, PatientId
from voxray.core.specs import FoldsSpec, TaskSpec
from voxray.folds import assign_folds, audit, training_patients

SPEC = FoldsSpec(n=5)
THREE_CLASSES = TaskSpec.model_validate(
    {"classify": {"column": "y", "classes": {"none": 0, "low": 1, "high": 2}}}
)


def positives(records):
    return {r.patient_id for r in records if r.labels["y"] == 1}


def test_each_patient_is_held_out_once_in_every_repeat():
    records = a_cohort(23)
    rows = assign_folds(records, TWO_CLASSES, FoldsSpec(n=5, repeats=3), seed=1)

    for repeat in range(3):
        counts = Counter(p for fold in held_out(rows, repeat).values() for p in fold)
        assert counts == Counter({r.patient_id: 1 for r in records})


def test_repeats_draw_anew():
    rows = assign_folds(a_cohort(), TWO_CLASSES, FoldsSpec(repeats=2), seed=1)

    assert held_out(rows, 0) != held_out(rows, 1)


def test_first_repeat_does_not_depend_on_the_number_of_repeats():
    one = assign_folds(a_cohort(), TWO_CLASSES, FoldsSpec(repeats=1), seed=1)
    two = assign_folds(a_cohort(), TWO_CLASSES, FoldsSpec(repeats=2), seed=1)

    assert two[: len(one)] == one


def test_another_seed_gives_other_folds():
    folds = [held_out(assign_folds(a_cohort(), TWO_CLASSES, SPEC, s)) for s in (1, 2)]

    assert folds[0] != folds[1]


@settings(deadline=None, max_examples=15)
@given(st.randoms(use_true_random=False), st.integers(0, 2**32 - 1))
def test_order_of_rows_does_not_change_folds(random, seed):
    records = a_cohort(17)
    mixed = random.sample(records, len(records))

    folds = assign_folds(records, TWO_CLASSES, SPEC, seed)

    assert assign_folds(mixed, TWO_CLASSES, SPEC, seed) == folds


def test_other_pseudonyms_give_the_same_split_of_images():
    records = a_cohort(20)
    renamed = [
        replace(r, patient_id=PatientId(f"q{99 - int(r.patient_id[1:])}"))
        for r in records
    ]

    here = held_out(assign_folds(records, TWO_CLASSES, SPEC, 3))
    there = held_out(assign_folds(renamed, TWO_CLASSES, SPEC, 3))

    assert there == {f: {f"q{99 - int(p[1:])}" for p in ps} for f, ps in here.items()}


@pytest.mark.parametrize(("n_patients", "every"), [(20, 2), (23, 3), (50, 10), (24, 2)])
def test_folds_are_alike_in_size_and_in_positive_patients(n_patients, every):
    records = a_cohort(n_patients, every)
    folds = held_out(assign_folds(records, TWO_CLASSES, SPEC, 1)).values()

    sizes = [len(patients) for patients in folds]
    positive = [len(patients & positives(records)) for patients in folds]

    assert max(sizes) - min(sizes) <= 1
    assert max(positive) - min(positive) <= 1


def test_patient_is_positive_when_any_scan_is():
    """Ten patients have one malignant of two scans: two in every fold."""
    records = [
        a_scan(f"s{p}-{scan}", f"p{p}", label=int(p < 10 and scan == 1))
        for p in range(25)
        for scan in range(2)
    ]
    folds = held_out(assign_folds(records, TWO_CLASSES, SPEC, 1)).values()

    mixed = {f"p{p}" for p in range(10)}
    assert [len(patients & mixed) for patients in folds] == [2] * 5


def test_patient_of_several_classes_counts_as_the_rarest():
    records = [a_scan(f"a{p}", f"p{p}", label=p % 2) for p in range(20)]
    records += [a_scan(f"b{p}", f"p{p}", label=2) for p in range(5)]
    folds = held_out(assign_folds(records, THREE_CLASSES, SPEC, 1)).values()

    rarest = {f"p{p}" for p in range(5)}
    assert [len(patients & rarest) for patients in folds] == [1] * 5


def test_further_columns_are_balanced_too():
    records = a_cohort(60)
    spec = FoldsSpec(stratify=("label", "scanner"))
    folds = held_out(assign_folds(records, TWO_CLASSES, spec, 1)).values()

    for scanner in "abc":
        of_scanner = {r.patient_id for r in records if r.meta["scanner"] == scanner}
        assert [len(patients & of_scanner) for patients in folds] == [4] * 5


def test_rare_value_of_a_column_does_not_stop_the_split():
    records = [
        replace(r, meta={"scanner": "only one" if r.patient_id == "p03" else "a"})
        for r in a_cohort(20)
    ]
    rows = assign_folds(records, TWO_CLASSES, FoldsSpec(stratify=("scanner",)), 1)

    positive = [len(p & positives(records)) for p in held_out(rows).values()]
    assert positive == [2] * 5


def test_site_is_a_column_too():
    records = [replace(r, site="AB"[int(r.patient_id[1:]) // 10]) for r in a_cohort(20)]
    rows = assign_folds(records, TWO_CLASSES, FoldsSpec(stratify=("site",)), 1)

    of_a = {f"p{p:02}" for p in range(10)}
    assert [len(patients & of_a) for patients in held_out(rows).values()] == [2] * 5


def test_unknown_column_is_refused_and_known_ones_are_named():
    with pytest.raises(DatasetError, match=r"'vendor' .* label table: scanner"):
        assign_folds(a_cohort(), TWO_CLASSES, FoldsSpec(stratify=("vendor",)), 1)


def test_masks_without_labels_are_split_by_number():
    records = a_cohort(23, label=False)
    folds = held_out(assign_folds(records, MASKS_ONLY, SPEC, 1))

    assert sorted(len(patients) for patients in folds.values()) == [4, 4, 5, 5, 5]


def test_linked_patients_never_part():
    linked = [
        (PatientId("p00"), PatientId("p01")),
        (PatientId("p01"), PatientId("p07")),
    ]
    spec = FoldsSpec(n=5, repeats=10)
    records = a_cohort(20)
    rows = assign_folds(records, TWO_CLASSES, spec, 1, linked)

    assert audit(rows, records, linked).passed
    groups = {str(row.patient_id): row.group for row in rows}
    assert groups["p00"] == groups["p01"] == groups["p07"] == "p00"
    for repeat in range(10):
        for patients in held_out(rows, repeat).values():
            assert len(patients & {"p00", "p01", "p07"}) in {0, 3}


def test_validation_is_a_stratified_share_of_the_training_patients():
    records = a_cohort(50)
    rows = assign_folds(records, TWO_CLASSES, FoldsSpec(validation=0.2), 1)

    for fold in range(5):
        patients = training_patients(rows, records, 0, fold)
        assert len(patients.validation) == 8
        assert len(patients.validation & positives(records)) == 4
        assert not patients.validation & (patients.held_out | patients.train)
        assert len(patients.train) + 8 + len(patients.held_out) == 50


def test_small_validation_still_has_a_patient_of_each_class():
    records = a_cohort(12)
    rows = assign_folds(records, TWO_CLASSES, FoldsSpec(n=3, validation=0.01), 1)

    for fold in range(3):
        validation = training_patients(rows, records, 0, fold).validation
        assert len(validation & positives(records)) == 1
        assert len(validation - positives(records)) == 1


def test_holdout_patients_are_holdout_in_every_fold():
    records = a_cohort(40)
    spec = FoldsSpec.model_validate({"holdout": {"fraction": 0.25}, "repeats": 2})
    rows = assign_folds(records, TWO_CLASSES, spec, 1)

    holdout = Counter(r.patient_id for r in rows if r.role is FoldRole.HOLDOUT)
    assert set(holdout.values()) == {2 * 5}
    assert len(holdout) == 10
    assert audit(rows, records).n_holdout == 10


def test_one_class_is_refused_with_the_counts():
    records = [replace(r, labels={"y": 0}) for r in a_cohort(10)]

    with pytest.raises(
        DatasetError, match=r"all .* 'benign' .*benign: 10, malignant: 0"
    ):
        assign_folds(records, TWO_CLASSES, SPEC, 1)


def test_class_with_fewer_patients_than_folds_is_refused():
    with pytest.raises(
        DatasetError, match=r"'malignant' has 4 patients, fewer than f.*5"
    ):
        assign_folds(a_cohort(20, positive_every=5), TWO_CLASSES, SPEC, 1)


def test_class_that_no_patient_has_is_refused():
    with pytest.raises(
        DatasetError, match=r"'high' has 0 patients, .* leave the class"
    ):
        assign_folds(a_cohort(20), THREE_CLASSES, SPEC, 1)


def test_fewer_patients_than_folds_are_refused():
    with pytest.raises(DatasetError, match=r"4 patients are fewer than folds.n = 5"):
        assign_folds(a_cohort(4), TWO_CLASSES, SPEC, 1)


def test_links_that_leave_too_few_groups_are_named():
    linked = [(PatientId("p00"), PatientId(f"p{n:02}")) for n in range(1, 4)]

    with pytest.raises(DatasetError, match=r"6 patients in 3 linked groups are fewer"):
        assign_folds(a_cohort(6), TWO_CLASSES, SPEC, 1, linked)


@pytest.mark.parametrize("value", [None, 7])
def test_scan_without_a_label_of_the_task_is_refused(value):
    records = [*a_cohort(20), a_scan("odd", "p99", label=value)]

    with pytest.raises(DatasetError, match=rf"scan 'odd' has {value} in the label"):
        assign_folds(records, TWO_CLASSES, SPEC, 1)


def test_every_patient_of_both_classes_can_still_be_split():
    records = [
        a_scan(f"s{p}-{y}", f"p{p}", label=y) for p in range(10) for y in range(2)
    ]

    folds = held_out(assign_folds(records, TWO_CLASSES, SPEC, 1))

    assert [len(patients) for patients in folds.values()] == [2] * 5


@settings(deadline=None, max_examples=25)
@given(
    st.integers(12, 30),
    st.integers(2, 4),
    st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=3),
    st.integers(0, 2**32 - 1),
)
def test_every_split_passes_the_audit(n_patients, n_folds, pairs, seed):
    records = a_cohort(n_patients, label=False)
    linked = [(PatientId(f"p{a:02}"), PatientId(f"p{b:02}")) for a, b in pairs]
    spec = FoldsSpec(n=n_folds, repeats=2)

    rows = assign_folds(records, MASKS_ONLY, spec, seed, linked)

    assert audit(rows, records, linked).passed


def labelled(n_with, n_without):
    """Patients with the label "a", then patients without; all have "b" in turn."""
    scans = [a_scan(f"s{n:02}", f"p{n:02}") for n in range(n_with + n_without)]
    return [
        replace(scan, labels={"a": int(n < n_with), "b": n % 2})
        for n, scan in enumerate(scans)
    ]


@pytest.mark.parametrize(
    ("n_with", "n_without", "said"),
    [
        (0, 12, "'a' is there in 0 patients and absent in 12"),
        (1, 11, "'a' is there in 1 patients and absent in 11"),
        (12, 0, "'a' is there in 12 patients and absent in 0"),
    ],
)
def test_a_label_that_no_fold_could_learn_is_refused(n_with, n_without, said):
    task = TaskSpec.model_validate({"classify": {"columns": ["a", "b"]}})
    with pytest.raises(DatasetError, match=said):
        assign_folds(labelled(n_with, n_without), task, SPEC, seed=1)


def test_a_rare_label_is_split():
    task = TaskSpec.model_validate({"classify": {"columns": ["a", "b"]}})
    assert assign_folds(labelled(2, 18), task, SPEC, seed=1)
