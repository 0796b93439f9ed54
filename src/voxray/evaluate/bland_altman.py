"""Bland-Altman: how far predicted volumes lie from drawn ones, for single exams."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, t

from voxray.evaluate.estimate import (
    CONDITIONAL,
    MIN_PATIENTS,
    Estimate,
    not_estimable,
)
from voxray.evaluate.intervals import Interval, normal_quantile

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Spread:
    """Mean and total standard deviation of differences, each with its interval."""

    mean: float
    of_mean: Interval
    sd: float
    of_sd: Interval


def limits_of_agreement(
    per_patient: Sequence[Array], level: float
) -> tuple[Estimate, Estimate]:
    """Range in which 95 of 100 differences of single exams are expected to lie.

    Bias -/+ 1.96 times the total standard deviation, between and within patients
    (Bland & Altman 2007, J Biopharm Stat 17:571); interval of each limit by the method
    of variance estimates recovery (Zou 2013, Stat Methods Med Res 22:630).

    Args:
        per_patient: Differences of each patient's exams, at least one each.
        level: Of the intervals; the limits themselves are always the 95 % ones.
    """
    how = "bias -/+ 1.96 standard deviations of single exams, in and between patients"
    if len(per_patient) < 2:  # noqa: PLR2004
        nothing = not_estimable(None, f"{len(per_patient)} patients, no spread", how)
        return nothing, nothing
    spread = _spread(per_patient, level)
    z = normal_quantile(0.95)
    low, high = spread.mean - z * spread.sd, spread.mean + z * spread.sd
    if len(per_patient) < MIN_PATIENTS:
        why = f"{len(per_patient)} patients, at least {MIN_PATIENTS} needed"
        return not_estimable(low, why, how), not_estimable(high, why, how)
    far, near = _reach(spread, z)
    said = f"{how}; interval by variance estimates recovery; {CONDITIONAL}"
    return (
        Estimate(low, low - far[0], low + near[0], said),
        Estimate(high, high - near[1], high + far[1], said),
    )


def _spread(per_patient: Sequence[Array], level: float) -> _Spread:
    """One-way random effects: patients, and exams within them."""
    sizes = np.array([len(values) for values in per_patient], dtype=np.float64)
    means = np.array([values.mean() for values in per_patient])
    n, alpha = len(means), 1 - level
    between = float(means.var(ddof=1))
    freedom = int(sizes.sum()) - n
    within, share = 0.0, 1 - float((1 / sizes).mean())
    if freedom:
        squares = [float(((v - v.mean()) ** 2).sum()) for v in per_patient]
        within = share * sum(squares) / freedom
    ends = [between + within, between + within]
    for place, tail in ((0, 1 - alpha / 2), (1, alpha / 2)):
        gaps = [between * ((n - 1) / chi2.ppf(tail, n - 1) - 1)]
        if freedom:
            gaps.append(within * (freedom / chi2.ppf(tail, freedom) - 1))
        ends[place] += math.copysign(math.hypot(*gaps), place - 0.5)
    half = float(t.ppf(1 - alpha / 2, n - 1)) * math.sqrt(between / n)
    mean = float(means.mean())
    low, high = (math.sqrt(max(0.0, end)) for end in ends)
    sd = math.sqrt(between + within)
    return _Spread(mean, (mean - half, mean + half), sd, (low, high))


def _reach(spread: _Spread, z: float) -> tuple[Interval, Interval]:
    """How far the ends of the limits' intervals lie from them: outwards, inwards.

    Returns:
        For the lower and the upper limit each.
    """
    out = z * (spread.of_sd[1] - spread.sd)
    back = z * (spread.sd - spread.of_sd[0])
    down, up = spread.mean - spread.of_mean[0], spread.of_mean[1] - spread.mean
    return (
        (math.hypot(down, out), math.hypot(up, out)),
        (math.hypot(up, back), math.hypot(down, back)),
    )
