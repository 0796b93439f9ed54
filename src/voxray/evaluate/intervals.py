"""Confidence intervals from a value and its spread; no data, only formulas."""

import math

from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import beta, norm, t

Interval = tuple[float, float]

_EDGE = 1e-12


def logit_interval(value: float, standard_error: float, quantile: float) -> Interval:
    """Interval on the logit scale (delta method); stays inside (0, 1).

    Args:
        value: Inside (0, 1).
        standard_error: Of the value, not of its logit.
        quantile: Of the normal or t distribution, e.g. 1.96.
    """
    half = quantile * standard_error / (value * (1 - value))
    centre = logit(value)
    return float(expit(centre - half)), float(expit(centre + half))


def bounded_interval(
    value: float, standard_error: float, bounds: tuple[float, float], level: float
) -> Interval | None:
    """Interval of a figure that cannot leave its range.

    On the logit scale of a finite range; on the log scale of (0, infinity).

    Returns:
        None at an end of the range, or without a standard error above zero.
    """
    lowest, highest = bounds
    if not lowest < value < highest or not standard_error > 0:
        return None
    quantile = normal_quantile(level)
    if math.isinf(highest):
        factor = math.exp(quantile * standard_error / (value - lowest))
        return lowest + (value - lowest) / factor, lowest + (value - lowest) * factor
    width = highest - lowest
    place = (value - lowest) / width
    low, high = logit_interval(place, standard_error / width, quantile)
    return lowest + width * low, lowest + width * high


def ratio_interval(
    top: float, of_top: Interval, bottom: float, of_bottom: Interval
) -> Interval:
    """Interval of a ratio from those of two independent parts, none below zero.

    Donner & Zou 2012 (Statistical Methods in Medical Research 21:347), equation 8: the
    variance is recovered from the ends nearest to each limit, so the skew of the parts
    is kept, and a part may be zero.

    Args:
        top: Numerator.
        of_top: Its interval.
        bottom: Denominator.
        of_bottom: Its interval; the upper end is above zero.

    Returns:
        The upper end is infinite when the denominator's lower end is zero.
    """
    product = top * bottom
    (low, high), (low_, high_) = of_top, of_bottom
    least = low * (2 * top - low)
    under = product**2 - least * high_ * (2 * bottom - high_)
    # the lower end as B / (A + root) is equation 8 without its division by zero
    start = least / (product + math.sqrt(max(under, 0.0))) if least > 0 else 0.0
    if bottom <= 0 or low_ <= 0:  # rounding may leave a lower end just above zero
        return start, math.inf
    divisor = low_ * (2 * bottom - low_)
    over = product**2 - high * (2 * top - high) * divisor
    return start, (product + math.sqrt(max(over, 0.0))) / divisor


def normal_quantile(level: float) -> float:
    """Two-sided quantile of the normal distribution, 1.96 for 0.95."""
    return float(norm.ppf(0.5 + level / 2))


def wilson(share: float, n_effective: float, level: float) -> Interval:
    """Wilson score interval of a proportion (Wilson 1927), for any n above zero."""
    z = normal_quantile(level)
    centre = share + z**2 / (2 * n_effective)
    spread = share * (1 - share) / n_effective + z**2 / (4 * n_effective**2)
    scale = 1 + z**2 / n_effective
    half = z * math.sqrt(spread)
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def jeffreys(share: float, n_effective: float, level: float) -> Interval:
    """Jeffreys' interval of a proportion, for any n above zero, exact at the ends.

    Brown, Cai & DasGupta 2001 (Statistical Science 16:101): where all are right the
    lower end is the exact one, where none is the upper end.
    """
    tail, n_right = (1 - level) / 2, share * n_effective
    posterior = beta(n_right + 0.5, n_effective - n_right + 0.5)
    low = min(float(posterior.ppf(tail)), tail ** (1 / n_effective))
    high = max(float(posterior.ppf(1 - tail)), 1 - tail ** (1 / n_effective))
    return low if share > 0 else 0.0, high if share < 1 else 1.0


def newcombe_auc(
    auc: float, n_positive: int, n_negative: int, level: float
) -> Interval:
    """Score interval of an AUC that also works at 0 and 1, where no spread is seen.

    Newcombe 2006 (Statistics in Medicine 25:559), method 5: all values whose own
    Hanley-McNeil standard error makes the observed AUC unsurprising.

    Args:
        auc: Observed, 0 to 1.
        n_positive: Patients.
        n_negative: Patients.
        level: E.g. 0.95.
    """
    z = normal_quantile(level)
    pairs, extra = n_positive * n_negative, (n_positive + n_negative) / 2 - 1

    def surprise(theta: float, sign: int) -> float:
        spread = 1 + extra * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        variance = theta * (1 - theta) / pairs * spread
        return sign * (auc - theta) - z * math.sqrt(variance)

    ends = [0.0, 1.0]
    if auc > _EDGE:
        ends[0] = brentq(surprise, _EDGE, min(auc, 1 - _EDGE), args=(1,))
    if auc < 1 - _EDGE:
        ends[1] = brentq(surprise, max(auc, _EDGE), 1 - _EDGE, args=(-1,))
    return float(ends[0]), float(ends[1])


def t_interval(
    mean: float, error: float, n: int, level: float, *, share: bool
) -> Interval | None:
    """Student t interval of a mean over patients.

    Shares (Dice) are treated on the logit scale: the interval stays inside (0, 1) and
    follows the left tail. In simulated Dice values of 12 to 60 patients it covered
    nearer to its level than percentile, BCa or plain t intervals.

    Args:
        mean: Over patients.
        error: Standard error of the mean.
        n: Patients.
        level: E.g. 0.95.
        share: Whether values lie in 0..1.

    Returns:
        None with fewer than two patients, without a spread, or for a share of 0 or 1.
    """
    if n < 2 or not error > 0 or (share and not 0 < mean < 1):  # noqa: PLR2004
        return None
    quantile = float(t.ppf(0.5 + level / 2, n - 1))
    if share:
        return logit_interval(mean, error, quantile)
    return mean - quantile * error, mean + quantile * error


def positive_interval(
    mean: float, error: float, n: int, level: float
) -> Interval | None:
    """Student t interval of a mean of distances, on the log scale (delta method).

    It stays above zero and follows the right tail, which distances have.

    Args:
        mean: Over patients, of values of which none is below zero.
        error: Standard error of the mean.
        n: Patients.
        level: E.g. 0.95.

    Returns:
        None with fewer than two patients, or without a spread.
    """
    if n < 2 or not error > 0 or not mean > 0:  # noqa: PLR2004
        return None
    half = float(t.ppf(0.5 + level / 2, n - 1)) * error / mean
    return mean * math.exp(-half), mean * math.exp(half)
