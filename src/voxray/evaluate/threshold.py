"""Where to cut a probability, chosen on exams that are not reported.

A threshold that keeps 95 % on the exams it was chosen on keeps less on others. With n
patients of one exam each, of which the threshold misses k - 1, a new patient's score is
equally likely to fall in each of the n + 1 gaps between theirs, and k of these lie
below the k-th smallest: the expected sensitivity on new patients is 1 - k / (n + 1),
whatever the distribution of the scores (Wilks 1941, Annals of Mathematical Statistics
12:91). So t is kept when the missed exams, and all exams of one more patient, are a
share of at most 1 - t of all these (Angelopoulos et al. 2024, ICLR, "Conformal risk
control", with the patient as the unit). A sensitivity of 0.95 takes 19 patients.
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

_ROUNDING = 1e-9
_RATES = {"sensitivity", "specificity"}


def choose_threshold(
    score: Array,
    positive: NDArray[np.bool_],
    point: OperatingPointSpec,
    patient: Numbers | None = None,
) -> float:
    """Best threshold for a purpose: `score >= threshold` means positive.

    Sensitivity or specificity: of the thresholds that are expected to keep it on new
    patients the best for the other one, midway between two neighbouring scores; equal
    scores stay together, so that it is kept, never just missed. With fewer patients
    than `fewest_patients` none is, and the one that misses nobody of these is taken.
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
    side = positive if point.metric == "sensitivity" else ~positive
    n_patients = len(np.unique(patient[side])) if patient is not None else side.sum()
    own = np.sort(score[side])
    wrong = _may_be_wrong(len(own), int(n_patients), point.at_least)
    levels = np.unique(score)
    if point.metric == "sensitivity":
        lowest_flagged = own[wrong]
        below = levels[levels < lowest_flagged]
        return _midway(float(below[-1]) if len(below) else 0.0, float(lowest_flagged))
    highest_clear = own[-1 - wrong]
    above = levels[levels > highest_clear]
    return _midway(float(highest_clear), float(above[0]) if len(above) else _BEYOND)


_BEYOND = float(np.nextafter(1.0, 2.0))


def _may_be_wrong(n_exams: int, n_patients: int, at_least: float) -> int:
    """Exams that may be missed when another patient's are all missed besides."""
    one_more = n_exams / n_patients
    spare = (1 - at_least) * (n_exams + one_more) - one_more
    return max(0, math.floor(spare + _ROUNDING))


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
    return math.ceil(at_least / (1 - at_least) - _ROUNDING)


def expected_rate(exams: ScoredExams, point: OperatingPointSpec) -> float | None:
    """Sensitivity or specificity to be expected of new patients, at the least.

    Returns:
        None for other purposes. Below `point.at_least` with too few patients.
    """
    if point.metric not in _RATES:
        return None
    sensitivity = point.metric == "sensitivity"
    n = exams.n_positive if sensitivity else exams.n_negative
    n_exams = len(np.unique(exams.exam[exams.positive == sensitivity]))
    wrong = _may_be_wrong(n_exams, n, point.at_least)
    one_more = n_exams / n
    return 1 - (wrong + one_more) / (n_exams + one_more)


def too_few_for(exams: ScoredExams, point: OperatingPointSpec) -> str:
    """Why the value asked for cannot be expected, with numbers; "" when it can."""
    expected = expected_rate(exams, point)
    if expected is None or expected >= point.at_least - _ROUNDING:
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
