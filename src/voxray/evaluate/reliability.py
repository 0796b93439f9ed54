"""Exams of similar probability, and whether as many of them are positive."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from voxray.core.curves import ReliabilityBin
from voxray.evaluate.estimate import Estimate, Settings
from voxray.evaluate.exams import ScoredExams
from voxray.evaluate.proportions import estimate_share
from voxray.evaluate.resampling import JudgedExams

Array = NDArray[np.float64]

N_BINS = 10
_PATIENTS_A_BIN = 10
_SIMULATIONS = 1000
_BLOCK = 100


def bin_of(exams: ScoredExams) -> NDArray[np.intp]:
    """Number of each prediction's bin; bins are of nearly equal numbers of exams.

    Ten, or fewer so that each may have ten patients. Equal scores share a bin. Equal
    numbers have less bias than equal widths (Roelofs et al. 2022, AISTATS).
    """
    n_patients = len(np.unique(exams.patient))  # numbers may have gaps
    n_bins = int(np.clip(n_patients // _PATIENTS_A_BIN, 1, N_BINS))
    cuts = np.quantile(exams.score, np.arange(1, n_bins) / n_bins, method="higher")
    raw = np.searchsorted(np.unique(cuts), exams.score, side="right")
    return np.asarray(np.unique(raw, return_inverse=True)[1], dtype=np.intp)


def expected_calibration_error(judged: JudgedExams, weights: Array) -> Array:
    """Gap of mean probability and share of positives, mean over bins by their exams.

    Naeini et al. 2015 (AAAI), with bins of equal numbers. The bins are those of all
    exams, in every draw.

    Args:
        judged: One class against the rest.
        weights: (draws, patients).
    """
    exams, number = judged.exams, bin_of(judged.exams)
    gap = (exams.positive - exams.score)[:, None] * _one_hot(number)
    gaps = weights @ judged.per_patient(gap, weights.shape[1])
    ones = np.ones((len(number), 1))
    n_exams = (weights @ judged.per_patient(ones, weights.shape[1]))[:, 0]
    return np.asarray(np.abs(gaps).sum(axis=1) / np.maximum(n_exams, 1e-12))


def say_bias(
    judged: Sequence[JudgedExams], settings: Settings, found: Estimate
) -> Estimate:
    """Add what a perfectly calibrated model would show, and mind it in the interval.

    The error cannot be below zero, so noise alone lifts it: most of all for a perfectly
    calibrated model, whose mean error is taken off the lower end. Where such a model
    reaches the value in one of 20 studies (or as `level` says), the interval starts at
    0.
    """
    n_patients = max(own.exams.n_patients for own in judged)
    each = [
        calibrated_errors(own, np.random.default_rng([settings.seed, 3]), n_patients)
        for own in judged
    ]
    null = np.mean(each, axis=0)
    bias, reached = float(null.mean()), float(np.quantile(null, settings.level))
    said = (
        f"{found.method}; biased upwards: a perfectly calibrated model with these "
        f"probabilities has {bias:.3f} on average and up to {reached:.3f} in "
        f"{settings.level:.0%} of {_SIMULATIONS} simulated studies, exams of a patient "
        "being alike"
    )
    if found.value is None or found.low is None:
        return replace(found, method=said)
    if found.value > reached:
        low = max(0.0, found.low - bias)
        return replace(found, low=low, method=f"{said}, taken off the lower end")
    return replace(found, low=0.0, method=f"{said}, so the interval starts at 0")


def calibrated_errors(
    judged: JudgedExams, generator: np.random.Generator, n_patients: int
) -> Array:
    """Calibration errors of simulated studies in which the probabilities are right.

    Each patient draws one number from 0 to 1, and an exam is positive when its
    probability is above it: every probability is right, and exams of a patient are as
    alike as can be. With the same stream, so are a patient's labels.

    Args:
        judged: One class against the rest.
        generator: Draws the numbers.
        n_patients: At least the highest patient number and one.

    Returns:
        (1000,).
    """
    exams, number = judged.exams, bin_of(judged.exams)
    share = _one_hot(number) * exams.exam_weight[:, None]
    n_exams = exams.exam_weight.sum()
    errors = []
    for _ in range(_SIMULATIONS // _BLOCK):
        drawn = generator.random((_BLOCK, n_patients))[:, exams.patient]
        gaps = ((drawn < exams.score) - exams.score) @ share
        errors.append(np.abs(gaps).sum(axis=1) / n_exams)
    return np.concatenate(errors)


def reliability_bins(exams: ScoredExams, settings: Settings) -> list[ReliabilityBin]:
    """The bins of the calibration error, in order, with intervals by patients."""
    numbers = bin_of(exams)
    return [_bin(exams, numbers == n, settings) for n in range(numbers.max() + 1)]


def _bin(
    exams: ScoredExams, own: NDArray[np.bool_], settings: Settings
) -> ReliabilityBin:
    share = estimate_share(exams, exams.positive, own, settings, "")
    return ReliabilityBin(
        mean_score=float(np.average(exams.score[own], weights=exams.exam_weight[own])),
        share=share.value or 0.0,
        low=share.low,
        high=share.high,
        n_patients=len(np.unique(exams.patient[own])),
        n_exams=len(np.unique(exams.exam[own])),
    )


def _one_hot(number: NDArray[np.intp]) -> Array:
    return np.eye(number.max() + 1)[number]
