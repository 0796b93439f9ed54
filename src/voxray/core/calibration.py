"""Apply a fitted calibration. Fitting is in `evaluate`."""

import numpy as np
from numpy.typing import NDArray

from voxray.core.specs import Calibration

Array = NDArray[np.float64]

LEAST = 1e-6
"""Probabilities nearer to 0 or 1 are taken as this far: networks give exact 0 and 1."""


def log_odds(probability: Array) -> Array:
    """Logit, finite for 0 and 1 too."""
    inside = np.clip(np.asarray(probability, dtype=np.float64), LEAST, 1 - LEAST)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def calibrated(probability: Array, calibration: Calibration | None) -> Array:
    """Of a class against the other, or of a label.

    Args:
        probability: Any shape, 0 to 1.
        calibration: "platt" or "isotonic"; None changes nothing.
    """
    given = np.asarray(probability, dtype=np.float64)
    if calibration is None:
        return given
    if calibration.kind == "isotonic":
        return np.interp(given, calibration.scores, calibration.shares)
    moved = calibration.slope * log_odds(given) + calibration.intercept
    return np.asarray(1 / (1 + np.exp(-moved)))


def tempered(probabilities: Array, calibration: Calibration | None) -> Array:
    """Of three or more exclusive classes.

    Args:
        probabilities: (exam, class); each row sums to 1.
        calibration: "temperature"; None changes nothing.
    """
    given = np.asarray(probabilities, dtype=np.float64)
    if calibration is None:
        return given
    powers = calibration.slope * np.log(np.maximum(given, LEAST))
    shares = np.exp(powers - powers.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))
