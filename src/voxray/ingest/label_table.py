"""The label table as text: rows by key."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

from voxray.core.errors import ConfigError, DatasetError
from voxray.core.specs import LabelsSpec
from voxray.ingest.table_files import TableRow, is_missing, read_table

_INTEGRAL = re.compile(r"[+-]?\d+\.0+")
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class LabelRow:
    """What the table says for one key.

    Attributes:
        cells: Text by column; an empty cell is absent.
        conflicts: By label column, which rows differ.
    """

    key: str = field(repr=False)
    cells: Mapping[str, str] = field(repr=False)
    conflicts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LabelTable:
    """The rows of the table by key.

    Attributes:
        key_columns: Columns the key is made from.
        n_rows: Rows in the file.
        n_without_key: Rows where a part of the key is empty.
    """

    rows: Mapping[str, LabelRow]
    key_columns: tuple[str, ...]
    n_rows: int
    n_without_key: int


def read_label_table(
    spec: LabelsSpec, labels: Sequence[str], others: Sequence[str] = ()
) -> LabelTable:
    """Read a table; every cell is text, and one that says there is no value is absent.

    Args:
        spec: Where the table is and what its key is.
        labels: Columns that must exist; rows of one key that differ in one are a
            conflict of that key.
        others: Columns that must exist, and in which rows of one key must agree. In
            any other column rows that differ leave the cell absent.

    Raises:
        ConfigError: If the table or a column is missing, or the key format is wrong.
        DatasetError: If rows of one key differ in one of `others`.
    """
    columns, rows = read_table(spec.table, spec.sheet)
    key_columns = spec.key.columns or (str(spec.key.column),)
    _check_columns(spec.table.name, columns, (*key_columns, *labels, *others))
    by_key: dict[str, list[TableRow]] = defaultdict(list)
    n_without_key = 0
    for row in rows:
        present = _present(row, labels)
        key = _key(spec, key_columns, present.cells)
        if key is None:
            n_without_key += 1
        else:
            by_key[key].append(present)
    _check_agreement(spec.table.name, by_key, others)
    return LabelTable(
        {key: _label_row(key, group, labels) for key, group in by_key.items()},
        tuple(key_columns),
        len(rows),
        n_without_key,
    )


def _present(row: TableRow, labels: Sequence[str]) -> TableRow:
    """Drop cells without a value; in a label column "NA" may be the name of a class."""
    cells = {c: t for c, t in row.cells.items() if c in labels or not is_missing(t)}
    return replace(row, cells=cells)


def _check_columns(name: str, columns: Sequence[str], wanted: Iterable[str]) -> None:
    for column in wanted:
        if column not in columns:
            near = get_close_matches(column, columns, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            msg = (
                f"the label table {name!r} has no column {column!r}; {hint}"
                f"its columns are {', '.join(columns)}"
            )
            raise ConfigError(msg)


def _key(
    spec: LabelsSpec, columns: Sequence[str], cells: Mapping[str, str]
) -> str | None:
    if any(column not in cells for column in columns):
        return None
    if spec.key.format is None:
        return cells[columns[0]]
    return _formatted(spec.key.format, {c: _plain(cells[c]) for c in columns})


def _formatted(pattern: str, parts: Mapping[str, str]) -> str:
    """Fill in the format; "{n:03d}" works when the cell is a whole number."""
    try:
        return pattern.format(**parts)
    except ValueError:
        numbers = {
            k: int(v) if v.lstrip("+-").isdigit() else v for k, v in parts.items()
        }
    except (KeyError, IndexError) as error:
        msg = f"data.labels.key.format {pattern!r} names {error}, none of the columns"
        raise ConfigError(msg) from error
    try:
        return pattern.format(**numbers)
    except ValueError as error:
        msg = f"data.labels.key.format {pattern!r} does not fit a row: {error}"
        raise ConfigError(msg) from error


def _plain(text: str) -> str:
    return text.partition(".")[0] if _INTEGRAL.fullmatch(text) else text


def _check_agreement(
    name: str, by_key: Mapping[str, list[TableRow]], columns: Sequence[str]
) -> None:
    for column in columns:
        differing = [rows for rows in by_key.values() if _differ(rows, column)]
        if differing:
            msg = (
                f"the label table {name!r} has {len(differing)} keys with rows that "
                f"differ in {column!r}, first rows {_numbers(differing[0])}; keep one "
                "row for each key"
            )
            raise DatasetError(msg)


def _differ(rows: Sequence[TableRow], column: str) -> bool:
    return len({_plain(row.cells.get(column, "")) for row in rows}) > 1


def _numbers(rows: Sequence[TableRow]) -> str:
    shown = ", ".join(str(row.number) for row in rows[:_SHOWN])
    n_more = len(rows) - _SHOWN
    return shown if n_more <= 0 else f"{shown} and {n_more} more"


def _label_row(key: str, rows: Sequence[TableRow], labels: Sequence[str]) -> LabelRow:
    first, *others = rows
    return LabelRow(
        key,
        {
            column: text
            for column, text in first.cells.items()
            if all(other.cells.get(column) == text for other in others)
            or (column in labels and not _differ(rows, column))
        },
        {
            column: f"rows {_numbers(rows)} of the label table differ in {column!r}"
            for column in labels
            if _differ(rows, column)
        },
    )
