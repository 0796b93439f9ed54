"""Fit what brings probabilities to the frequencies seen; applied by `core.calibration`.

Calibration slope and intercept, which say how far off probabilities are, come from the
same regression (Cox 1958, Biometrika 45:562; Van Calster 2016, J Clin Epidemiol
74:167).
"""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_expit
from sklearn.isotonic import IsotonicRegression

from voxray.core.calibration import log_odds, tempered
from voxray.core.errors import ConfigError, DatasetError
from voxray.core.records import OutOfFoldPrediction
from voxray.core.specs import Calibration
from voxray.evaluate.estimate import MIN_PATIENTS
from voxray.evaluate.exams import ScoredExams

Wanted = Literal["auto", "platt", "temperature", "isotonic", "none"]
Fitted = Literal["platt", "temperature", "isotonic"]
Array = NDArray[np.float64]

FEWEST_FOR_STEPS = 500
"""Patients of either class below which an isotonic fit follows chance."""

_FLATTEST, _STEEPEST = 0.05, 20.0


def fit_platt(score: Array, positive: NDArray[np.bool_]) -> Calibration | None:
    """Slope and intercept on the log odds, by maximum likelihood (Platt 1999).

    Platt's targets, (n+ + 1) / (n+ + 2) and 1 / (n- + 2) in place of 1 and 0, keep the
    slope finite where the score separates the classes.

    Args:
        score: Probability of the positive class.
        positive: Both values occur.

    Returns:
        None where larger scores do not go with the positive class: there is nothing to
        bring into scale.
    """
    n_positive = int(positive.sum())
    n_negative = len(positive) - n_positive
    high, low = (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2)
    target = np.where(positive, high, low)
    slope, intercept = logistic_line(log_odds(score), target)
    if not slope > 0:
        return None
    return Calibration(kind="platt", slope=slope, intercept=intercept)


def logistic_line(x: Array, target: Array) -> tuple[float, float]:
    """Slope and intercept of the log odds of `target` on x, by maximum likelihood.

    Args:
        x: Finite.
        target: 0 to 1.

    Returns:
        A slope that runs away, as the classes are separated, ends at a large number.
    """
    # equal values have a mean beside them, and then a spread, by rounding
    spread = float(x.std()) if np.ptp(x) > 0 else 1.0
    centre = float(x.mean())
    z = (x - centre) / spread

    def loss(line: Array) -> tuple[float, Array]:
        odds = line[0] * z + line[1]
        value = -(target * log_expit(odds) + (1 - target) * log_expit(-odds)).mean()
        off = 1 / (1 + np.exp(-odds)) - target
        return float(value), np.array([(off * z).mean(), off.mean()])

    found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="BFGS")
    slope = float(found.x[0]) / spread
    return slope, float(found.x[1]) - slope * centre


def fit_temperature(probabilities: Array, truth: NDArray[np.intp]) -> Calibration:
    """One factor on the log probabilities of all classes, by maximum likelihood.

    Args:
        probabilities: (exam, class).
        truth: Number of the true class.
    """
    rows = np.arange(len(truth))

    def loss(log_slope: float) -> float:
        said = tempered(probabilities, _temperature(log_slope))[rows, truth]
        return float(-np.log(np.maximum(said, 1e-300)).mean())

    ends = math.log(_FLATTEST), math.log(_STEEPEST)
    found = minimize_scalar(loss, bounds=ends, method="bounded")
    return _temperature(float(found.x))


def _temperature(log_slope: float) -> Calibration:
    return Calibration(kind="temperature", slope=math.exp(log_slope))


def fit_isotonic(score: Array, positive: NDArray[np.bool_]) -> Calibration:
    """Steps that never fall (pool adjacent violators)."""
    steps = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
    steps.fit(score, positive.astype(np.float64))
    return Calibration(
        kind="isotonic",
        scores=tuple(map(float, steps.X_thresholds_)),
        shares=tuple(map(float, steps.y_thresholds_)),
    )


def fit_kind(
    score: Array, positive: NDArray[np.bool_], kind: Fitted | None
) -> Calibration | None:
    """Fit a calibration of one class against the other, or of a label.

    Args:
        score: Probability, one an exam.
        positive: Both values occur.
        kind: As settled; None fits none.
    """
    if kind is None:
        return None
    fit = fit_isotonic if kind == "isotonic" else fit_platt
    return fit(score, positive)


def settle_two_sided(exams: ScoredExams, kind: Wanted) -> Fitted | None:
    """Which calibration of one class against the other, or of a label, is fitted.

    Args:
        exams: All there are; patients are counted.
        kind: As in the experiment.

    Returns:
        None where none is wanted, or patients are too few for "auto".

    Raises:
        ConfigError: For "temperature".
        DatasetError: With too few patients for the kind asked for.
    """
    if kind == "temperature":
        msg = "evaluate.calibration: 'temperature' is for three or more classes; "
        raise ConfigError(msg + "two classes and labels take 'platt' or 'isotonic'")
    fewest = FEWEST_FOR_STEPS if kind == "isotonic" else MIN_PATIENTS
    n_least = min(exams.n_positive, exams.n_negative)
    if kind == "none" or (kind == "auto" and n_least < fewest):
        return None
    if n_least < fewest:
        msg = (
            f"evaluate.calibration: {kind!r} needs {fewest} patients of either class; "
            f"{exams.n_positive} are positive and {exams.n_negative} negative. Take "
            f"{'platt' if n_least >= MIN_PATIENTS else 'none'!r}"
        )
        raise DatasetError(msg)
    return "isotonic" if kind == "isotonic" else "platt"


def settle_classes(
    predictions: Sequence[OutOfFoldPrediction], classes: Sequence[str], kind: Wanted
) -> Fitted | None:
    """Which calibration of three or more exclusive classes is fitted.

    Returns:
        None where none is wanted, or patients are too few for "auto".

    Raises:
        ConfigError: For "platt" and "isotonic".
        DatasetError: With too few patients for "temperature".
    """
    if kind in {"platt", "isotonic"}:
        msg = f"evaluate.calibration: {kind!r} is for two classes and labels; "
        raise ConfigError(msg + f"{len(classes)} classes take 'temperature'")
    n_patients = len({row.patient_id for row in predictions})
    fewest = MIN_PATIENTS * len(classes)
    if kind == "none" or (kind == "auto" and n_patients < fewest):
        return None
    if n_patients < fewest:
        msg = (
            f"evaluate.calibration: 'temperature' of {len(classes)} classes needs "
            f"{fewest} patients, there are {n_patients}; take 'none'"
        )
        raise DatasetError(msg)
    return "temperature"


def fit_classes(
    predictions: Sequence[OutOfFoldPrediction], classes: Sequence[str]
) -> Calibration:
    """Of three or more exclusive classes; one row per exam."""
    given = [[row.probabilities[name] for name in classes] for row in predictions]
    truth = [list(classes).index(row.label or "") for row in predictions]
    return fit_temperature(np.array(given), np.array(truth, dtype=np.intp))
