"""Columns that part the exams into subgroups."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from voxray.core.errors import ConfigError
from voxray.core.records import ExamId, OutOfFoldPrediction, ScanRecord
from voxray.evaluate import Grouping
from voxray.stages.asked import Asked
from voxray.stages.baseline_columns import BUILT_IN, unknown_column, value_of

MODALITY, DRAWN = "modality", "drawn_ml"
UNKNOWN = "unknown"
_SETTING = "evaluate.subgroups"
_MOST_VALUES = 20
_MOST_DISCRETE = 6
"""A column of more different numbers than this is parted at thirds."""

_Values = Mapping[ExamId, str | float | None]


def check_subgroups(records: Sequence[ScanRecord], asked: Asked) -> None:
    """Refuse columns that cannot part the exams, before anything is trained.

    Raises:
        ConfigError: If no scan has a value, the values are no numbers but edges are
            given, or there are more than twenty different ones.
    """
    for column, edges in asked.evaluate.subgroup_columns.items():
        if column == DRAWN:
            if asked.task.segment is None:
                msg = f"{_SETTING}: {DRAWN!r} is the drawn volume; give task.segment"
                raise ConfigError(msg)
            continue
        values = {record.exam_id: _value(record, column) for record in records}
        if all(value is None for value in values.values()):
            there = dict.fromkeys(name for record in records for name in record.meta)
            known = [n for n in (*BUILT_IN, MODALITY) if _stated(records, n)]
            raise ConfigError(unknown_column(_SETTING, column, [*there, *known]))
        _grouping(column, edges, values)


def _stated(records: Sequence[ScanRecord], column: str) -> bool:
    return any(_value(record, column) is not None for record in records)


def _value(record: ScanRecord, column: str) -> str | float | None:
    if column == MODALITY and column not in record.meta:
        return record.modality or None
    return value_of(record, column)


def find_groupings(
    records: Mapping[ExamId, ScanRecord],
    predictions: Sequence[OutOfFoldPrediction],
    asked: Asked,
) -> tuple[Grouping, ...]:
    """Part the predicted exams by each column of `evaluate.subgroups`.

    Raises:
        ConfigError: See `check_subgroups`.
    """
    exams = sorted({row.exam_id for row in predictions})
    check_subgroups([records[exam] for exam in exams], asked)
    drawn = {row.exam_id: sum(row.true_volume_ml.values()) for row in predictions}
    found = []
    for column, edges in asked.evaluate.subgroup_columns.items():
        values: _Values = (
            drawn
            if column == DRAWN
            else {exam: _value(records[exam], column) for exam in exams}
        )
        found.append(_grouping(column, edges, values))
    return tuple(found)


def _grouping(column: str, edges: tuple[float, ...], values: _Values) -> Grouping:
    numbers = {exam: _number(value) for exam, value in values.items()}
    known = [n for n in numbers.values() if n is not None]
    stated = [value for value in values.values() if value is not None]
    all_numbers = len(known) == len(stated)
    if edges and not all_numbers:
        wrong = next(v for v in stated if _number(v) is None)
        msg = (
            f"{_SETTING}: {column!r} has edges, but {len(stated) - len(known)} of its "
            f"{len(stated)} values are no number, such as {wrong!r}"
        )
        raise ConfigError(msg)
    if all_numbers and (edges or len(set(known)) > _MOST_DISCRETE):
        how = "" if edges else "parted at thirds of the exams"
        return _bands(column, edges or _thirds(known), numbers, how)
    return _distinct(column, values)


def _number(value: str | float | None) -> float | None:
    try:
        number = float(value) if value is not None else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _thirds(known: Sequence[float]) -> tuple[float, ...]:
    cuts = np.quantile(known, [1 / 3, 2 / 3])
    return tuple(sorted({float(f"{cut:.3g}") for cut in cuts}))


def _bands(
    column: str,
    edges: tuple[float, ...],
    numbers: Mapping[ExamId, float | None],
    how: str,
) -> Grouping:
    between = pairwise(edges)
    names = [
        f"{column}<{edges[0]:g}",
        *(f"{low:g}<={column}<{high:g}" for low, high in between),
        f"{column}>={edges[-1]:g}",
    ]
    of_exam = {
        exam: f"{column}={UNKNOWN}"
        if number is None
        else names[int(np.searchsorted(edges, number, side="right"))]
        for exam, number in numbers.items()
    }
    return _made(column, names, of_exam, how)


def _distinct(column: str, values: _Values) -> Grouping:
    of_exam = {
        exam: f"{column}={UNKNOWN if value is None else _as_text(value)}"
        for exam, value in values.items()
    }
    unknown = f"{column}={UNKNOWN}"
    names = sorted(set(of_exam.values()) - {unknown})
    if len(names) > _MOST_VALUES:
        msg = (
            f"{_SETTING}: {column!r} has {len(names)} different values, at most "
            f"{_MOST_VALUES} are shown; give a column of numbers and edges, or a "
            "coarser column"
        )
        raise ConfigError(msg)
    return _made(column, names, of_exam, "")


def _as_text(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _made(
    column: str, names: Sequence[str], of_exam: Mapping[ExamId, str], how: str
) -> Grouping:
    there = set(of_exam.values())
    ordered = [name for name in (*names, f"{column}={UNKNOWN}") if name in there]
    return Grouping(tuple(ordered), of_exam, how)
