"""What a decision says of the one exam: predictive values and likelihood ratios."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from voxray.core.records import Metric
from voxray.evaluate.estimate import (
    CONDITIONAL,
    Estimate,
    Settings,
    not_estimable,
    too_few,
)
from voxray.evaluate.exams import ScoredExams
from voxray.evaluate.intervals import ratio_interval
from voxray.evaluate.proportions import Decisions, estimate_share
from voxray.evaluate.resampling import JudgedExams

_SIMILAR = (
    "interval from those of sensitivity and specificity (Donner & Zou 2012), taken as "
    "independent"
)


def predictive_metrics(
    class_: str, judged: JudgedExams, settings: Settings
) -> list[Metric]:
    """Predictive values as seen and at a stated prevalence, likelihood ratios.

    The values at the stated prevalence stand only where `evaluate.prevalence` has one
    for the class.
    """
    positive, negative = _ratios(judged, settings)
    rows = [
        *_as_seen(class_, judged, settings),
        settings.metric(
            "likelihood_ratio_positive",
            class_,
            _finite(positive),
            judged.exams.counts,
        ),
        settings.metric(
            "likelihood_ratio_negative",
            class_,
            _finite(negative),
            judged.exams.counts,
        ),
    ]
    share = settings.spec.prevalence_of(class_)
    if share is None:
        return rows
    ppv = _at_prevalence(positive, share, stays=True)
    npv = _at_prevalence(negative, share, stays=False)
    return [
        *rows,
        settings.metric("ppv_at_prevalence", class_, ppv, judged.exams.counts),
        settings.metric("npv_at_prevalence", class_, npv, judged.exams.counts),
    ]


def _as_seen(class_: str, judged: JudgedExams, settings: Settings) -> list[Metric]:
    exams, decisions = judged.exams, judged.decisions
    rows = []
    for name, called, right in (
        ("ppv", decisions.flagged, exams.positive),
        ("npv", ~decisions.flagged, ~exams.positive),
    ):
        used = called & decisions.decided
        found = _share(exams, right, used, decisions, settings)
        rows.append(settings.metric(name, class_, found, exams.counts_of(used)))
    return rows


def _share(
    exams: ScoredExams,
    right: NDArray[np.bool_],
    used: NDArray[np.bool_],
    decisions: Decisions,
    settings: Settings,
) -> Estimate:
    how = f"{decisions.how}; at the prevalence of these exams"
    if decisions.decided.any() and not used.any():
        return not_estimable(None, "no exam is decided that way", decisions.how)
    found = estimate_share(exams, right, used, settings, how)
    few = too_few(exams.n_positive, exams.n_negative)
    if few and found.low is not None:
        return not_estimable(found.value, few, how)
    return found


@dataclass(frozen=True, slots=True)
class _Ratio:
    """A likelihood ratio; value and upper end may be infinite.

    Attributes:
        why: Why it, or its interval, is not estimable; "" when it is.
    """

    value: float
    low: float
    high: float
    how: str
    why: str = ""


def _ratios(judged: JudgedExams, settings: Settings) -> tuple[_Ratio, _Ratio]:
    """Sensitivity / (1 - specificity), and (1 - sensitivity) / specificity."""
    exams, decisions = judged.exams, judged.decisions
    sides = [
        estimate_share(
            exams, decisions.flagged, side & decisions.decided, settings, decisions.how
        )
        for side in (exams.positive, ~exams.positive)
    ]
    clear = [_complement(side) for side in sides]
    few = too_few(exams.n_positive, exams.n_negative) or ""
    return _ratio(sides, decisions.how, few), _ratio(clear, decisions.how, few)


def _complement(share: Estimate) -> Estimate:
    if share.value is None or share.low is None or share.high is None:
        return replace(share, value=None if share.value is None else 1 - share.value)
    return Estimate(1 - share.value, 1 - share.high, 1 - share.low, share.method)


def _ratio(parts: list[Estimate], how: str, few: str) -> _Ratio:
    top, bottom = parts
    if top.value is None or bottom.value is None:
        return _Ratio(math.nan, math.nan, math.nan, how, few or "a class has no exam")
    if top.value == bottom.value == 0:
        why = few or "no exam is decided that way"
        return _Ratio(math.nan, math.nan, math.nan, how, why)
    value = top.value / bottom.value if bottom.value > 0 else math.inf
    ends = top.low, top.high, bottom.low, bottom.high
    if few or None in ends:
        why = few or "too few patients were decided without their own fold"
        return _Ratio(value, math.nan, math.nan, how, why)
    first, second = (top.low or 0, top.high or 0), (bottom.low or 0, bottom.high or 0)
    low, high = ratio_interval(top.value, first, bottom.value, second)
    said = f"{how}; {_SIMILAR}; {CONDITIONAL}"
    return _Ratio(value, low, high, said)


def _finite(ratio: _Ratio) -> Estimate:
    """As a row; one without a wrong decision to divide by has no value."""
    if not math.isfinite(ratio.value):
        why = ratio.why or "no exam is decided that way wrongly, so it has no bound"
        return not_estimable(None, why, ratio.how)
    if ratio.why:
        return not_estimable(ratio.value, ratio.why, ratio.how)
    if math.isinf(ratio.high):
        return not_estimable(ratio.value, "its upper end has no bound", ratio.how)
    return Estimate(ratio.value, ratio.low, ratio.high, ratio.how)


def _at_prevalence(ratio: _Ratio, share: float, *, stays: bool) -> Estimate:
    """Bayes: prior odds times the likelihood ratio are the posterior odds.

    Args:
        ratio: Of a positive decision, or of a negative one.
        share: Prevalence.
        stays: Whether the class is (positive decision) or is not there (negative).
    """
    how = f"{ratio.how}; at a prevalence of {share:g} by Bayes' rule"
    if math.isnan(ratio.value):
        return not_estimable(None, ratio.why, how)
    sign = 1 if stays else -1
    prior = logit(share)

    def posterior(value: float) -> float:
        if value <= 0 or math.isinf(value):
            return float((value > 0) == stays)
        return float(expit(sign * (prior + math.log(value))))

    value = posterior(ratio.value)
    if ratio.why:
        return not_estimable(value, ratio.why, how)
    low, high = sorted((posterior(ratio.low), posterior(ratio.high)))
    return Estimate(value, low, high, how)
