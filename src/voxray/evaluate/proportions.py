"""Sensitivity and specificity; exams of one patient are alike, and intervals know."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from voxray.core.records import Metric
from voxray.core.specs import OperatingPointSpec
from voxray.core.wording import cut_in_words
from voxray.evaluate.calibrators import Wanted, settle_two_sided
from voxray.evaluate.estimate import (
    CONDITIONAL,
    MIN_PATIENTS,
    Estimate,
    Settings,
    not_estimable,
)
from voxray.evaluate.exams import ScoredExams
from voxray.evaluate.intervals import jeffreys, normal_quantile
from voxray.evaluate.threshold import crossfit_decisions, too_few_for

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """What was decided about each prediction, and how.

    Attributes:
        flagged: bool, decided to be the class.
        decided: bool; others are left out.
        how: In words.
    """

    flagged: NDArray[np.bool_]
    decided: NDArray[np.bool_]
    how: str


def decide_by_threshold(
    exams: ScoredExams, point: OperatingPointSpec, kind: Wanted = "none"
) -> Decisions:
    """Cut at an operating point, each fold's threshold chosen on the other folds.

    Args:
        exams: Scores as the networks gave them.
        point: What the threshold is for.
        kind: Of the calibration before the cut.
    """
    settled = settle_two_sided(exams, kind)
    flagged, decided = crossfit_decisions(exams, point, settled)
    how = f"threshold of each fold chosen on the other folds for {point.in_words}"
    return Decisions(flagged, decided, how + few_in_words(exams, point))


def few_in_words(exams: ScoredExams, point: OperatingPointSpec) -> str:
    """Added where there are too few patients for what is asked; else nothing."""
    lacks_a_class = exams.n_positive == 0 or exams.n_negative == 0
    few = "" if lacks_a_class else too_few_for(exams, point)
    return f" ({few})" if few else ""


def decisions_on(class_: str, exams: ScoredExams, settings: Settings) -> Decisions:
    """Cut at the registered threshold of a class, else as `decide_by_threshold`."""
    point = settings.registered.get(class_)
    if point is None:
        spec = settings.spec
        return decide_by_threshold(exams, spec.operating_point, spec.calibration)
    how = (
        f"registered threshold of {cut_in_words(point.threshold)}, chosen elsewhere "
        f"for {point.in_words}"
    )
    everyone = np.ones(len(exams.score), dtype=np.bool_)
    return Decisions(exams.score >= point.threshold, everyone, how)


def operating_metrics(
    class_: str, exams: ScoredExams, decisions: Decisions, settings: Settings
) -> list[Metric]:
    """Sensitivity over positive and specificity over negative exams.

    `n_exams` and `n_patients` are those the number is a share of.
    """
    rows, how = [], f"{decisions.how}; on these thresholds"
    for name, side in (
        ("sensitivity", exams.positive),
        ("specificity", ~exams.positive),
    ):
        right = decisions.flagged == exams.positive
        used = side & decisions.decided
        estimate = estimate_share(exams, right, used, settings, how)
        rows.append(settings.metric(name, class_, estimate, exams.counts_of(used)))
    return rows


def estimate_share(
    exams: ScoredExams,
    right: NDArray[np.bool_],
    used: NDArray[np.bool_],
    settings: Settings,
    how: str,
) -> Estimate:
    """Share of the used predictions that are right, an exam's repeats averaged."""
    if not used.any():
        return not_estimable(None, "no exam could be decided without its own fold", how)
    n_right, n_exams = per_patient(exams, right, used)
    value = float(n_right.sum() / n_exams.sum())
    if len(n_exams) < MIN_PATIENTS:
        why = f"{len(n_exams)} patients, at least {MIN_PATIENTS} needed"
        return not_estimable(value, why, how)
    effective = interval_n(n_right, n_exams, settings.level)
    low, high = jeffreys(value, effective, settings.level)
    method = (
        f"{how}; Jeffreys with effective n = {effective:.1f} by patients; {CONDITIONAL}"
    )
    return Estimate(value, low, high, method)


def interval_n(n_right: Array, n_exams: Array, level: float) -> float:
    """Effective number of exams for an interval at a level.

    Where patients have several exams the spread itself is estimated, from so many
    patients; the number then shrinks by (z / t)^2, so that the interval has Student's
    quantile (Korn & Graubard 1998, Survey Methodology 24:193; with Wilson's and
    Jeffreys' interval: Franco et al. 2019, J. Survey Statistics and Methodology 7:334).
    """
    n, n_patients = effective_n(n_right, n_exams), len(n_exams)
    if n_exams.max() <= 1 or n_patients < 2:  # noqa: PLR2004
        return n
    quantile = t.ppf(0.5 + level / 2, n_patients - 1)
    return n * float((normal_quantile(level) / quantile) ** 2)


def effective_n(n_right: Array, n_exams: Array) -> float:
    """Number of independent exams that would show the same spread.

    The design effect is the ratio estimator's variance between patients,
    k/(k-1) * sum((x_i - p m_i)^2) / M^2, over the binomial p (1-p) / M, with x_i of m_i
    exams right in patient i, k patients, M exams (Rao & Scott 1992, Biometrics 48:577;
    with Wilson: Saha, Miller & Wang 2016, Int. J. Biostatistics 12:2). It is at
    least 1, exams independent. Where all exams are right or all wrong no spread is
    seen, and it is sum(m_i^2) / M, exams of a patient all alike; with one exam a
    patient that is 1. It is no bound otherwise: patients with many exams may have
    another rate.

    Args:
        n_right: Per patient, may be a fraction when repeats disagree.
        n_exams: Per patient, above 0; a fraction when an exam counts in some repeats.
    """
    total, n_patients = float(n_exams.sum()), len(n_exams)
    share = float(n_right.sum()) / total
    binomial = share * (1 - share) / total
    if binomial == 0 or n_patients < 2 or n_exams.max() <= 1:  # noqa: PLR2004
        alike = float((n_exams**2).sum()) / total
        return total / max(1.0, alike)
    between = float(((n_right - share * n_exams) ** 2).sum())
    variance = n_patients / (n_patients - 1) * between / total**2
    return total / max(variance / binomial, 1.0)


def per_patient(
    exams: ScoredExams, right: NDArray[np.bool_], used: NDArray[np.bool_]
) -> tuple[Array, Array]:
    """Right and all used exams of each patient with one, repeats sharing one exam."""
    weight = exams.exam_weight[used]  # an exam used in one of five repeats is a fifth
    patient = exams.patient[used]
    n_exams = np.bincount(patient, weights=weight)
    n_right = np.bincount(patient, weights=weight * right[used])
    seen = n_exams > 0
    return n_right[seen].astype(np.float64), n_exams[seen].astype(np.float64)
