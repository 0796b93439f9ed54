"""Which exams a person should decide, and what it would bring: risk and coverage."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from voxray.core.curves import RiskCoverageCurve
from voxray.core.errors import DatasetError
from voxray.core.specs import Referral
from voxray.evaluate.estimate import MIN_PATIENTS, Estimate, Settings, not_estimable
from voxray.evaluate.exams import ScoredExams
from voxray.evaluate.proportions import Decisions, estimate_share
from voxray.evaluate.resampling import JudgedExams, ResampledMetric, estimate_resampled

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_COVERAGES = np.arange(1, 21) / 20
_ROUNDING = 1e-9


def fit_referral(
    values: Iterable[float], patients: Iterable[str], at_most: float
) -> Referral:
    """Choose the uncertainty from which on an exam is referred.

    A patient is referred when any exam is. Of n patients at most k = at_most (n + 1)
    are, so that the expected share of new patients is at most `at_most` (as for
    thresholds).

    Args:
        values: Uncertainty, one an exam.
        patients: Whose exam it is.
        at_most: Share of patients.

    Raises:
        DatasetError: If that is nobody, as patients are too few or equally uncertain.
    """
    highest: dict[str, float] = {}
    for value, patient in zip(values, patients, strict=True):
        highest[patient] = max(value, highest.get(patient, 0.0))
    falling = np.sort(np.array(list(highest.values())))[::-1]
    n, most = len(falling), int(at_most * (len(falling) + 1) + _ROUNDING)
    fits = [u for u in np.unique(falling) if (falling >= u).sum() <= most]
    if not fits:
        n_top = int((falling == falling[:1]).sum())
        msg = (
            f"evaluate.refer: at_most {at_most:g} of {n} patients is {most}, and "
            f"{n_top} are most uncertain alike, so that nobody could be referred; "
            "refer a larger share, or leave the rule out"
        )
        raise DatasetError(msg)
    return Referral(at_most=at_most, uncertainty=float(fits[0]), n_patients=n)


def weighted_aurc(judged: JudgedExams, weights: Array) -> Array:
    """Mean over coverages of the share of wrong decisions among the exams kept.

    Exams are kept in the order of their certainty; equal ones come together (Geifman,
    Uziel & El-Yaniv 2019, ICLR: AURC).

    Args:
        judged: `score` is the uncertainty, `positive` whether the decision is wrong.
        weights: (draws, patients).
    """
    exams = judged.exams
    order = np.argsort(exams.score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(exams.score[order])), len(order) - 1)
    weight = weights[:, exams.patient[order]] * exams.exam_weight[order]
    kept = np.cumsum(weight, axis=1)[:, ends]
    wrong = np.cumsum(weight * exams.positive[order], axis=1)[:, ends]
    risk = np.divide(wrong, kept, out=np.zeros_like(wrong), where=kept > 0)
    added = np.diff(kept, axis=1, prepend=0)
    return np.asarray((risk * added).sum(axis=1) / kept[:, -1])


AURC = ResampledMetric(
    "aurc",
    weighted_aurc,
    "area under the curve of risk and coverage: share of wrong decisions, mean over "
    "all shares of exams kept, the most certain first",
)


def estimate_aurc(exams: ScoredExams, settings: Settings) -> Estimate:
    """AURC with its interval by patients.

    Args:
        exams: `score` is the uncertainty, `positive` whether the decision is wrong.
        settings: Level, resamples, seed.
    """
    everyone = np.ones(len(exams.score), dtype=np.bool_)
    judged = JudgedExams(exams, Decisions(exams.positive, everyone, ""))
    share = float(np.average(exams.positive, weights=exams.exam_weight))
    how = f"{AURC.how}; a random order gives {share:.3f}"
    for n, which in ((exams.n_positive, "wrong"), (exams.n_negative, "right")):
        if n < MIN_PATIENTS:
            value = float(weighted_aurc(judged, np.ones((1, exams.n_patients)))[0])
            why = (
                f"{n} patients with a {which} decision, at least {MIN_PATIENTS} needed"
            )
            return not_estimable(value, why, how)
    metric = replace(AURC, how=how)
    return estimate_resampled([metric], {"": judged}, exams, settings)["aurc"][0]


def risk_coverage(exams: ScoredExams, settings: Settings) -> RiskCoverageCurve:
    """Share of wrong decisions among the most certain exams, intervals by patients.

    Args:
        exams: As for `estimate_aurc`.
        settings: Gives the level.
    """
    order = np.argsort(exams.score, kind="stable")
    total = np.cumsum(exams.exam_weight[order])
    found = []
    for coverage in _COVERAGES:
        least = int(np.searchsorted(total, coverage * total[-1] - _ROUNDING))
        kept = exams.score <= exams.score[order[min(least, len(order) - 1)]]
        share = float(np.average(kept, weights=exams.exam_weight))
        found.append((share, estimate_share(exams, exams.positive, kept, settings, "")))
    return RiskCoverageCurve(
        coverage=tuple(share for share, _ in found),
        risk=tuple(risk.value or 0.0 for _, risk in found),
        low=tuple(risk.low for _, risk in found),
        high=tuple(risk.high for _, risk in found),
    )
