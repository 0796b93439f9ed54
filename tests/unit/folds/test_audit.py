import json

import pytest

from tests.unit.folds.makers import TWO_CLASSES, a_cohort, a_row, a_scan
from voxray.core.errors import LeakageError
from voxray.core.records import FoldRole, PatientId
from voxray.core.specs import FoldsSpec
from voxray.folds import assign_folds, audit, audit_to_json

RECORDS = [a_scan(f"s{n}", f"p{n}") for n in range(4)]
ROWS = [a_row("p0", 0), a_row("p1", 0), a_row("p2", 1), a_row("p3", 1)]


def test_clean_table_passes_and_says_what_was_looked_at():
    result = audit(ROWS, RECORDS)

    assert result.passed
    assert (result.n_patients, result.n_scans, result.n_images) == (4, 4, 4)
    assert (result.n_repeats, result.n_folds, result.n_holdout) == (1, 2, 0)
    asked = [c for c in result.checks if "is used in no fold" not in c.rule]
    assert all(check.compared for check in asked)


def test_audit_is_json():
    value = json.loads(json.dumps(audit_to_json(audit(ROWS, RECORDS))))

    assert value["passed"] is True
    assert {"rule", "compared"} == set(value["checks"][0])


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([*ROWS, a_row("p0", 1)], r"patient 'p0' is held out in folds 0 and 1"),
        (
            [*ROWS, a_row("p0", 0, FoldRole.VALIDATION)],
            r"patient 'p0' is held_out and validation in fold 0 of repeat 0",
        ),
        ([*ROWS, a_row("p0", 0)], r"patient 'p0' is held_out and held_out in fold 0"),
        (ROWS[1:], r"patient 'p0' is held out in folds none of repeat 0"),
        ([*ROWS, a_row("p9", 1)], r"patient 'p9' is not in the manifest"),
        (
            [*ROWS[1:], a_row("p0", 0, FoldRole.HOLDOUT)],
            r"holdout patient 'p0' is training in fold 1 of repeat 0",
        ),
        (
            [
                *ROWS[1:],
                a_row("p0", 0, FoldRole.HOLDOUT),
                a_row("p0", 1, FoldRole.VALIDATION),
            ],
            r"holdout patient 'p0' is validation in fold 1",
        ),
        (
            [*ROWS[1:], a_row("p0", 0, FoldRole.CALIBRATION)],
            r"calibration patient 'p0' is training in fold 1 of repeat 0",
        ),
        (
            [*ROWS, *(a_row(f"p{n}", n % 2, repeat=1) for n in range(3))],
            r"patient 'p3' is held out in folds none of repeat 1",
        ),
        (
            [a_row("p0", 0, group="g"), a_row("p2", 1, group="g"), ROWS[1], ROWS[3]],
            r"'p0' \(held_out\) and 'p2' \(training\) are one group in the table",
        ),
        ([], r"the fold table is empty"),
    ],
)
def test_broken_table_fails_and_patient_and_fold_are_named(rows, said):
    with pytest.raises(LeakageError, match=said):
        audit(rows, RECORDS)


def test_same_image_on_both_sides_fails():
    records = [*RECORDS, a_scan("copy", "p3", image="s0")]

    with pytest.raises(
        LeakageError,
        match=r"'p0' \(held_out\) and 'p3' \(training\) have the same image, in fold 0",
    ):
        audit(ROWS, records)


def test_same_image_in_training_and_validation_fails_too():
    records = [*RECORDS, a_scan("copy", "p1", image="s0")]
    rows = [*ROWS, a_row("p1", 1, FoldRole.VALIDATION)]

    with pytest.raises(
        LeakageError, match=r"'p0' \(training\) and 'p1' \(validation\)"
    ):
        audit(rows, records)


def test_two_scans_of_one_patient_may_be_the_same_image():
    assert audit(ROWS, [*RECORDS, a_scan("copy", "p0", image="s0")]).n_images == 4


def test_linked_pair_on_both_sides_fails():
    linked = [(PatientId("p1"), PatientId("p2"))]

    with pytest.raises(LeakageError, match=r"'p1' \(held_out\) and 'p2' .* by a copy"):
        audit(ROWS, RECORDS, linked)


def test_long_lists_are_cut_and_counted():
    with pytest.raises(LeakageError, match=r"; and 3 more\. Split again"):
        audit([*ROWS, *(a_row(f"x{n}", 0) for n in range(8))], RECORDS)


def test_one_patient_moved_by_hand_is_found_in_a_real_split():
    records = a_cohort(20)
    rows = assign_folds(records, TWO_CLASSES, FoldsSpec(), 1)
    other = next(r.fold for r in rows if r.role is FoldRole.HELD_OUT and r.fold)
    first = next(r for r in rows if r.role is FoldRole.HELD_OUT and r.fold == 0)
    by_hand = [r for r in rows if (r.patient_id, r.fold) != (first.patient_id, other)]

    with pytest.raises(LeakageError, match=rf"{first.patient_id!r} is held out in fol"):
        audit([*by_hand, a_row(first.patient_id, other)], records)
