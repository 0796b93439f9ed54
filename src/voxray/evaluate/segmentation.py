"""Overlap, surfaces, volumes and lesions of one structure, with intervals by patient.

Means are over patients of the mean within each; lesions are counted, all alike.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from voxray.core.records import Metric, OutOfFoldPrediction
from voxray.evaluate.bland_altman import limits_of_agreement
from voxray.evaluate.estimate import (
    CONDITIONAL,
    Counts,
    Estimate,
    Settings,
    not_estimable,
)
from voxray.evaluate.intervals import Interval, positive_interval, t_interval

Values = NDArray[np.float64]
ValueOf = Callable[[OutOfFoldPrediction, str], float | None]


@dataclass(frozen=True, slots=True)
class _Mean:
    """A mean over patients.

    Attributes:
        value_of: Of one exam and structure; None leaves the exam out.
        interval: Of the values of patients, at a level.
        scale: In words, of the interval.
    """

    value_of: ValueOf
    interval: Callable[[Values, float], Interval | None]
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


def _share(values: Values, level: float) -> Interval | None:
    return t_interval(values, level, share=True)


def _signed(values: Values, level: float) -> Interval | None:
    return t_interval(values, level, share=False)


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
    "volume_abs_error_ml": _Mean(_abs_volume_error_ml, _signed),
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
    exams = _by_patient(predictions, class_, mean.value_of)
    of_patient = [
        float(np.mean([np.mean(repeats) for repeats in own.values()]))
        for own in exams.values()
    ]
    estimate = _estimate_mean(np.array(of_patient), settings.level, mean)
    return settings.metric(name, class_, estimate, _counts(predictions, exams, class_))


_Exams = Mapping[str, Mapping[str, Sequence[float]]]


def _by_patient(
    predictions: Sequence[OutOfFoldPrediction], class_: str, value_of: ValueOf
) -> _Exams:
    """Values by patient, sorted, then exam: one for each repeat that has one."""
    exams: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in predictions:
        if (value := value_of(row, class_)) is not None:
            exams[row.patient_id][row.exam_id].append(value)
    return dict(sorted(exams.items()))


def _counts(
    predictions: Sequence[OutOfFoldPrediction], exams: _Exams, class_: str
) -> Counts:
    drawn = {row.patient_id for row in predictions if _is_drawn(row, class_)}
    n_exams = sum(len(own) for own in exams.values())
    return Counts(n_exams, len(exams), len(drawn & set(exams)))


def _estimate_mean(values: Values, level: float, mean: _Mean) -> Estimate:
    how = "mean over patients of the mean within each"
    if len(values) == 0:
        return not_estimable(None, "no exam has a value", how)
    value = float(values.mean())
    ends = mean.interval(values, level)
    if ends is None:
        why = f"{len(values)} patients, all of one value"
        return not_estimable(value, why, how)
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
    exams = _by_patient(predictions, class_, volume_error_ml)
    per_patient = [
        np.array([value for repeats in own.values() for value in repeats])
        for own in exams.values()
    ]
    limits = limits_of_agreement(per_patient, settings.level)
    counts = _counts(predictions, exams, class_)
    return [
        settings.metric(f"volume_{side}_limit_ml", class_, estimate, counts)
        for side, estimate in zip(("lower", "upper"), limits, strict=True)
    ]
