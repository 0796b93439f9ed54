"""How many drawn lesions are found, at how many false ones a scan.

Free-response operating characteristic: Bunch et al. 1978, J Appl Photogr Eng 4:166; the
seven rates and their mean as in LUNA16 (Setio et al. 2017, Med Image Anal 42:1).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from voxray.core.records import Metric, OutOfFoldPrediction
from voxray.evaluate.bootstrap import patient_weights
from voxray.evaluate.estimate import (
    CONDITIONAL,
    MIN_PATIENTS,
    Counts,
    Estimate,
    Settings,
    not_estimable,
)
from voxray.evaluate.intervals import logit_interval, normal_quantile, wilson
from voxray.evaluate.lesions import Lesion
from voxray.evaluate.proportions import interval_n

Array = NDArray[np.float64]

RATES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""False positives a scan at which the sensitivity is read."""

_BLOCK = 250


@dataclass(frozen=True, slots=True, eq=False)
class LesionStudy:
    """Every lesion of one structure, and every scan it was looked for in.

    Attributes:
        patient: (predicted,) int, patient of each predicted lesion, from 0; these four
            by falling score.
        hit: (predicted,) bool, whether it is paired with a drawn one.
        score: (predicted,); NaN where only masks are known.
        last: (predicted,) bool, whether the next one has a lower score: only there a
            threshold can cut.
        n_exams: (patients,) exams in which the structure was looked for.
        n_drawn: (patients,) drawn lesions.
        stratum: (patients,) whether any is drawn. Not the fold: a patient alone in one
            would show no spread, and the figures are of all folds pooled.
        n_repeats: How often each exam and lesion is counted above.
    """

    patient: NDArray[np.intp]
    hit: NDArray[np.bool_]
    score: Array
    last: NDArray[np.bool_]
    n_exams: Array
    n_drawn: Array
    stratum: NDArray[np.intp]
    n_repeats: int

    @classmethod
    def of(
        cls,
        predictions: Sequence[OutOfFoldPrediction],
        lesions: Sequence[Lesion],
        structure: str,
    ) -> Self:
        """Collect what is about one structure; lesions of other exams are left out."""
        asked = [row for row in predictions if structure in row.dice]
        names = sorted({row.patient_id for row in asked})
        number = {name: n for n, name in enumerate(names)}
        exams = {(row.repeat, row.exam_id) for row in asked}
        own = [
            lesion
            for lesion in lesions
            if lesion.structure == structure
            and (lesion.repeat, lesion.exam_id) in exams
        ]
        found = [lesion for lesion in own if lesion.kind == "predicted"]
        found.sort(key=lambda lesion: -float(lesion.score or 0))
        score = np.array([lesion.score for lesion in found], dtype=np.float64)
        last = np.ones(len(score), dtype=np.bool_)
        last[:-1] = score[1:] < score[:-1]
        drawn = [number[one.patient_id] for one in own if one.kind == "drawn"]
        n_drawn = np.bincount(np.array(drawn, np.intp), minlength=len(names))
        return cls(
            patient=np.array([number[one.patient_id] for one in found], np.intp),
            hit=np.array([one.match is not None for one in found], np.bool_),
            score=score,
            last=last,
            n_exams=np.bincount(
                [number[row.patient_id] for row in asked], minlength=len(names)
            ).astype(np.float64),
            n_drawn=n_drawn.astype(np.float64),
            stratum=(n_drawn > 0).astype(np.intp),
            n_repeats=len({row.repeat for row in asked}) or 1,
        )

    @property
    def scored(self) -> bool:
        """Whether every predicted lesion has a score, so that a threshold can cut."""
        return not np.isnan(self.score).any()

    @property
    def counts(self) -> Counts:
        """Exams, patients, and patients with a drawn lesion."""
        n_exams = round(float(self.n_exams.sum()) / self.n_repeats)
        return Counts(n_exams, len(self.n_exams), int(np.count_nonzero(self.n_drawn)))

    def per_patient(self, chosen: NDArray[np.bool_]) -> Array:
        """How many of the chosen predicted lesions each patient has."""
        weights = chosen.astype(np.float64)
        counts = np.bincount(self.patient, weights, minlength=len(self.n_exams))
        return counts.astype(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class FrocCurve:
    """Sensitivity against false positives a scan, at each threshold, from none on.

    Attributes:
        false_positives: Rising, per scan.
        sensitivity: Rising; as many.
    """

    false_positives: Array
    sensitivity: Array


def froc_curve(study: LesionStudy) -> FrocCurve:
    """The curve over all scans; it ends where every predicted lesion is counted."""
    hits, misses = (np.cumsum(side)[study.last] for side in (study.hit, ~study.hit))
    return FrocCurve(
        np.append(0.0, misses / study.n_exams.sum()),
        np.append(0.0, hits / study.n_drawn.sum()),
    )


def lesion_metrics(
    study: LesionStudy, structure: str, settings: Settings
) -> list[Metric]:
    """Sensitivity and false positives of the masks as they are; with scores the FROC.

    Lesions of all patients count alike; intervals are by patient. `n_exams` and
    `n_patients` are those in which lesions were looked for, `n_positive` patients with
    a drawn one.
    """
    first = "best score" if study.scored else "largest"
    rule = f"one-to-one, IoU of at least {settings.spec.lesion_iou:g}, {first} first"
    found = {
        "lesion_sensitivity": _sensitivity(study, settings, rule),
        "false_positive_lesions_per_exam": _false_positives(study, settings, rule),
        **(_froc(study, settings, rule) if study.scored else {}),
    }
    return [
        settings.metric(name, structure, estimate, study.counts)
        for name, estimate in found.items()
    ]


def _sensitivity(study: LesionStudy, settings: Settings, rule: str) -> Estimate:
    how = f"share of drawn lesions that are found: {rule}"
    if why := _nothing(study):
        return not_estimable(None, why, how)
    some = study.n_drawn > 0
    n_right = study.per_patient(study.hit)[some] / study.n_repeats
    n_drawn = study.n_drawn[some] / study.n_repeats
    value = float(n_right.sum() / n_drawn.sum())
    if why := _too_few(study):
        return not_estimable(value, why, how)
    n = interval_n(n_right, n_drawn, settings.level)
    low, high = wilson(value, n, settings.level)
    said = f"Wilson with effective n = {n:.1f} by patients; {CONDITIONAL}"
    return Estimate(value, low, high, f"{how}; {said}")


def _false_positives(study: LesionStudy, settings: Settings, rule: str) -> Estimate:
    """Rate with the ratio estimator's variance between patients, on the log scale."""
    how = f"predicted lesions a scan that find none: {rule}"
    n_false, n_exams = study.per_patient(~study.hit), study.n_exams
    if not len(n_exams):
        return not_estimable(None, "no exam was looked at", how)
    value, n = float(n_false.sum() / n_exams.sum()), len(n_exams)
    if n < MIN_PATIENTS:
        why = f"{n} patients, at least {MIN_PATIENTS} needed"
        return not_estimable(value, why, how)
    if value == 0:
        high = -math.log((1 - settings.level) / 2) / n  # Poisson, a patient a unit
        said = f"none is seen: upper end by Poisson over patients; {CONDITIONAL}"
        return Estimate(0.0, 0.0, high, f"{how}; {said}")
    spread = float(((n_false - value * n_exams) ** 2).sum())
    error = math.sqrt(n / (n - 1) * spread) / n_exams.sum()
    half = float(t.ppf(0.5 + settings.level / 2, n - 1)) * error / value
    ends = value * math.exp(-half), value * math.exp(half)
    said = f"variance between patients, Student t on the log scale; {CONDITIONAL}"
    return Estimate(value, *ends, f"{how}; {said}")


def _froc(study: LesionStudy, settings: Settings, rule: str) -> dict[str, Estimate]:
    """Sensitivity at each rate of `RATES`, and their mean."""
    how = f"all folds pooled; {rule}"
    names = [f"froc_sensitivity_at_{rate:g}" for rate in RATES]
    names.append("froc_mean_sensitivity")
    if why := _nothing(study):
        return {name: not_estimable(None, why, how) for name in names}
    values = sensitivity_at(study, np.ones((1, len(study.n_exams))))[0]
    if why := _too_few(study):
        return {
            name: not_estimable(float(value), why, how)
            for name, value in zip(names, values, strict=True)
        }
    generator = np.random.default_rng([settings.seed, len(RATES)])
    weights = patient_weights(study.stratum, settings.spec.resamples, generator)
    blocks = np.array_split(weights, max(1, len(weights) // _BLOCK))
    drawn = np.concatenate([sensitivity_at(study, block) for block in blocks])
    errors = np.nanstd(drawn, axis=0, ddof=1)
    return {
        name: _with_interval(study, float(value), float(error), settings, how)
        for name, value, error in zip(names, values, errors, strict=True)
    }


def sensitivity_at(study: LesionStudy, weights: Array) -> Array:
    """Highest sensitivity of any threshold that keeps each rate of `RATES`.

    Args:
        study: With at least one drawn lesion.
        weights: (resamples, patients), how often each patient counts.

    Returns:
        (resamples, rates + 1), the last column the mean of the others; NaN where no
        drawn lesion has weight.
    """
    of_lesion = weights[:, study.patient]
    hits = np.cumsum(of_lesion * study.hit, axis=1)[:, study.last]
    misses = np.cumsum(of_lesion * ~study.hit, axis=1)[:, study.last]
    hits = np.pad(hits, ((0, 0), (1, 0)))  # above every score nothing is predicted
    misses = np.pad(misses, ((0, 0), (1, 0)))
    n_exams, n_drawn = weights @ study.n_exams, weights @ study.n_drawn
    reached = np.empty((len(weights), len(RATES)))
    for column, rate in enumerate(RATES):
        allowed = misses <= (rate * n_exams * (1 + 1e-9))[:, None]
        place = allowed.sum(axis=1) - 1
        reached[:, column] = hits[np.arange(len(weights)), place]
    share = np.full_like(reached, np.nan)
    np.divide(reached, n_drawn[:, None], out=share, where=n_drawn[:, None] > 0)
    return np.column_stack([share, share.mean(axis=1)])


def _with_interval(
    study: LesionStudy, value: float, error: float, settings: Settings, how: str
) -> Estimate:
    if 0 < value < 1 and error > 0:
        ends = logit_interval(value, error, normal_quantile(settings.level))
        said = (
            "patients drawn with replacement, those with and without lesions apart, "
            f"standard error on the logit scale; {CONDITIONAL}"
        )
        return Estimate(value, *ends, f"{how}; {said}", settings.spec.resamples)
    n_drawn = study.n_drawn[study.n_drawn > 0] / study.n_repeats
    n = float(n_drawn.sum() ** 2 / (n_drawn**2).sum())
    low, high = wilson(value, n, settings.level)
    said = f"Wilson with effective n = {n:.1f}, as no spread is seen; {CONDITIONAL}"
    return Estimate(value, low, high, f"{how}; {said}")


def _nothing(study: LesionStudy) -> str:
    return "" if study.n_drawn.any() else "no lesion is drawn"


def _too_few(study: LesionStudy) -> str:
    n = study.counts.n_positive
    if n >= MIN_PATIENTS:
        return ""
    return f"{n} patients with a lesion, at least {MIN_PATIENTS} needed"
