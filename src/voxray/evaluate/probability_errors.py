"""How far probabilities lie from what was true: Brier score and log loss."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from voxray.evaluate.estimate import Estimate, Settings
from voxray.evaluate.exams import ScoredExams
from voxray.evaluate.resampling import JudgedExams

Array = NDArray[np.float64]

SMALLEST = float(np.finfo(np.float32).eps)
"""Probabilities nearer to 0 or 1 count as this near: float32 knows none between."""


def clipped(score: Array) -> Array:
    """Probabilities of which the logarithm is finite."""
    return np.clip(score, SMALLEST, 1 - SMALLEST)


def brier_score(judged: JudgedExams, weights: Array) -> Array:
    """Mean squared error of the probability (Brier 1950, one class).

    Args:
        judged: One class against the rest.
        weights: (draws, patients).
    """
    exams = judged.exams
    return _weighted_mean(judged, (exams.score - exams.positive) ** 2, weights)


def log_loss(judged: JudgedExams, weights: Array) -> Array:
    """Mean negative log of the probability that the truth was given, natural log.

    Args:
        judged: One class against the rest.
        weights: (draws, patients).
    """
    exams = judged.exams
    of_truth = np.where(exams.positive, exams.score, 1 - exams.score)
    return _weighted_mean(judged, -np.log(clipped(of_truth)), weights)


def say_brier_of_prevalence(
    judged: Sequence[JudgedExams], settings: Settings, found: Estimate
) -> Estimate:
    """Add the Brier score of giving everyone the prevalence."""
    del settings
    shares = np.array([prevalence(own.exams) for own in judged])
    return _with_yardstick(found, float((shares * (1 - shares)).mean()))


def say_log_loss_of_prevalence(
    judged: Sequence[JudgedExams], settings: Settings, found: Estimate
) -> Estimate:
    """Add the log loss of giving everyone the prevalence."""
    del settings
    shares = clipped(np.array([prevalence(own.exams) for own in judged]))
    entropy = -(shares * np.log(shares) + (1 - shares) * np.log(1 - shares))
    return _with_yardstick(found, float(entropy.mean()))


def prevalence(exams: ScoredExams) -> float:
    """Share of positive exams."""
    return float(np.average(exams.positive, weights=exams.exam_weight))


def _with_yardstick(found: Estimate, other: float) -> Estimate:
    said = f"{found.method}; giving every exam the prevalence has {other:.3f}"
    return replace(found, method=said)


def _weighted_mean(judged: JudgedExams, values: Array, weights: Array) -> Array:
    n_patients = weights.shape[1]
    pair = np.stack([values, np.ones_like(values)], axis=1)
    total, n_exams = (weights @ judged.per_patient(pair, n_patients)).T
    mean = np.full(len(weights), np.nan)
    np.divide(total, n_exams, out=mean, where=n_exams > 0)
    return mean
