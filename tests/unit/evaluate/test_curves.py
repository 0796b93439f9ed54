from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_curve

from tests.unit.evaluate.makers import BINARY, SPEC, a_prediction, a_study
from tests.unit.evaluate.test_classes import GRADES, LABELS, three_grades, two_labels
from tests.unit.evaluate.test_resampling import classify_of
from voxray.evaluate import class_curves, confusion_tables
from voxray.evaluate.curves import net_benefit, precision_recall
from voxray.evaluate.exams import ScoredExams


def scored(rows):
    return ScoredExams.of_class(rows, "yes")


def benefit_of(rows):
    curve = net_benefit(scored(rows), 0.95)
    assert curve is not None
    return curve


def test_precision_and_recall_are_scikit_learns():
    exams = scored(a_study(np.random.default_rng(1), exams=2))
    for part, curve in zip(exams.usable_folds(), precision_recall(exams), strict=True):
        precision, recall, _ = precision_recall_curve(
            exams.positive[part], exams.score[part], drop_intermediate=False
        )
        assert curve.recall == pytest.approx(recall[-2::-1])
        assert curve.precision == pytest.approx(precision[-2::-1])
        assert curve.prevalence == exams.positive[part].mean()


def test_net_benefit_by_hand():
    """At 0.2 two true and one false positive of four: (2 - 1 * 0.25) / 4."""
    rows = [
        a_prediction(f"e{n}", f"p{n}", 0, label, share)
        for n, (label, share) in enumerate(
            [("yes", 0.9), ("yes", 0.3), ("no", 0.25), ("no", 0.1)]
        )
    ]
    curve = benefit_of(rows)
    at = curve.threshold.index(0.2)
    assert curve.benefit[at] == pytest.approx((2 - 0.25) / 4)
    assert curve.treat_all[at] == pytest.approx((2 - 2 * 0.25) / 4)
    assert curve.low[at] < curve.benefit[at] < curve.high[at]


def test_benefit_of_a_low_threshold_is_that_of_treating_all():
    rows = a_study(np.random.default_rng(2))
    curve = benefit_of(rows)
    lowest = min(row.probabilities["yes"] for row in rows)
    for threshold, own, everyone in zip(
        curve.threshold, curve.benefit, curve.treat_all, strict=True
    ):
        if threshold < lowest:
            assert own == pytest.approx(everyone)


def test_copied_exams_do_not_narrow_the_benefit():
    one = a_study(np.random.default_rng(3))
    copies = [replace(r, exam_id=f"{r.exam_id}-{n}") for r in one for n in range(4)]
    few, many = (benefit_of(rows) for rows in (one, copies))
    assert many.low == pytest.approx(few.low)


def test_one_class_has_no_benefit_curve():
    rows = [replace(r, label="no") for r in a_study(np.random.default_rng(4))]
    assert net_benefit(scored(rows), 0.95) is None
    assert confusion_tables(rows, classify_of(BINARY), SPEC) == {}
    assert class_curves(rows, classify_of(BINARY), SPEC)["yes"].precision_recall == ()


def test_the_table_of_grades_is_scikit_learns():
    rows = three_grades()
    (table,) = confusion_tables(rows, classify_of(GRADES), SPEC).values()
    order = ("low", "mid", "high")
    shares = np.array([[row.probabilities[n] for n in order] for row in rows])
    said = (np.cumsum(shares, axis=1) >= 0.5).argmax(axis=1)
    truth = [order.index(row.label) for row in rows]
    assert table.classes == order
    assert np.array(table.exams) == pytest.approx(confusion_matrix(truth, said))
    assert table.how == "median class decides"


def test_two_classes_and_each_label_are_decided_at_the_operating_point():
    (table,) = confusion_tables(
        a_study(np.random.default_rng(5)), classify_of(BINARY), SPEC
    ).values()
    assert table.classes == ("no", "yes")
    assert np.sum(table.exams) == pytest.approx(60)
    assert "threshold of each fold" in table.how
    labels = confusion_tables(two_labels(), classify_of(LABELS), SPEC)
    assert list(labels) == ["nodule", "fluid"]
    assert labels["fluid"].classes == ("no fluid", "fluid")
    assert np.sum(labels["fluid"].exams) == pytest.approx(60)


def test_repeats_count_an_exam_once_in_curves_and_tables():
    one = a_study(np.random.default_rng(6))
    twice = one + [replace(r, repeat=1) for r in one]
    few, many = (benefit_of(rows) for rows in (one, twice))
    assert many.benefit == pytest.approx(few.benefit)
    table = confusion_tables(twice, classify_of(BINARY), SPEC)[""]
    assert np.sum(table.exams) == pytest.approx(60)
