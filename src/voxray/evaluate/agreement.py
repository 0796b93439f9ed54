"""Numbers from tables of true and decided classes: kappa, Matthews, F1."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Statistic = Callable[[Array], Array]
"""From tables (…, true class, decided class) of counts to one number each."""

_ALMOST_ZERO = 1e-12


def balanced_accuracy(tables: Array) -> Array:
    """Mean over classes of the share that is decided rightly.

    Args:
        tables: (…, true class, decided class) counts.

    Returns:
        NaN where a class has no exam.
    """
    n_true = tables.sum(axis=-1)
    right = np.diagonal(tables, axis1=-2, axis2=-1)
    share = np.full(n_true.shape, np.nan)
    np.divide(right, n_true, out=share, where=n_true > 0)
    return np.asarray(share.mean(axis=-1))


def quadratic_kappa(tables: Array) -> Array:
    """Weighted kappa with squared distances (Cohen 1968, Psychol. Bull. 70:213).

    1 less the mean squared distance over the one that chance would give with the same
    frequencies of true and decided classes: 1 is agreement, 0 is chance.

    Args:
        tables: (…, true class, decided class) counts.

    Returns:
        NaN where all exams are of one class and all are decided to be that one.
    """
    return _kappa(tables, _distance(tables) ** 2)


def mean_distance(tables: Array) -> Array:
    """Mean number of classes between the true and the decided one.

    Args:
        tables: (…, true class, decided class) counts.
    """
    total = tables.sum(axis=(-2, -1))
    apart = (_distance(tables) * tables).sum(axis=(-2, -1))
    return np.asarray(apart / np.maximum(total, _ALMOST_ZERO))


def linear_kappa(tables: Array) -> Array:
    """Weighted kappa with distances as they are (Cohen 1968); see `quadratic_kappa`."""
    return _kappa(tables, _distance(tables))


def matthews(tables: Array) -> Array:
    """Correlation of true and decided classes (Gorodkin 2004, Comput. Biol. Chem. 28).

    Of two classes the coefficient of Matthews 1975.

    Args:
        tables: (…, true class, decided class) counts.

    Returns:
        NaN where all exams are of one class, or all are decided to be one.
    """
    total = tables.sum(axis=(-2, -1))
    n_true, n_said = tables.sum(axis=-1), tables.sum(axis=-2)
    right = np.diagonal(tables, axis1=-2, axis2=-1).sum(axis=-1)
    covariance = right * total - (n_true * n_said).sum(axis=-1)
    spread = (total**2 - (n_true**2).sum(axis=-1)) * (
        total**2 - (n_said**2).sum(axis=-1)
    )
    return _ratio(covariance, np.sqrt(np.maximum(spread, 0)))


def f1_score(tables: Array) -> Array:
    """Harmonic mean of sensitivity and positive predictive value of the second class.

    Args:
        tables: (…, 2, 2) counts.

    Returns:
        NaN where no exam is positive and none is decided to be.
    """
    hit, missed, false = tables[..., 1, 1], tables[..., 1, 0], tables[..., 0, 1]
    return _ratio(2 * hit, 2 * hit + missed + false)


def _kappa(tables: Array, distance: Array) -> Array:
    total = tables.sum(axis=(-2, -1), keepdims=True)
    chance = tables.sum(axis=-1, keepdims=True) * tables.sum(axis=-2, keepdims=True)
    seen = (distance * tables).sum(axis=(-2, -1))
    expected = distance * chance / np.maximum(total, _ALMOST_ZERO)
    return 1 - _ratio(seen, expected.sum(axis=(-2, -1)))


def _ratio(top: Array, bottom: Array) -> Array:
    ratio = np.full(np.shape(bottom), np.nan)
    np.divide(top, bottom, out=ratio, where=bottom > 0)
    return np.asarray(ratio)


def _distance(tables: Array) -> Array:
    number = np.arange(tables.shape[-1], dtype=np.float64)
    return np.abs(number[:, None] - number)
