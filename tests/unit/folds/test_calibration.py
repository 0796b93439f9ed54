from collections import Counter

import pytest

from tests.unit.folds.makers import TWO_CLASSES, a_cohort, a_scan
from voxray.core.errors import DatasetError
from voxray.core.records import FoldRole, PatientId
from voxray.core.specs import FoldsSpec
from voxray.folds import (
    assign_folds,
    audit,
    choose_calibration,
    choose_holdout,
    training_patients,
)

SPEC = FoldsSpec.model_validate(
    {
        "n": 3,
        "repeats": 2,
        "calibration": {"fraction": 0.25},
        "holdout": {"fraction": 0.2},
    }
)


def test_without_a_rule_nobody_is_kept():
    assert choose_calibration(a_cohort(), FoldsSpec(), 1) == frozenset()


def test_fraction_is_drawn_per_class_of_those_not_in_the_holdout():
    records = a_cohort(50, positive_every=2)
    holdout = choose_holdout(records, SPEC, 1)
    chosen = choose_calibration(records, SPEC, 1, (), holdout)

    positive = {r.patient_id for r in records if r.labels["y"] == 1}
    assert (len(chosen), len(chosen & positive)) == (10, 5)
    assert not chosen & holdout


def test_patients_kept_for_calibration_are_used_in_no_fold():
    records = a_cohort(50)
    rows = assign_folds(records, TWO_CLASSES, SPEC, seed=1)
    kept = Counter(r.patient_id for r in rows if r.role is FoldRole.CALIBRATION)

    assert (len(kept), set(kept.values())) == (10, {6})
    for repeat in range(2):
        for fold in range(3):
            used = training_patients(rows, records, repeat, fold)
            assert not kept.keys() & frozenset().union(*used)
    assert audit(rows, records).n_calibration == 10


def test_holdout_is_the_same_with_and_without_calibration():
    records = a_cohort(50)
    alone = FoldsSpec.model_validate({"holdout": {"fraction": 0.2}})
    rows = assign_folds(records, TWO_CLASSES, SPEC, seed=1)

    found = {row.patient_id for row in rows if row.role is FoldRole.HOLDOUT}
    assert found == choose_holdout(records, alone, 1)


def test_linked_patients_are_kept_together():
    linked = [(PatientId(f"p{n:02}"), PatientId(f"p{n + 1:02}")) for n in (0, 2, 4, 6)]
    spec = FoldsSpec.model_validate({"calibration": {"fraction": 0.5}})
    chosen = choose_calibration(a_cohort(8), spec, 1, linked)

    assert chosen
    assert all((one in chosen) == (other in chosen) for one, other in linked)


def test_fraction_that_is_nobody_is_refused():
    records = [a_scan("s0", "p0", 0), a_scan("s1", "p1", 1)]
    with pytest.raises(DatasetError, match=r"folds.calibration: 0.25 of 2 patients is"):
        choose_calibration(records, SPEC, 1)
