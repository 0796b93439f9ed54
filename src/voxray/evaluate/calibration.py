"""Whether probabilities are too high, too low or too sure: intercept and slope."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit
from scipy.stats import t

from voxray.core.records import Metric
from voxray.evaluate.estimate import (
    CONDITIONAL,
    Estimate,
    Settings,
    not_estimable,
    too_few,
)
from voxray.evaluate.exams import ScoredExams
from voxray.evaluate.probability_errors import SMALLEST, clipped

Array = NDArray[np.float64]

_FLAT = 1e-10  # derivative per exam at which the maximum is reached

_SLOPE = (
    "slope of a logistic regression of the truth on the logit of the probability, all "
    "folds pooled: 1 is right, below 1 too sure"
)
_INTERCEPT = (
    "calibration in the large: intercept of a logistic regression whose slope is 1, "
    "all folds pooled: 0 is right, below 0 probabilities are too high"
)


def calibration_metrics(
    class_: str, exams: ScoredExams, settings: Settings
) -> list[Metric]:
    """Slope and intercept of the scores as they are (Van Calster et al. 2019)."""
    points = logit(clipped(exams.score))
    n_clipped = int((clipped(exams.score) != exams.score).sum())
    clip = f"; of {n_clipped:,} predictions 0 or 1 is taken as {SMALLEST:.0e} off it"
    clip = clip if n_clipped else ""
    slope = _estimate(exams, _sloped(points), 1, _SLOPE + clip, settings)
    intercept = _estimate(exams, _shifted(points), 0, _INTERCEPT + clip, settings)
    return [
        settings.metric("calibration_slope", class_, slope, exams.counts),
        settings.metric("calibration_intercept", class_, intercept, exams.counts),
    ]


@dataclass(frozen=True, slots=True, eq=False)
class _Regression:
    """What the logit is a sum of.

    Attributes:
        design: (prediction, coefficient).
        offset: (prediction,) added as it is.
    """

    design: Array
    offset: Array


def _sloped(points: Array) -> _Regression:
    design = np.stack([np.ones_like(points), points], axis=1)
    return _Regression(design, np.zeros_like(points))


def _shifted(points: Array) -> _Regression:
    return _Regression(np.ones((len(points), 1)), points)


def _estimate(
    exams: ScoredExams,
    regression: _Regression,
    which: int,
    how: str,
    settings: Settings,
) -> Estimate:
    why = _undefined(exams, regression)
    if why:
        return not_estimable(None, why, how)
    found = fit_logistic(regression.design, exams.positive, exams, regression.offset)
    if found is None:
        return not_estimable(None, "the regression does not settle", how)
    value = float(found[which])
    if few := too_few(exams.n_positive, exams.n_negative):
        return not_estimable(value, few, how)
    error = math.sqrt(_clustered(regression, exams, found)[which, which])
    half = float(t.ppf(0.5 + settings.level / 2, exams.n_patients - 1)) * error
    said = (
        f"{how}; standard error by patients (sandwich, Liang & Zeger 1986), Student t; "
        f"{CONDITIONAL}"
    )
    return Estimate(value, value - half, value + half, said)


def _undefined(exams: ScoredExams, regression: _Regression) -> str:
    """Why there is no finite maximum; "" when there is one."""
    positive = exams.score[exams.positive]
    negative = exams.score[~exams.positive]
    if not len(positive) or not len(negative):
        return "all exams are of one class"
    if regression.design.shape[1] == 1:
        return ""
    if np.ptp(exams.score) == 0:
        return "all exams have the same probability"
    apart = positive.min() >= negative.max() or positive.max() <= negative.min()
    return "the probabilities separate the classes perfectly" if apart else ""


def fit_logistic(
    design: Array,
    positive: NDArray[np.bool_],
    exams: ScoredExams,
    offset: Array,
) -> Array | None:
    """Maximum likelihood, an exam's repeats sharing one weight.

    Args:
        design: (prediction, coefficient).
        positive: (prediction,).
        exams: Which exam each prediction is of.
        offset: (prediction,) part of the logit that is not fitted.

    Returns:
        One value per coefficient; None when the maximum is not reached.
    """
    weight = exams.exam_weight

    def loss(found: Array) -> float:
        place = design @ found + offset
        return float((weight * (np.logaddexp(0, place) - positive * place)).sum())

    def slope(found: Array) -> Array:
        off = weight * (expit(design @ found + offset) - positive)
        return np.asarray(design.T @ off)

    def bend(found: Array) -> Array:
        return _information(design, weight, expit(design @ found + offset))

    start = np.zeros(design.shape[1])
    flat = _FLAT * weight.sum()
    done = minimize(
        loss, start, jac=slope, hess=bend, method="trust-exact", options={"gtol": flat}
    )
    settled = np.abs(done.jac).max() < 1000 * flat  # rounding may end it earlier
    return np.asarray(done.x) if settled else None


def _information(design: Array, weight: Array, share: Array) -> Array:
    spread = (weight * share * (1 - share))[:, None] * design
    return np.asarray(spread.T @ design)


def _clustered(regression: _Regression, exams: ScoredExams, found: Array) -> Array:
    """Covariance that lets exams of a patient be alike, with k / (k - 1)."""
    share = expit(regression.design @ found + regression.offset)
    weight, n = exams.exam_weight, exams.n_patients
    pulls = regression.design * (weight * (exams.positive - share))[:, None]
    by_patient = np.zeros((n, len(found)))
    np.add.at(by_patient, exams.patient, pulls)
    inverse = np.linalg.inv(_information(regression.design, weight, share))
    return inverse @ (by_patient.T @ by_patient) @ inverse * (n / (n - 1))
