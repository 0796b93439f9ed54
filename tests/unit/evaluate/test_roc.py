import numpy as np
import pytest
from sklearn.metrics import auc, roc_auc_score

from tests.unit.evaluate.makers import a_prediction, a_study
from voxray.evaluate import roc_points


def test_one_curve_a_fold_then_the_pooled_one():
    curves = roc_points(a_study(np.random.default_rng(1)), "yes")

    assert [(c.repeat, c.fold) for c in curves] == [
        *((0, fold) for fold in range(5)),
        (None, None),
    ]


def test_curves_run_from_corner_to_corner_and_enclose_their_auc():
    rows = a_study(np.random.default_rng(2))

    for curve in roc_points(rows, "yes"):
        assert (curve.fpr[0], curve.tpr[0]) == (0, 0)
        assert (curve.fpr[-1], curve.tpr[-1]) == (1, 1)
        assert curve.auc == pytest.approx(auc(curve.fpr, curve.tpr))
    pooled = roc_auc_score(
        [r.label for r in rows], [r.probabilities["yes"] for r in rows]
    )
    assert roc_points(rows, "yes")[-1].auc == pytest.approx(pooled)


def test_fold_of_one_class_has_no_curve():
    rows = [
        a_prediction("e0", "p0", 0, "no", 0.1),
        a_prediction("e1", "p1", 0, "yes", 0.9),
        a_prediction("e2", "p2", 1, "yes", 0.2),
    ]

    assert [c.fold for c in roc_points(rows, "yes")] == [0, None]


def test_one_class_only_has_no_curves():
    assert roc_points([a_prediction("e0", "p0", 0, "no", 0.1)], "yes") == []
