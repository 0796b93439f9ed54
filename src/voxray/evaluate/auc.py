"""Area under the ROC curve within folds, and how far it can be trusted."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from voxray.evaluate.bootstrap import (
    patient_strata,
    patient_weights,
    weighted_fold_auc,
)
from voxray.evaluate.delong import delong_spread, placements
from voxray.evaluate.estimate import (
    CONDITIONAL,
    Estimate,
    Settings,
    not_estimable,
    too_few,
)
from voxray.evaluate.exams import ScoredExams
from voxray.evaluate.intervals import logit_interval, newcombe_auc, normal_quantile

Array = NDArray[np.float64]


def estimate_auc(
    exams: ScoredExams, settings: Settings, *, pooled: bool = False
) -> Estimate:
    """AUC of one class, mean over folds, or over all folds pooled.

    The interval is DeLong's by patients, on the logit scale. An AUC of 0 or 1 shows no
    spread, nor do folds that hold out one patient of a class each; these get Newcombe's
    score interval.

    Returns:
        No value without a fold that holds out both classes; no interval with fewer
        than 10 positive or negative patients in such folds.
    """
    exams = exams.pooled() if pooled else exams
    counted = exams.in_usable_folds()
    how = _how(exams, pooled=pooled)
    if not len(counted.score):
        return not_estimable(None, "no fold holds out both classes")
    value = fold_mean_auc(counted)
    if why := too_few(counted.n_positive, counted.n_negative):
        return not_estimable(value, f"{why} in folds of both classes", how)
    spread = delong_spread(counted)
    if not 0 < value < 1 or not spread.variance > 0:
        n = counted.n_positive, counted.n_negative
        ends = newcombe_auc(value, *n, settings.level)
        said = f"{how}; Newcombe score interval, as no spread is seen; {CONDITIONAL}"
        return Estimate(value, *ends, said)
    ends = logit_interval(value, spread.half_width(settings.level), 1.0)
    said = f"{how}; DeLong by patients, on the logit scale; {CONDITIONAL}"
    return Estimate(value, *ends, said)


def estimate_macro_auc(
    per_class: Sequence[ScoredExams],
    settings: Settings,
    whole: ScoredExams | None = None,
) -> Estimate:
    """Mean over classes of each one's AUC against the rest.

    Args:
        per_class: The same predictions, once per class; of labels those that state it.
        settings: Level, number of resamples, seed.
        whole: Of labels all predictions; patients have the same numbers everywhere.
    """
    what = "classes" if whole is None else "labels"
    how = f"mean over {len(per_class)} {what} of the within-fold AUC"
    how += " against the rest" if whole is None else ""
    if any(not exams.usable_folds() for exams in per_class):
        return not_estimable(None, "a class has no fold that holds out it and another")
    value = float(np.mean([fold_mean_auc(exams) for exams in per_class]))
    if why := lacking(per_class):
        return not_estimable(value, f"a class has {why}", how)
    drawn = draw_patients(per_class, settings, whole or per_class[0])
    aucs = [weighted_fold_auc(exams, drawn) for exams in per_class]
    variance = mean_variance(aucs, [delong_spread(e).variance for e in per_class])
    if not 0 < value < 1 or not variance > 0:
        return not_estimable(value, "no spread is seen", how)
    ends = logit_interval(value, math.sqrt(variance), normal_quantile(settings.level))
    method = f"{how}; {DRAWN}, on the logit scale; {CONDITIONAL}"
    return Estimate(value, *ends, method, settings.spec.resamples)


def fold_mean_auc(exams: ScoredExams) -> float:
    """Mean over folds that hold out both classes; at least one must."""
    aucs = [
        placements(exams.score[part], exams.positive[part])[0].mean()
        for part in exams.usable_folds()
    ]
    return float(np.mean(aucs))


DRAWN = (
    "patients drawn with replacement within fold and class, the variance not below "
    "DeLong's by patients"
)


def lacking(per_class: Sequence[ScoredExams]) -> str:
    """Say which class has too few patients in folds that hold out both; "" if none."""
    for exams in per_class:
        counted = exams.in_usable_folds()
        if why := too_few(counted.n_positive, counted.n_negative):
            return f"{why} in folds of both classes"
    return ""


def draw_patients(
    per_class: Sequence[ScoredExams], settings: Settings, whole: ScoredExams
) -> Array:
    """(resamples, patients) weights, drawn within fold and class.

    Args:
        per_class: Patients have the same numbers in each.
        settings: Resamples, seed.
        whole: Says in which fold a patient is.
    """
    generator = np.random.default_rng([settings.seed, len(per_class)])
    patient_class = np.zeros(whole.n_patients, dtype=np.intp)
    for number, own in enumerate(per_class):
        patient_class[own.patient[own.positive]] = number + 1
    strata = patient_strata(whole, patient_class)
    return patient_weights(strata, settings.spec.resamples, generator)


def mean_variance(drawn: Sequence[Array], delong: Sequence[float]) -> float:
    """Variance of the mean over classes.

    Draws know how the classes hang together, but see no spread of a patient alone in
    fold and class. Each class's variance by DeLong says how much they miss.

    Args:
        drawn: Per class, the figure in each draw.
        delong: Per class, its variance.

    Returns:
        NaN where a class, or what it is told from, shows no spread.
    """
    each = np.array([np.nanvar(own, ddof=1) for own in drawn])
    if not (each > 0).all() or np.isnan(delong).any():
        return math.nan
    missed = max(1.0, float(np.sum(delong) / each.sum()))
    return float(np.nanvar(np.mean(drawn, axis=0), ddof=1)) * missed


def _how(exams: ScoredExams, *, pooled: bool) -> str:
    if pooled:
        return "all folds pooled, though scores of different networks share no scale"
    if len(exams.fold_names) == 1:
        return "scores of one predictor"
    used = {exams.fold_names[int(exams.fold[part[0]])] for part in exams.usable_folds()}
    how = f"mean over {len(used)} folds of the within-fold AUC"
    left_out = [name for name in exams.fold_names if name not in used]
    if not left_out:
        return how
    names = ", ".join(f"fold {fold} of repeat {repeat}" for repeat, fold in left_out)
    return f"{how}; left out, as one class only is held out: {names}"
