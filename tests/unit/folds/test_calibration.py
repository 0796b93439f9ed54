from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from tests.unit.folds.makers import TWO_CLASSES, a_cohort, a_scan
from voxray.core.errors import DatasetError
from voxray.core.records import FoldRole, PatientId
from voxray.core.specs import FoldsSpec, TaskSpec
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


def many_labels(n_patients=200, n_labels=8):
    """Each label is there in one of ten, and unstated in one of four."""
    generator = np.random.default_rng(0)
    there = generator.random((n_patients, n_labels)) < 0.1
    stated = generator.random((n_patients, n_labels)) < 0.75
    return [
        replace(
            a_scan(f"s{n}", f"p{n:03}"),
            labels={f"l{k}": int(there[n, k]) for k in np.flatnonzero(stated[n])},
        )
        for n in range(n_patients)
    ]


def labels_task(n_labels=8):
    columns = [f"l{k}" for k in range(n_labels)]
    return TaskSpec.model_validate({"classify": {"columns": columns}})


@pytest.mark.parametrize("choose", [choose_calibration, choose_holdout])
def test_fraction_of_many_labels_is_kept_though_hardly_two_patients_are_alike(choose):
    records = many_labels()
    chosen = choose(records, SPEC, 1)

    wanted = {choose_calibration: 50, choose_holdout: 40}[choose]
    assert len(chosen) == pytest.approx(wanted, abs=4)
    for name in labels_task().classify.columns:
        having = {r.patient_id for r in records if r.labels.get(name)}
        assert 0.05 < len(having & chosen) / len(having) < 0.5


def labelled(*of_each):
    return [
        replace(a_scan(f"s{n:02}", f"p{n:02}"), labels=labels)
        for n, labels in enumerate(of_each)
    ]


@pytest.mark.parametrize(
    ("records", "said"),
    [
        # each patient with x is the only one with another label, and those stay
        (
            labelled(
                *({"x": 0, "a": 0, "b": 0} for _ in range(14)),
                {"x": 1, "a": 1, "b": 0},
                {"x": 1, "a": 0, "b": 1},
            ),
            "keeps 4 patients out, 0 of them 'x'",
        ),
        # the only patient without x stays
        (
            labelled(*({"x": 1, "a": n % 2} for n in range(16)), {"x": 0, "a": 0}),
            "keeps 4 patients out, 4 of them 'x'",
        ),
    ],
)
def test_calibration_patients_all_with_or_all_without_a_label_are_refused(
    records, said
):
    task = TaskSpec.model_validate({"classify": {"columns": list(records[0].labels)}})
    spec = FoldsSpec.model_validate({"n": 2, "calibration": {"fraction": 0.25}})

    with pytest.raises(DatasetError, match=f"{said}; .* take a larger fraction"):
        assign_folds(records, task, spec, seed=1)


def test_fraction_that_is_nobody_is_refused():
    records = [a_scan("s0", "p0", 0), a_scan("s1", "p1", 1)]
    with pytest.raises(DatasetError, match=r"folds.calibration: 0.25 of 2 patients is"):
        choose_calibration(records, SPEC, 1)
