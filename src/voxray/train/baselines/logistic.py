"""Logistic regression on a table of features, fitted on a fold's training exams."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    RobustScaler,
    StandardScaler,
)

from voxray.core.specs import Target

Array = NDArray[np.float64]

_FAR = 10.0  # interquartile ranges; beyond, one broken value would set the scale
_MOST_CATEGORIES = 20
_MOST_ITERATIONS = 5000
_SMALLEST_SHARE = 1e-6


def predict_logistic(
    training: pd.DataFrame, classes: NDArray[np.intp], asked: pd.DataFrame, n: int
) -> Array:
    """Fit on the training exams and predict others.

    Numbers are standardised; an absent one is the training median, with a feature that
    says so. Categories are one-hot; one that training never saw counts as none of them.
    Everything is learned from `training`. Multinomial with more than two classes; no
    class is weighted.

    Args:
        training: Features, one row per exam.
        classes: Class of each, from 0.
        asked: The same features of the exams to predict.
        n: Number of classes.

    Returns:
        (exam, n) probabilities; the same for every exam where training has one class.
    """
    shares = np.zeros((len(asked), n))
    seen = np.unique(classes)
    if len(seen) == 1:
        shares[:, seen[0]] = 1.0
        return shares
    model = _model().fit(training, classes)
    shares[:, seen] = model.predict_proba(asked)
    return shares


def predict_targets(
    training: pd.DataFrame, targets: Array, asked: pd.DataFrame, target: Target
) -> Array:
    """The same for the targets of a class head.

    Args:
        training: Features, one row per exam.
        targets: (exam, class): 1 for what the exam is, else 0; NaN for a label that
            nobody stated, which is left out of that label's fit.
        asked: The same features of the exams to predict.
        target: Labels that do not exclude each other are fitted one by one.

    Returns:
        (exam, class) probabilities; 0.5 for a label that no training exam states.
    """
    if target is not Target.LABELS:
        classes = targets.argmax(axis=1)
        return predict_logistic(training, classes, asked, targets.shape[1])
    shares = np.full((len(asked), targets.shape[1]), 0.5)
    for number, own in enumerate(targets.T):
        stated = np.isfinite(own)
        if stated.any():
            classes = own[stated].astype(np.intp)
            said = predict_logistic(training[stated], classes, asked, 2)
            shares[:, number] = said[:, 1]
    return shares


def _model() -> Pipeline:
    numbers = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
        RobustScaler(),
        FunctionTransformer(np.clip, kw_args={"a_min": -_FAR, "a_max": _FAR}),
        StandardScaler(),
    )
    categories = OneHotEncoder(
        handle_unknown="ignore", max_categories=_MOST_CATEGORIES, sparse_output=False
    )
    is_number = make_column_selector(dtype_include="number")
    is_category = make_column_selector(dtype_exclude="number")
    columns = make_column_transformer((numbers, is_number), (categories, is_category))
    return make_pipeline(columns, LogisticRegression(max_iter=_MOST_ITERATIONS))


def standardised_logits(shares: Array, target: Target = Target.EXCLUSIVE) -> Array:
    """What networks of different folds say, brought to one scale without a label.

    Args:
        shares: (exam, class) of one network on the exams it holds out.
        target: How the classes hang together.

    Returns:
        (exam, class - 1) log odds against the first class, or (exam, label) log odds of
        each label; mean 0 and deviation 1 over these exams, 0 where all are equal. The
        order of exams is kept for two classes and for labels.
    """
    kept = np.clip(shares, _SMALLEST_SHARE, 1 - _SMALLEST_SHARE)
    if target is Target.LABELS:
        odds = logit(kept)
    elif kept.shape[1] == 2:  # noqa: PLR2004
        odds = logit(kept[:, 1:])
    else:
        odds = np.log(kept[:, 1:] / kept[:, :1])
    spread = odds.std(axis=0)
    centred = odds - odds.mean(axis=0)
    return np.asarray(centred / np.where(spread > 0, spread, 1.0))
