"""What a site that never took part would need: a threshold of its own, and scans."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from voxray.core.records import Metric, OutOfFoldPrediction
from voxray.core.specs import ClassifySpec, OperatingPoint, OperatingPointSpec
from voxray.core.wording import counted, cut_in_words
from voxray.evaluate.estimate import (
    MIN_PATIENTS,
    Estimate,
    Settings,
    not_estimable,
)
from voxray.evaluate.exams import ScoredExams, scored_per_class
from voxray.evaluate.intervals import normal_quantile, wilson
from voxray.evaluate.proportions import effective_n, interval_n, per_patient
from voxray.evaluate.threshold import choose_threshold

Array = NDArray[np.float64]

_SHARES = {"sensitivity", "specificity"}

LOCAL_THRESHOLD, NEEDED = "local_threshold", "exams_needed"


def local_metrics(
    predictions: Sequence[OutOfFoldPrediction],
    classify: ClassifySpec,
    settings: Settings,
    precision: float,
) -> list[Metric]:
    """Threshold that these exams would need, and how many such an estimate takes.

    "local_threshold" is the best cut that is expected to keep the registered target on
    new patients like these. It is chosen on what it would be judged on: it needs a
    check on other patients before use, and no figure is given of it. "exams_needed" are
    the exams of the class that the target counts, so that its share is known to +/-
    `precision`.

    Args:
        predictions: Of the registered model, checked.
        classify: Classes.
        settings: With the registered operating points. Classes without one, or with one
            that keeps neither sensitivity nor specificity, have no rows.
        precision: Half of the width of an interval, e.g. 0.05.
    """
    rows = []
    for name, exams in scored_per_class(predictions, classify).items():
        point = settings.registered.get(name)
        target = None if point is None else _target(point)
        if point is None or target is None:
            continue
        cut = _threshold(exams, point, target, settings)
        rows.append(settings.metric(LOCAL_THRESHOLD, name, cut, exams.counts))
        rows += _needed(name, exams, point, target, (settings, precision))
    return rows


def _target(point: OperatingPoint) -> float | None:
    """Share that the point keeps; None where it was chosen for something else."""
    return point.at_least if point.metric in _SHARES else None


def _threshold(
    exams: ScoredExams, point: OperatingPoint, target: float, settings: Settings
) -> Estimate:
    """Its interval is Woodruff's (1952, JASA 47:635).

    These are the cuts that keep the ends of the interval of the share, which is
    Wilson's with the effective number of patients.
    """
    own = _own(exams, point)
    how = (
        f"cut to expect {point.metric} of {target:g} of such patients; "
        f"registered: {cut_in_words(point.threshold)}"
    )
    if not own.any() or own.all():
        which = "positive" if own.any() == (point.metric == "sensitivity") else "other"
        return not_estimable(None, f"all exams are {which}", how)
    wanted = OperatingPointSpec(metric=point.metric, at_least=target)
    cut = choose_threshold(exams.score, exams.positive, wanted, exams.patient)
    kept = (exams.score >= cut) == exams.positive
    n_right, n_exams = per_patient(exams, kept, own)
    if len(n_exams) < MIN_PATIENTS:
        why = f"{len(n_exams)} patients, at least {MIN_PATIENTS} needed"
        return not_estimable(cut, why, how)
    effective = interval_n(n_right, n_exams, settings.level)
    shares = wilson(target, effective, settings.level)
    low, high = _ends(exams.score[own], shares, point)
    said = (
        f"{how}; Woodruff interval by Wilson with effective n = {effective:.1f} by "
        "patients; chosen on what it would be judged on, so check it on other patients"
    )
    return Estimate(cut, min(low, cut), max(high, cut), said)


def _own(exams: ScoredExams, point: OperatingPoint) -> NDArray[np.bool_]:
    """Exams that the target counts."""
    return exams.positive if point.metric == "sensitivity" else ~exams.positive


def _ends(
    score: Array, shares: tuple[float, float], point: OperatingPoint
) -> tuple[float, float]:
    """Scores at which these shares are kept, rounded outwards to an exam's score."""
    ordered = np.sort(score)
    low, high = shares
    if point.metric == "sensitivity":
        low, high = 1 - high, 1 - low
    below, above = math.floor(low * len(score)), math.ceil(high * len(score))
    return float(ordered[below - 1]) if below else 0.0, float(ordered[above - 1])


def _needed(
    class_: str,
    exams: ScoredExams,
    point: OperatingPoint,
    target: float,
    asked: tuple[Settings, float],
) -> list[Metric]:
    settings, precision = asked
    own = _own(exams, point)
    if not own.any():
        return []
    kept = (exams.score >= point.threshold) == exams.positive
    n_right, n_exams = per_patient(exams, kept, own)
    effect = float(n_exams.sum()) / effective_n(n_right, n_exams)
    alone = needed_exams(target, precision, settings.level)
    n = math.ceil(alone * effect)
    share = float(own.mean())
    which = "positive" if point.metric == "sensitivity" else "negative"
    said = (
        f"{which} exams for {point.metric} of {target:g} known to "
        f"+/- {precision:g}: {alone} of one patient each (Wilson's interval, Piegorsch "
        f"2004) times {effect:.2f}, as exams of a patient are alike here; with "
        f"{share:.0%} {which} as here, {counted(math.ceil(n / share), 'exam')} in all"
    )
    row = settings.metric(NEEDED, class_, Estimate(n, None, None, said), exams.counts)
    return [replace(row, unit="exam")]


def needed_exams(share: float, precision: float, level: float) -> int:
    """Independent exams that make Wilson's interval of a share this narrow.

    Piegorsch 2004 (Computational Statistics & Data Analysis 46:309): the n at which
    half of its width is `precision`.

    Args:
        share: Expected, 0 to 1.
        precision: Half of the width, above 0.
        level: E.g. 0.95.
    """
    spread, squared = share * (1 - share), precision**2
    root = math.sqrt(spread**2 + 4 * squared * (share - 0.5) ** 2)
    n = normal_quantile(level) ** 2 * (spread - 2 * squared + root) / (2 * squared)
    return max(1, math.ceil(n))
