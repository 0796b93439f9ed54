from dataclasses import replace

import numpy as np
from scipy.special import expit, logit

from tests.unit.evaluate.makers import a_mask, a_prediction, a_study
from voxray.evaluate import possibly_mislabelled


def flipped(row):
    return replace(row, label="no" if row.label == "yes" else "yes")


def confident(row):
    odds = logit(row.probabilities["yes"]) - 4
    return replace(row, probabilities={"yes": expit(odds), "no": expit(-odds)})


def test_flipped_labels_come_first():
    study = a_study(np.random.default_rng(1), n_patients=100, n_positive=50, signal=8)
    rows = [confident(row) for row in study]
    wrong = {3, 17, 60, 81}
    rows = [flipped(row) if n in wrong else row for n, row in enumerate(rows)]

    found = possibly_mislabelled(rows)

    assert {suspect.exam_id for suspect in found[:4]} == {
        rows[n].exam_id for n in wrong
    }
    assert [suspect.rank for suspect in found] == list(range(1, len(found) + 1))
    first = found[0]
    assert {first.said_by_person, first.said_by_network} == {"yes", "no"}
    assert "on average" in first.reason


def test_labels_that_the_network_shares_are_not_listed():
    rows = [a_prediction(f"y{n}", f"y{n}", 0, "yes", 0.9) for n in range(10)]
    rows += [a_prediction(f"n{n}", f"n{n}", 0, "no", 0.1) for n in range(10)]
    assert possibly_mislabelled(rows) == ()


def test_at_most_a_tenth_of_the_exams_is_listed():
    rng = np.random.default_rng(1)
    rows = [
        a_prediction(f"e{n}", f"p{n}", 0, ["no", "yes"][n % 2], float(rng.random()))
        for n in range(200)
    ]
    assert len(possibly_mislabelled(rows)) == 20


def test_the_loss_is_that_of_the_mean_over_repeats():
    rows = [a_prediction(f"e{n}", f"p{n}", 0, "yes", 0.9) for n in range(9)]
    rows += [a_prediction(f"n{n}", f"n{n}", 0, "no", 0.1) for n in range(9)]
    odd = [
        a_prediction("x", "x", r, "no", p, repeat=r) for r, p in ((0, 0.98), (1, 1.0))
    ]
    (found,) = possibly_mislabelled([*rows, *odd])
    assert found.exam_id == "x"
    assert abs(found.loss + np.log(0.01)) < 1e-6


def test_a_mask_far_from_the_others_is_listed_with_its_volumes():
    rows = [a_mask(f"e{n}", f"p{n}", 0.85 + 0.005 * (n % 5)) for n in range(20)]
    rows[7] = a_mask("e7", "p7", 0.1, drawn=2.0, predicted=0.5)
    (found,) = possibly_mislabelled(rows)
    assert (found.kind, found.exam_id) == ("mask", "e7")
    assert found.said_by_person == "lesion 2.00 ml"
    assert "mean Dice 0.10, the median exam has 0.86" in found.reason


def test_masks_that_are_all_alike_are_not_listed():
    rows = [a_mask(f"e{n}", f"p{n}", 0.8 + 0.01 * (n % 3)) for n in range(20)]
    assert possibly_mislabelled(rows) == ()


def test_a_mask_that_both_leave_empty_is_not_listed():
    rows = [a_mask(f"e{n}", f"p{n}", None, drawn=0, predicted=0) for n in range(5)]
    assert possibly_mislabelled(rows) == ()


def test_each_of_several_labels_is_asked_for_itself():
    rows = [
        replace(
            a_prediction(f"e{n}", f"p{n}", 0, None, 0.5),
            labels={"a": n % 2, "b": 1},
            probabilities={"a": 0.9 if n % 2 else 0.1, "b": 0.8},
        )
        for n in range(20)
    ]
    rows[4] = replace(rows[4], probabilities={"a": 0.97, "b": 0.8})
    (found,) = possibly_mislabelled(rows)
    assert (found.exam_id, found.said_by_person, found.said_by_network) == (
        "e4",
        "no a",
        "a",
    )
