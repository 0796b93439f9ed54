"""Figures of ordered classes that look at probabilities, not only at decisions."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from voxray.core.records import Metric
from voxray.evaluate.bootstrap import weighted_pairs
from voxray.evaluate.estimate import Settings
from voxray.evaluate.exams import ScoredExams
from voxray.evaluate.probability_errors import brier_score
from voxray.evaluate.proportions import Decisions
from voxray.evaluate.resampling import (
    JudgedExams,
    ResampledMetric,
    Statistic,
    estimate_resampled,
)

Array = NDArray[np.float64]


def ordinal_metrics(
    exams: ScoredExams, truth: NDArray[np.intp], scores: Array, settings: Settings
) -> list[Metric]:
    """C-index and ranked probability score.

    Args:
        exams: Of any class: fold, exam, patient.
        truth: (prediction,) number of the true class.
        scores: (prediction, class) probabilities, classes in order.
        settings: Level, resamples, seed.
    """
    expected = scores @ np.arange(scores.shape[1])
    by_rank = _judged(replace(exams, score=expected, positive=truth > 0))
    steps = {
        str(step): _judged(
            replace(exams, score=scores[:, step:].sum(axis=1), positive=truth >= step)
        )
        for step in range(1, scores.shape[1])
    }
    rank = ResampledMetric(
        "ordinal_c_index",
        c_index(truth),
        "share of pairs of exams of different classes whose expected classes are in "
        "the right order, mean over folds",
    )
    ranked = ResampledMetric(
        "ranked_probability_score",
        brier_score,
        "mean squared error of the probabilities of being at least each class but the "
        "first",
    )
    counts = replace(exams.counts, n_positive=0)
    found = [
        (rank.name, estimate_resampled([rank], {"": by_rank}, exams, settings)),
        (ranked.name, estimate_resampled([ranked], steps, exams, settings)),
    ]
    return [settings.metric(n, "", rows[n][-1], counts) for n, rows in found]


def c_index(truth: NDArray[np.intp]) -> Statistic:
    """Concordance of the score with ordered classes (Harrell 1982, JAMA 247:2543).

    Of two classes it is the AUC. Equal scores count half; pairs of one class do not.

    Args:
        truth: (prediction,) number of the true class.
    """

    def of_exams(judged: JudgedExams, weights: Array) -> Array:
        exams = judged.exams
        found = [_of_fold(exams, part, truth, weights) for part in _folds(exams)]
        seen = np.isfinite(found)
        n_folds = seen.sum(axis=0)
        mean = np.full(len(weights), np.nan)
        total = np.where(seen, found, 0.0).sum(axis=0)
        np.divide(total, n_folds, out=mean, where=n_folds > 0)
        return mean

    return of_exams


def _folds(exams: ScoredExams) -> Sequence[NDArray[np.intp]]:
    return [np.flatnonzero(exams.fold == number) for number in np.unique(exams.fold)]


def _of_fold(
    exams: ScoredExams,
    part: NDArray[np.intp],
    truth: NDArray[np.intp],
    weights: Array,
) -> Array:
    own, score = truth[part], exams.score[part]
    weights = weights[:, exams.patient[part]]
    won, pairs = np.zeros(len(weights)), np.zeros(len(weights))
    for step in np.unique(own)[1:]:
        more = weighted_pairs(score, own == step, own < step, weights)
        won, pairs = won + more[0], pairs + more[1]
    ratio = np.full(len(weights), np.nan)
    np.divide(won, pairs, out=ratio, where=pairs > 0)
    return ratio


def _judged(exams: ScoredExams) -> JudgedExams:
    nobody = np.zeros(len(exams.score), dtype=np.bool_)
    return JudgedExams(exams, Decisions(nobody, nobody, ""))
