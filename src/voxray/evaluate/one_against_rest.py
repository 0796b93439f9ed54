"""Figures of one class against the rest. A new one is an entry in a list below."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from voxray.core.records import Metric
from voxray.core.specs.task import MEAN_CLASS
from voxray.evaluate.agreement import Statistic as TableStatistic
from voxray.evaluate.agreement import f1_score, matthews
from voxray.evaluate.auc import estimate_auc
from voxray.evaluate.calibration import calibration_metrics
from voxray.evaluate.estimate import Settings
from voxray.evaluate.exams import ScoredExams
from voxray.evaluate.fixed_points import fixed_point_metrics
from voxray.evaluate.precision import fold_average_precision, say_chance
from voxray.evaluate.predictive import predictive_metrics
from voxray.evaluate.probability_errors import (
    brier_score,
    log_loss,
    say_brier_of_prevalence,
    say_log_loss_of_prevalence,
)
from voxray.evaluate.proportions import operating_metrics
from voxray.evaluate.reliability import expected_calibration_error, say_bias
from voxray.evaluate.resampling import (
    JudgedExams,
    ResampledMetric,
    Statistic,
    estimate_resampled,
)

Array = NDArray[np.float64]


def _of_decisions(statistic: TableStatistic) -> Statistic:
    """A figure of the table of truth and decision, exams that were decided."""

    def of_exams(judged: JudgedExams, weights: Array) -> Array:
        exams, decisions = judged.exams, judged.decisions
        cell = 2 * exams.positive.astype(np.intp) + decisions.flagged
        there = np.eye(4)[cell] * decisions.decided[:, None]
        tables = weights @ judged.per_patient(there, weights.shape[1])
        return statistic(tables.reshape(-1, 2, 2))

    return of_exams


RESAMPLED = (
    ResampledMetric(
        "average_precision",
        fold_average_precision,
        "mean over folds of the within-fold average precision",
        within_folds=True,
        finish=say_chance,
    ),
    ResampledMetric(
        "f1",
        _of_decisions(f1_score),
        "harmonic mean of sensitivity and predictive value",
        decides=True,
    ),
    ResampledMetric(
        "mcc",
        _of_decisions(matthews),
        "Matthews correlation of truth and decision",
        lowest=-1.0,
        decides=True,
    ),
    ResampledMetric(
        "brier",
        brier_score,
        "mean squared error of the probability",
        finish=say_brier_of_prevalence,
    ),
    ResampledMetric(
        "log_loss",
        log_loss,
        "mean negative natural log of the probability given to the truth",
        highest=np.inf,
        finish=say_log_loss_of_prevalence,
    ),
    ResampledMetric(
        "ece",
        expected_calibration_error,
        "gap of mean probability and share of positives, mean over bins of equal "
        "numbers of exams, at most 10 and 10 patients a bin",
        finish=say_bias,
    ),
)
"""Their intervals come from one set of drawn patients; also their mean over classes."""

_Own = Callable[[str, JudgedExams, Settings], list[Metric]]


def _aucs(class_: str, judged: JudgedExams, settings: Settings) -> list[Metric]:
    exams = judged.exams
    within = estimate_auc(exams, settings)
    pooled = estimate_auc(exams, settings, pooled=True)
    return [
        settings.metric("auc", class_, within, exams.counts),
        settings.metric("auc_pooled", class_, pooled, exams.counts),
    ]


def _operating(class_: str, judged: JudgedExams, settings: Settings) -> list[Metric]:
    return operating_metrics(class_, judged.exams, judged.decisions, settings)


def _fixed(class_: str, judged: JudgedExams, settings: Settings) -> list[Metric]:
    return fixed_point_metrics(class_, judged.exams, settings)


def _calibrated(class_: str, judged: JudgedExams, settings: Settings) -> list[Metric]:
    return calibration_metrics(class_, judged.exams, settings)


_WITH_OWN_INTERVAL: tuple[_Own, ...] = (
    _aucs,
    _operating,
    predictive_metrics,
    _fixed,
    _calibrated,
)


def one_against_rest(
    judged: Mapping[str, JudgedExams],
    alike: Mapping[str, JudgedExams],
    whole: ScoredExams,
    settings: Settings,
) -> dict[str, list[Metric]]:
    """Rows of each class, and under "macro" the means over several.

    Args:
        judged: Per class, on the exams that state it.
        alike: The same, patients numbered as among all predictions.
        whole: All predictions, of any class.
        settings: Level, resamples, prevalence ...
    """
    rows = {
        name: [row for of in _WITH_OWN_INTERVAL for row in of(name, own, settings)]
        for name, own in judged.items()
    }
    rows[MEAN_CLASS] = []
    counts = {name: own.exams.counts for name, own in judged.items()}
    places = [*counts, *([MEAN_CLASS] if len(counts) > 1 else [])]
    counts[MEAN_CLASS] = replace(whole.counts, n_positive=0)
    found = estimate_resampled(RESAMPLED, alike, whole, settings)
    for metric, estimates in found.items():
        for class_, estimate in zip(places, estimates, strict=True):
            row = settings.metric(metric, class_, estimate, counts[class_])
            rows[class_].append(row)
    return rows
