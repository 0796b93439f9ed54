from dataclasses import replace

import numpy as np
import pytest

from tests.unit.evaluate.makers import a_mask, a_study
from voxray.core.errors import ConfigError, DatasetError
from voxray.core.specs import DecisionRule, Target
from voxray.evaluate.pairing import make_pair, make_side

YES = DecisionRule(classes=("no", "yes"), positive="yes")


def classes(letter="A", rows=None, rule=YES):
    rows = a_study(np.random.default_rng(1), n_patients=20) if rows is None else rows
    return make_side(letter, "classes", rows, rule)


def masks(letter="A", **changes):
    rows = [a_mask(f"e{n}", f"p{n}", 0.5, **changes) for n in range(4)]
    return make_side(letter, "masks", rows, None)


def with_masks(rows):
    return [
        replace(r, dice={"lesion": 0.5}, true_volume_ml={"lesion": 1.0}) for r in rows
    ]


def changed(which, **values):
    """A study where the first `which` exams differ."""
    rows = a_study(np.random.default_rng(1), n_patients=20)
    return [replace(r, **values) if n < which else r for n, r in enumerate(rows)]


def test_the_order_of_rows_does_not_matter():
    rows = a_study(np.random.default_rng(1), n_patients=20)
    pair = make_pair(classes(), classes("B", rows[::-1]))
    assert pair.first.predictions == pair.second.predictions
    assert (pair.left_out, pair.n_folds, pair.n_repeats) == ((0, 0), 5, 1)


def test_another_label_is_refused_with_the_first_and_how_many():
    said = (
        r"2 of 20 exams have another label in B \(classes\) than in A \(classes\); "
        "first: exam 'e000-0', 'yes' against 'no'"
    )
    with pytest.raises(DatasetError, match=said):
        make_pair(classes(), classes("B", changed(2, label="no")))


def test_another_patient_of_an_exam_is_refused():
    said = r"1 of 20 exams belong to another patient .* 'p000' against patient 'px'"
    with pytest.raises(DatasetError, match=said):
        make_pair(classes(), classes("B", changed(1, patient_id="px")))


def test_another_fold_is_refused():
    said = (
        "3 of 20 exams were held out in another fold .* fold 0 of repeat 0 against "
        "fold 4 of repeat 0; use the same seed and folds"
    )
    with pytest.raises(DatasetError, match=said):
        make_pair(
            classes(),
            classes("B", [*changed(1, fold=4)[:1], *moved_second_and_third()]),
        )


def moved_second_and_third():
    rows = changed(0)[1:]
    return [
        replace(r, fold=(r.fold + 1) % 5) if n < 2 else r for n, r in enumerate(rows)
    ]


def test_another_drawn_mask_is_refused():
    said = (
        "4 of 4 exams have another drawn mask .* lesion of 1.000 ml against lesion of 2"
    )
    with pytest.raises(DatasetError, match=said):
        make_pair(masks(), masks("B", drawn=2.0))


def test_rounding_of_a_drawn_volume_is_no_other_mask():
    assert make_pair(masks(), masks("B", drawn=1.0 + 1e-9)).left_out == (0, 0)


def test_missing_exams_are_refused_with_their_number_on_each_side():
    rows = a_study(np.random.default_rng(1), n_patients=20)
    said = (
        r"2 of 18 predictions are only in A \(classes\), first: exam 'e000-0' of "
        r"repeat 0; 2 of 18 predictions are only in B .* add --common to compare the 16"
    )
    with pytest.raises(DatasetError, match=said):
        make_pair(classes(rows=rows[:-2]), classes("B", rows[2:]))


def test_common_exams_are_compared_when_asked_for():
    rows = a_study(np.random.default_rng(1), n_patients=20)
    pair = make_pair(classes(rows=rows[:-2]), classes("B", rows[3:]), common=True)
    assert pair.left_out == (3, 2)
    assert len(pair.first.predictions) == len(pair.second.predictions) == 15


def test_other_labels_are_refused_even_among_common_exams():
    rows = changed(1, label="no")[:-2]
    with pytest.raises(DatasetError, match="another label"):
        make_pair(classes(), classes("B", rows), common=True)


def test_a_repeat_that_only_one_has_counts_as_missing():
    rows = a_study(np.random.default_rng(1), n_patients=20)
    twice = [*rows, *(replace(row, repeat=1) for row in rows)]
    with pytest.raises(DatasetError, match=r"20 of 40 predictions are only in A"):
        make_pair(classes(rows=twice), classes("B", rows))


def test_no_exam_in_common_is_refused():
    rows = [replace(r, exam_id=f"x{r.exam_id}") for r in changed(0)]
    with pytest.raises(DatasetError, match=r"no exam is in both: .* 20, such as 'e000"):
        make_pair(classes(), classes("B", rows), common=True)


def test_masks_on_one_side_only_are_refused():
    rows = a_study(np.random.default_rng(1), n_patients=20)
    both = make_side("B", "both", with_masks(rows), YES)
    with pytest.raises(ConfigError, match=r"B \(both\) predicts masks, A .* does not"):
        make_pair(classes(rows=rows), both)


def test_the_common_task_is_compared_when_asked_for():
    rows = a_study(np.random.default_rng(1), n_patients=20)
    both = make_side("B", "both", with_masks(rows), YES)
    pair = make_pair(classes(rows=rows), both, common=True)
    assert pair.task.segment is None
    assert "masks" in pair.unshared


def test_classes_against_masks_are_refused():
    with pytest.raises(ConfigError, match=r"A .* predicts classes, .*; B .* masks"):
        make_pair(classes(), masks("B"), common=True)


def test_another_positive_class_is_refused():
    rule = DecisionRule(classes=("no", "yes"), positive="no")
    said = r"positive class of A \(classes\) is 'yes', that of B \(classes\) 'no'"
    with pytest.raises(ConfigError, match=said):
        make_pair(classes(), classes("B", rule=rule))


def test_other_classes_are_refused():
    rule = DecisionRule(classes=("no", "ill"), positive="ill")
    rows = [
        replace(r, label="no", probabilities={"no": 0.5, "ill": 0.5})
        for r in changed(0)
    ]
    with pytest.raises(ConfigError, match=r"other classes: 'no', 'yes' against 'ill'"):
        make_pair(classes(), classes("B", rows, rule))


def test_ordered_and_unordered_classes_are_refused():
    names = ("a", "b", "c")
    rows = [
        replace(r, label="a", probabilities=dict.fromkeys(names, 1 / 3))
        for r in changed(0)
    ]
    sides = [
        make_side(
            letter, "x", rows, DecisionRule(classes=names, positive="c", target=target)
        )
        for letter, target in (("A", Target.EXCLUSIVE), ("B", Target.ORDINAL))
    ]
    with pytest.raises(ConfigError, match=r"are exclusive, those of B .* ordinal"):
        make_pair(*sides)


def test_a_probability_that_is_no_number_is_refused():
    rows = changed(1, probabilities={"no": 0.5, "yes": float("nan")})
    with pytest.raises(DatasetError, match=r"B \(classes\): 1 predicted numbers"):
        classes("B", rows)


def test_probabilities_without_a_decision_are_refused():
    with pytest.raises(DatasetError, match="no decision; run stage 5"):
        classes(rule=None)


def test_a_side_without_predictions_is_refused():
    with pytest.raises(DatasetError, match="there is no prediction"):
        make_side("A", "empty", [], None)
