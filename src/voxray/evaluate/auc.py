"""Area under the ROC curve within folds, and how far it can be trusted."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from voxray.evaluate.bootstrap import (
    patient_strata,
    patient_weights,
    weighted_fold_auc,
)
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


def placements(score: Array, positive: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Share of the other class that each exam is ranked on the right side of.

    Their means are the AUC; their variances are DeLong's (DeLong 1988; by midranks in
    O(n log n), Sun & Xu 2014, IEEE Signal Processing Letters 21:1389). Ties count half.

    Args:
        score: float64, higher means positive.
        positive: bool, both values present.

    Returns:
        One value per positive and one per negative exam, 0 to 1.
    """
    ranks = rankdata(score)
    of_positive, of_negative = score[positive], score[~positive]
    won = (ranks[positive] - rankdata(of_positive)) / len(of_negative)
    lost = (ranks[~positive] - rankdata(of_negative)) / len(of_positive)
    return won, 1 - lost


def estimate_auc(
    exams: ScoredExams, settings: Settings, *, pooled: bool = False
) -> Estimate:
    """AUC of one class, mean over folds, or over all folds pooled.

    With one exam a patient the interval is DeLong's, otherwise patients are drawn with
    replacement within folds; both on the logit scale. An AUC of 0 or 1 shows no spread
    and gets Newcombe's score interval.

    Returns:
        No value without a fold that holds out both classes; no interval with fewer
        than 10 positive or negative patients.
    """
    exams = exams.pooled() if pooled else exams
    folds = exams.usable_folds()
    how = _how(exams, len(folds), pooled=pooled)
    if not folds:
        return not_estimable(None, "no fold holds out both classes")
    value = fold_mean_auc(exams)
    if why := too_few(exams.n_positive, exams.n_negative):
        return not_estimable(value, why, how)
    variance, method, resamples = _variance(exams, settings)
    if not 0 < value < 1 or not variance > 0:
        ends = newcombe_auc(value, exams.n_positive, exams.n_negative, settings.level)
        said = f"{how}; Newcombe score interval, as no spread is seen; {CONDITIONAL}"
        return Estimate(value, *ends, said)
    quantile = normal_quantile(settings.level)
    low, high = logit_interval(value, math.sqrt(variance), quantile)
    return Estimate(value, low, high, f"{how}; {method}; {CONDITIONAL}", resamples)


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
    for exams in per_class:
        if why := too_few(exams.n_positive, exams.n_negative):
            return not_estimable(value, f"a class has {why}", how)
    aucs = _resampled(per_class, settings, whole or per_class[0])
    error = float(np.nanstd(aucs, ddof=1))
    if not 0 < value < 1 or not error > 0:
        return not_estimable(value, "no spread is seen", how)
    ends = logit_interval(value, error, normal_quantile(settings.level))
    method = f"{how}; {_BOOTSTRAP}; {CONDITIONAL}"
    return Estimate(value, *ends, method, settings.spec.resamples)


def fold_mean_auc(exams: ScoredExams) -> float:
    """Mean over folds that hold out both classes; at least one must."""
    aucs = [
        placements(exams.score[part], exams.positive[part])[0].mean()
        for part in exams.usable_folds()
    ]
    return float(np.mean(aucs))


_BOOTSTRAP = (
    "patients drawn with replacement within fold and class, standard error on the "
    "logit scale"
)


def _variance(exams: ScoredExams, settings: Settings) -> tuple[float, str, int]:
    if exams.one_exam_a_patient:
        return (
            delong_variance(exams),
            "DeLong on the logit scale, one exam a patient",
            0,
        )
    aucs = _resampled([exams], settings, exams)
    return float(np.nanvar(aucs, ddof=1)), _BOOTSTRAP, settings.spec.resamples


def delong_variance(exams: ScoredExams) -> float:
    """Variance of the mean over folds, exams being independent.

    Spread of placements is taken around each fold's own mean and shared by all folds,
    since a fold may hold out too few patients for one of its own. Repeats see the same
    patients: the variance is that of one repeat.

    Returns:
        NaN when every fold holds out one exam of a class.
    """
    parts = exams.usable_folds()
    pairs = [placements(exams.score[part], exams.positive[part]) for part in parts]
    repeat = [int(exams.repeat[part[0]]) for part in parts]
    of_one_repeat = []
    for number in sorted(set(repeat)):
        own = [pair for pair, r in zip(pairs, repeat, strict=True) if r == number]
        of_one_repeat.append(
            sum(side_variance([p[side] for p in own]) for side in (0, 1))
        )
    return float(np.mean(of_one_repeat))


def side_variance(folds: Sequence[Array]) -> float:
    """Variance of the mean over folds of one class's placements; NaN with one each."""
    freedom = sum(len(values) - 1 for values in folds)
    if freedom == 0:
        return math.nan
    spread = sum(float(((values - values.mean()) ** 2).sum()) for values in folds)
    per_fold = sum(spread / freedom / len(values) for values in folds)
    return per_fold / len(folds) ** 2


def _resampled(
    per_class: Sequence[ScoredExams], settings: Settings, exams: ScoredExams
) -> Array:
    generator = np.random.default_rng([settings.seed, len(per_class)])
    patient_class = np.zeros(exams.n_patients, dtype=np.intp)
    for number, own in enumerate(per_class):
        patient_class[own.patient[own.positive]] = number + 1
    strata = patient_strata(exams, patient_class)
    weights = patient_weights(strata, settings.spec.resamples, generator)
    aucs = [weighted_fold_auc(own, weights) for own in per_class]
    return np.asarray(np.mean(aucs, axis=0), dtype=np.float64)


def _how(exams: ScoredExams, n_used: int, *, pooled: bool) -> str:
    if pooled:
        return "all folds pooled, though scores of different networks share no scale"
    if len(exams.fold_names) == 1:
        return "scores of one predictor"
    how = f"mean over {n_used} folds of the within-fold AUC"
    used = {exams.fold_names[int(exams.fold[part[0]])] for part in exams.usable_folds()}
    left_out = [name for name in exams.fold_names if name not in used]
    if not left_out:
        return how
    names = ", ".join(f"fold {fold} of repeat {repeat}" for repeat, fold in left_out)
    return f"{how}; left out, as one class only is held out: {names}"
