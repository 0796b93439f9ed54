"""Where to cut a probability, chosen on exams that are not reported.

A threshold that keeps 95 % on the exams it was chosen on keeps less on others. Of n
patients with one exam each a new one is equally likely to score in each of the n + 1
gaps between them, so that the k-th smallest score keeps an expected 1 - k / (n + 1) of
new patients, whatever the distribution (Wilks 1941, Annals of Mathematical Statistics
12:91). To keep t, k is (1 - t)(n + 1), interpolated between two scores (Hyndman & Fan
1996, American Statistician 50:361, definition 6); k is 1 or more with n of t / (1 - t)
or more, for 0.95 with 19 patients. With several exams a patient the missed exams, and
all those of one more patient, are to be a share of 1 - t (as in Angelopoulos et al.
2024, ICLR, "Conformal risk control", with the patient as the unit).
"""

import math

import numpy as np
from numpy.typing import NDArray

from voxray.core.calibration import calibrated
from voxray.core.specs import OperatingPointSpec
from voxray.evaluate.calibrators import Fitted, fit_kind
from voxray.evaluate.exams import ScoredExams

Array = NDArray[np.float64]
Numbers = NDArray[np.intp]

_DIGITS = 9
"""After the point; 0.05 x 20 is 1."""

_RATES = {"sensitivity", "specificity"}
_BEYOND = float(np.nextafter(1.0, 2.0))
"""A threshold that no probability reaches."""


def choose_threshold(
    score: Array,
    positive: NDArray[np.bool_],
    point: OperatingPointSpec,
    patient: Numbers | None = None,
) -> float:
    """Best threshold for a purpose: `score >= threshold` means positive.

    Sensitivity or specificity: the highest, or lowest, that is expected to keep it on
    new patients, midway to the next score of the other class, which costs nothing.
    Equal scores stay together on the side of what is kept. With fewer patients than
    `fewest_patients` no threshold is, and one that misses nobody of these is taken.
    Cost: the threshold of the least cost on these exams; of equals the most sensitive.
    Net benefit: the probability itself, which must be calibrated.

    Args:
        score: float64, 0 to 1, finite.
        positive: bool; at least one of the class that the metric counts.
        point: What for.
        patient: Number of the patient of each exam; by default each has one.
    """
    if point.metric == "net_benefit":
        assert point.probability is not None  # the spec needs it
        return point.probability
    if point.metric == "cost":
        return _cheapest(score, positive, point)
    if point.metric == "sensitivity":
        kept = _kept(score[positive], point.at_least, _numbers(patient, positive))
        others = score[~positive & (score < kept)]
        return _midway(float(others.max(initial=0.0)), kept)
    clear = -_kept(-score[~positive], point.at_least, _numbers(patient, ~positive))
    others = score[positive & (score > clear)]
    return _midway(clear, float(others.min(initial=_BEYOND)))


def _numbers(patient: Numbers | None, own: NDArray[np.bool_]) -> Numbers:
    return np.arange(own.sum()) if patient is None else patient[own]


def _kept(score: Array, at_least: float, patient: Numbers) -> float:
    """Score that a share of new exams is expected to reach.

    Exams of one patient with one score are one step, so that copies change nothing.
    """
    n_exams = len(score)
    one_more = n_exams / len(np.unique(patient))
    missed = (1 - at_least) * (n_exams + one_more) - one_more
    rising, sizes = np.unique(
        np.stack([score, patient], axis=1), axis=0, return_counts=True
    )
    below = np.cumsum(sizes) - sizes
    return float(np.interp(round(missed, _DIGITS), below, rising[:, 0]))


def _cheapest(
    score: Array, positive: NDArray[np.bool_], point: OperatingPointSpec
) -> float:
    """Least false_negative * miss rate * prevalence + the same of false alarms."""
    assert point.false_negative is not None  # the spec needs both
    assert point.false_positive is not None
    share = point.prevalence or float(positive.mean())
    levels, where = np.unique(score, return_inverse=True)
    n_positive = np.bincount(where, weights=positive)
    n_negative = np.bincount(where, weights=~positive)
    missed = np.append(0, np.cumsum(n_positive)) / n_positive.sum()
    alarms = 1 - np.append(0, np.cumsum(n_negative)) / n_negative.sum()
    cost = point.false_negative * share * missed
    cost += point.false_positive * (1 - share) * alarms
    best = int(np.argmin(np.round(cost, 12)))
    ends = [0.0, *levels.tolist(), _BEYOND]
    return _midway(ends[best], ends[best + 1])


def fewest_patients(at_least: float) -> int:
    """Patients that it takes to expect `at_least` on new ones: n / (n + 1) reaches it.

    Example:
        >>> fewest_patients(0.95)
        19
    """
    return math.ceil(round(at_least / (1 - at_least), _DIGITS))


def expected_rate(exams: ScoredExams, point: OperatingPointSpec) -> float | None:
    """Sensitivity or specificity to be expected of new patients, at the least.

    More where exams of a patient are not alike: the rule counts with the worst.

    Returns:
        None for other purposes. Below `point.at_least` with too few patients.
    """
    if point.metric not in _RATES:
        return None
    n = exams.n_positive if point.metric == "sensitivity" else exams.n_negative
    return min(point.at_least, n / (n + 1))


def too_few_for(exams: ScoredExams, point: OperatingPointSpec) -> str:
    """Why the value asked for cannot be expected, with numbers; "" when it can."""
    expected = expected_rate(exams, point)
    if expected is None or expected >= point.at_least - 10**-_DIGITS:
        return ""
    sensitivity = point.metric == "sensitivity"
    n = exams.n_positive if sensitivity else exams.n_negative
    return (
        f"{n} {'positive' if sensitivity else 'negative'} patients are too few to "
        f"expect {point.at_least:g} of new ones, which takes "
        f"{fewest_patients(point.at_least)}; expect {expected:.3f}"
    )


def crossfit_decisions(
    exams: ScoredExams, point: OperatingPointSpec, kind: Fitted | None = None
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Decide each exam with a threshold that its own fold had no part in.

    Calibration and threshold for a fold are fitted on the out-of-fold predictions of
    the other folds of the same repeat. Those come from other networks, whose scores
    need not share a scale: the loss this brings is part of what is reported.

    Args:
        exams: Scores as the networks gave them.
        point: What the threshold is for.
        kind: Of the calibration.

    Returns:
        Whether each prediction is decided positive, and whether it could be decided:
        not when the other folds lack a class.
    """
    flagged = np.zeros(len(exams.score), dtype=np.bool_)
    decided = np.zeros(len(exams.score), dtype=np.bool_)
    for fold in np.unique(exams.fold):
        own = exams.fold == fold
        others = (exams.repeat == exams.repeat[own][0]) & ~own
        score, positive = exams.score[others], exams.positive[others]
        if len(np.unique(positive)) < 2:  # noqa: PLR2004
            continue
        how = fit_kind(score, positive, kind)
        if how is None and point.metric == "net_benefit":
            continue
        patient = exams.patient[others]
        cut = choose_threshold(calibrated(score, how), positive, point, patient)
        flagged[own] = calibrated(exams.score[own], how) >= cut
        decided[own] = True
    return flagged, decided


def _midway(low: float, high: float) -> float:
    middle = (low + high) / 2
    return middle if low < middle else high
