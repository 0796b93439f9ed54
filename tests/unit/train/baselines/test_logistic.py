import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from voxray.core.specs import Target
from voxray.train.baselines import (
    predict_logistic,
    predict_targets,
    standardised_logits,
)

CLASSES = np.arange(60) % 2


def a_table(**columns):
    return pd.DataFrame(columns)


def an_auc(table, classes=CLASSES):
    shares = predict_logistic(table[:40], classes[:40], table[40:], 2)
    return roc_auc_score(classes[40:], shares[:, 1])


def test_a_feature_that_separates_ranks_perfectly():
    assert an_auc(a_table(x=CLASSES * 3.0 + np.linspace(0, 1, 60))) == 1


def test_a_feature_that_separates_downwards_ranks_perfectly():
    assert an_auc(a_table(x=-5.0 * CLASSES)) == 1


def test_a_useless_feature_ranks_like_guessing():
    rng = np.random.default_rng(3)
    classes = rng.integers(0, 2, 800)
    table = a_table(x=rng.normal(size=800))
    shares = predict_logistic(table[:400], classes[:400], table[400:], 2)
    assert roc_auc_score(classes[400:], shares[:, 1]) == pytest.approx(0.5, abs=0.09)


def test_categories_are_one_hot_and_a_new_one_counts_as_none_of_them():
    colour = pd.Series(np.where(CLASSES == 1, "red", "blue"), dtype=object)
    asked = a_table(colour=pd.Series(["red", "blue", "green"], dtype=object))
    shares = predict_logistic(a_table(colour=colour), CLASSES, asked, 2)[:, 1]
    assert shares[1] < shares[2] < shares[0]


def test_missing_values_are_imputed_from_the_training_part():
    x = CLASSES * 2.0
    x[::7] = np.nan
    table = a_table(x=x)
    asked = a_table(x=[np.nan, 0.0, 2.0])
    shares = predict_logistic(table, CLASSES, asked, 2)[:, 1]
    assert shares[1] < shares[0] < shares[2]
    assert np.isfinite(shares).all()


def test_a_column_without_any_value_is_no_error():
    shares = predict_logistic(
        a_table(x=np.full(60, np.nan)), CLASSES, a_table(x=[np.nan]), 2
    )
    assert shares[0, 1] == pytest.approx(0.5, abs=0.01)


def test_one_broken_value_does_not_hide_the_others():
    x = CLASSES + np.linspace(0, 0.5, 60)
    x[0] = 1e9
    assert an_auc(a_table(x=x)) > 0.99


def test_one_class_in_training_gives_one_answer():
    shares = predict_logistic(
        a_table(x=[1.0, 2.0]), np.array([2, 2]), a_table(x=[5.0]), 3
    )
    assert shares.tolist() == [[0, 0, 1]]


def test_a_class_that_training_lacks_gets_nothing():
    table = a_table(x=[0.0, 1.0, 0.0, 1.0])
    shares = predict_logistic(table, np.array([0, 2, 0, 2]), table, 3)
    assert shares[:, 1].tolist() == [0, 0, 0, 0]
    assert shares.sum(axis=1) == pytest.approx(1)


def test_standardised_logits_keep_the_order_and_share_a_scale():
    low = np.array([0.1, 0.2, 0.3])
    logits = standardised_logits(np.stack([1 - low, low], axis=1))[:, 0]
    assert (np.diff(logits) > 0).all()
    assert logits.mean() == pytest.approx(0, abs=1e-12)
    assert logits.std() == pytest.approx(1)


def test_standardised_logits_of_equal_scores_are_zero():
    assert standardised_logits(np.full((3, 2), 0.5)).tolist() == [[0], [0], [0]]


def test_labels_are_fitted_one_by_one_on_the_exams_that_state_them():
    targets = np.stack([CLASSES, 1.0 - CLASSES], axis=1)
    targets[:10, 1] = np.nan
    table = a_table(x=CLASSES * 2.0)
    shares = predict_targets(table, targets, a_table(x=[2.0]), Target.LABELS)
    assert shares[0, 0] > 0.9
    assert shares[0, 1] < 0.1


def test_a_label_that_nobody_stated_is_half():
    targets = np.stack([CLASSES, np.full(60, np.nan)], axis=1)
    shares = predict_targets(
        a_table(x=CLASSES * 2.0), targets, a_table(x=[2.0]), Target.LABELS
    )
    assert shares[0, 1] == 0.5


def test_classes_that_exclude_each_other_sum_to_one():
    targets = np.eye(3)[np.arange(60) % 3]
    table = a_table(x=(np.arange(60) % 3) * 1.0)
    shares = predict_targets(table, targets, table, Target.EXCLUSIVE)
    assert shares.sum(axis=1) == pytest.approx(1)
    assert (shares.argmax(axis=1)[::3] == 0).all()
