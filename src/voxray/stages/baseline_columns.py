"""Columns of the label table that the network is compared with."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from voxray.core.errors import ConfigError
from voxray.core.records import ExamId, ScanRecord
from voxray.core.specs import Experiment

BUILT_IN = ("sex", "age_years", "site", "scanner")


def check_columns(records: Sequence[ScanRecord], experiment: Experiment) -> None:
    """Refuse a column that no scan has, or that is the label.

    Raises:
        ConfigError: Naming the column and the nearest one there is.
    """
    wanted = experiment.evaluate.baseline_columns
    classify = experiment.task.classify
    if wanted and classify is None:
        msg = "evaluate.baseline_columns: columns predict a class; give task.classify"
        raise ConfigError(msg)
    labels = classify.label_columns if classify else ()
    known = dict.fromkeys(name for record in records for name in record.meta)
    built_in = [n for n in BUILT_IN if any(value_of(r, n) is not None for r in records)]
    for column in wanted:
        if column in labels:
            msg = f"evaluate.baseline_columns: {column!r} is what the network predicts"
            raise ConfigError(msg)
        if column not in known and column not in built_in:
            setting = "evaluate.baseline_columns"
            raise ConfigError(unknown_column(setting, column, [*known, *built_in]))


def unknown_column(setting: str, column: str, known: Sequence[str]) -> str:
    """Say that a column has no value, and name the nearest one that has."""
    near = get_close_matches(column, known, 1)
    tail = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(known)}"
    return (
        f"{setting}: no scan has a value in the column {column!r}; "
        f"{tail if known else 'the label table has no other columns'}"
    )


def column_values(
    records: Mapping[ExamId, ScanRecord], column: str
) -> dict[ExamId, str | float | None]:
    """Value per exam; a column of the label table comes before one of the headers."""
    return {exam: value_of(record, column) for exam, record in records.items()}


def value_of(record: ScanRecord, column: str) -> str | float | None:
    """Value of one scan in a column; None without one."""
    built_in = getattr(record, column) if column in BUILT_IN else None
    return record.meta.get(column, built_in)
