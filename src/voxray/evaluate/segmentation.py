"""Dice and volume errors: mean within each patient first, then over patients."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from voxray.core.records import Metric, OutOfFoldPrediction
from voxray.evaluate.estimate import (
    CONDITIONAL,
    Counts,
    Estimate,
    Settings,
    not_estimable,
)
from voxray.evaluate.intervals import t_interval

Value = Callable[[OutOfFoldPrediction], float | None]


def segmentation_metrics(
    predictions: Sequence[OutOfFoldPrediction], class_: str, settings: Settings
) -> list[Metric]:
    """All metrics of one structure.

    An exam where the drawn and the predicted mask are both empty has no Dice: it is
    left out and counted in "true_negative_exams". One where only the predicted mask has
    voxels has Dice 0, and is counted in "false_positive_exams" too.
    """
    rows = [
        _mean_metric("dice", class_, predictions, _dice_of(class_), settings),
        _count("true_negative_exams", class_, predictions, settings),
        _count("false_positive_exams", class_, predictions, settings),
    ]
    errors = {"volume_error_ml": _error_of, "volume_abs_error_ml": _abs_error_of}
    for name, value_of in errors.items():
        rows.append(_mean_metric(name, class_, predictions, value_of(class_), settings))
    return rows


def _mean_metric(
    name: str,
    class_: str,
    predictions: Sequence[OutOfFoldPrediction],
    value_of: Value,
    settings: Settings,
) -> Metric:
    exams: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in predictions:
        if (value := value_of(row)) is not None:
            exams[row.patient_id][row.exam_id].append(value)
    of_patient = [
        float(np.mean([np.mean(repeats) for repeats in own.values()]))
        for _, own in sorted(exams.items())
    ]
    estimate = _mean(np.array(of_patient), settings.level, share=name == "dice")
    drawn = {row.patient_id for row in predictions if _is_drawn(row, class_)}
    counts = Counts(
        sum(len(own) for own in exams.values()),
        len(exams),
        len(drawn & set(exams)),
    )
    return settings.metric(name, class_, estimate, counts)


def _mean(values: np.ndarray, level: float, *, share: bool) -> Estimate:
    how = "mean over patients of the mean within each"
    if len(values) == 0:
        return not_estimable(None, "no exam has a value", how)
    mean = float(values.mean())
    ends = t_interval(values, level, share=share)
    if ends is None:
        why = f"{len(values)} patients, all of one value"
        return not_estimable(mean, why, how)
    scale = " on the logit scale" if share else ""
    return Estimate(mean, *ends, f"{how}; Student t{scale}; {CONDITIONAL}")


def _count(
    name: str,
    class_: str,
    predictions: Sequence[OutOfFoldPrediction],
    settings: Settings,
) -> Metric:
    is_it = _is_true_negative if name == "true_negative_exams" else _is_false_positive
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


def _dice_of(class_: str) -> Value:
    return lambda row: row.dice.get(class_)


def _error_of(class_: str) -> Value:
    def error(row: OutOfFoldPrediction) -> float | None:
        if class_ not in row.volume_ml or class_ not in row.true_volume_ml:
            return None
        return row.volume_ml[class_] - row.true_volume_ml[class_]

    return error


def _abs_error_of(class_: str) -> Value:
    signed = _error_of(class_)

    def error(row: OutOfFoldPrediction) -> float | None:
        value = signed(row)
        return None if value is None else abs(value)

    return error


def _is_true_negative(row: OutOfFoldPrediction, class_: str) -> bool:
    return row.dice[class_] is None


def _is_false_positive(row: OutOfFoldPrediction, class_: str) -> bool:
    return row.dice[class_] is not None and row.true_volume_ml.get(class_) == 0


def _is_drawn(row: OutOfFoldPrediction, class_: str) -> bool:
    return row.true_volume_ml.get(class_, 0) > 0
