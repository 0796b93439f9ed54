"""Overlap, surfaces, volumes and lesions of one structure, with intervals by patient.

Means are over patients of the mean within each; lesions are counted, all alike.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from voxray.core.records import Metric, OutOfFoldPrediction
from voxray.core.wording import counted
from voxray.evaluate.bland_altman import limits_of_agreement
from voxray.evaluate.estimate import (
    CONDITIONAL,
    Counts,
    Estimate,
    Settings,
    not_estimable,
)
from voxray.evaluate.intervals import Interval, positive_interval, t_interval
from voxray.evaluate.patient_means import PatientMeans, standard_error

ValueOf = Callable[[OutOfFoldPrediction, str], float | None]


@dataclass(frozen=True, slots=True)
class _Mean:
    """A mean over patients.

    Attributes:
        value_of: Of one exam and structure; None leaves the exam out.
        interval: From mean, standard error, number of patients and level.
        scale: In words, of the interval.
    """

    value_of: ValueOf
    interval: Callable[[float, float, int, float], Interval | None]
    scale: str = ""


def segmentation_metrics(
    predictions: Sequence[OutOfFoldPrediction], class_: str, settings: Settings
) -> list[Metric]:
    """All metrics of one structure but those of its lesions.

    An exam where the drawn and the predicted mask are both empty is left out and
    counted in "true_negative_exams". One where only the predicted mask has voxels has
    Dice, IoU and NSD 0 and no distance, and is counted in "false_positive_exams" too.
    One where only the drawn mask has voxels has Dice, IoU and NSD 0 and the diagonal
    of the image as distances, and is counted in "missed_exams"; "hd95_found_mm" leaves
    it out.
    """
    rows = [
        _mean_metric(name, class_, predictions, mean, settings)
        for name, mean in _MEANS.items()
    ]
    for name, is_it in _COUNTS.items():
        rows.append(_count(name, is_it, class_, predictions, settings))
    return rows + _agreement(predictions, class_, settings)


def volume_error_ml(row: OutOfFoldPrediction, class_: str) -> float | None:
    """Predicted less drawn; None where both are empty, or a volume is not known."""
    pair = row.volume_ml.get(class_), row.true_volume_ml.get(class_)
    if pair[0] is None or pair[1] is None or pair == (0, 0):
        return None
    return pair[0] - pair[1]


def _abs_volume_error_ml(row: OutOfFoldPrediction, class_: str) -> float | None:
    value = volume_error_ml(row, class_)
    return None if value is None else abs(value)


def _hd95_found_mm(row: OutOfFoldPrediction, class_: str) -> float | None:
    """Where the structure is not missed altogether."""
    return row.hd95_mm.get(class_) if row.volume_ml.get(class_) else None


_share = partial(t_interval, share=True)
_signed = partial(t_interval, share=False)
_LOGIT, _LOG = " on the logit scale", " on the log scale"
_MEANS: Mapping[str, _Mean] = {
    "dice": _Mean(lambda row, class_: row.dice.get(class_), _share, _LOGIT),
    "iou": _Mean(lambda row, class_: row.iou.get(class_), _share, _LOGIT),
    "nsd": _Mean(lambda row, class_: row.nsd.get(class_), _share, _LOGIT),
    "hd95_mm": _Mean(
        lambda row, class_: row.hd95_mm.get(class_), positive_interval, _LOG
    ),
    "hd95_found_mm": _Mean(_hd95_found_mm, positive_interval, _LOG),
    "assd_mm": _Mean(
        lambda row, class_: row.assd_mm.get(class_), positive_interval, _LOG
    ),
    "volume_error_ml": _Mean(volume_error_ml, _signed),
    "volume_abs_error_ml": _Mean(_abs_volume_error_ml, positive_interval, _LOG),
}


def _is_true_negative(row: OutOfFoldPrediction, class_: str) -> bool:
    return row.dice[class_] is None


def _is_false_positive(row: OutOfFoldPrediction, class_: str) -> bool:
    return row.dice[class_] is not None and row.true_volume_ml.get(class_) == 0


def _is_missed(row: OutOfFoldPrediction, class_: str) -> bool:
    return _is_drawn(row, class_) and row.volume_ml.get(class_) == 0


def _is_drawn(row: OutOfFoldPrediction, class_: str) -> bool:
    return row.true_volume_ml.get(class_, 0) > 0


_COUNTS = {
    "true_negative_exams": _is_true_negative,
    "false_positive_exams": _is_false_positive,
    "missed_exams": _is_missed,
}


def _mean_metric(
    name: str,
    class_: str,
    predictions: Sequence[OutOfFoldPrediction],
    mean: _Mean,
    settings: Settings,
) -> Metric:
    means = PatientMeans.of(predictions, lambda row: mean.value_of(row, class_))
    estimate = _estimate_mean(means, settings.level, mean)
    return settings.metric(name, class_, estimate, _counts(predictions, means, class_))


def _counts(
    predictions: Sequence[OutOfFoldPrediction], means: PatientMeans, class_: str
) -> Counts:
    drawn = {row.patient_id for row in predictions if _is_drawn(row, class_)}
    return Counts(means.n_exams, len(means.ids), len(drawn & set(means.ids)))


def _estimate_mean(means: PatientMeans, level: float, mean: _Mean) -> Estimate:
    how = "mean over patients of the mean within each"
    n = len(means.ids)
    if n == 0:
        return not_estimable(None, "no exam has a value", how)
    value = means.mean
    error = standard_error(means.influence) if n > 1 else 0.0
    ends = mean.interval(value, error, n, level)
    if ends is None:
        return not_estimable(value, f"{counted(n, 'patient')}, no spread is seen", how)
    return Estimate(value, *ends, f"{how}; Student t{mean.scale}; {CONDITIONAL}")


def _count(
    name: str,
    is_it: Callable[[OutOfFoldPrediction, str], bool],
    class_: str,
    predictions: Sequence[OutOfFoldPrediction],
    settings: Settings,
) -> Metric:
    asked = [row for row in predictions if class_ in row.dice]
    n_repeats = len({row.repeat for row in asked}) or 1
    value = sum(is_it(row, class_) for row in asked) / n_repeats
    how = "number of exams" + (", mean over repeats" if n_repeats > 1 else "")
    drawn = {row.patient_id for row in asked if _is_drawn(row, class_)}
    counts = Counts(
        len({row.exam_id for row in asked}),
        len({row.patient_id for row in asked}),
        len(drawn),
    )
    row = settings.metric(name, class_, Estimate(value, None, None, how), counts)
    return replace(row, unit="exam")


def _agreement(
    predictions: Sequence[OutOfFoldPrediction], class_: str, settings: Settings
) -> list[Metric]:
    """The limits of agreement; their bias is "volume_error_ml"."""
    means = PatientMeans.of(predictions, lambda row: volume_error_ml(row, class_))
    limits = limits_of_agreement(_of_exams(predictions, class_), settings.level)
    counts = _counts(predictions, means, class_)
    return [
        settings.metric(f"volume_{side}_limit_ml", class_, estimate, counts)
        for side, estimate in zip(("lower", "upper"), limits, strict=True)
    ]


def _of_exams(
    predictions: Sequence[OutOfFoldPrediction], class_: str
) -> list[NDArray[np.float64]]:
    """Volume errors of each patient's exams, the repeats of an exam averaged."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in predictions:
        if (error := volume_error_ml(row, class_)) is not None:
            found[row.patient_id][row.exam_id].append(error)
    return [
        np.array([np.mean(repeats) for repeats in found[one].values()])
        for one in sorted(found)
    ]
