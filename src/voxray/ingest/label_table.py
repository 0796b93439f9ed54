"""The label table as text: rows by key."""

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from voxray.core.errors import ConfigError, DatasetError
from voxray.core.specs import LabelsSpec

_INTEGRAL = re.compile(r"[+-]?\d+\.0+")
_SEPARATORS = ",;\t"


@dataclass(frozen=True, slots=True)
class LabelRow:
    """What the table says for one key.

    Attributes:
        cells: Text by column; an empty cell is absent.
    """

    key: str
    cells: Mapping[str, str]


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


def read_label_table(spec: LabelsSpec, decisive: Sequence[str]) -> LabelTable:
    """Read CSV or TSV; every cell is text, an empty cell is absent.

    Args:
        spec: Where the table is and what its key is.
        decisive: Columns that must exist, and in which rows of one key must agree. In
            any other column rows that differ leave the cell absent.

    Raises:
        ConfigError: If the table or a column is missing, or the key format is wrong.
        DatasetError: If rows of one key differ in a decisive column.
    """
    columns, records = _read_cells(spec.table)
    key_columns = spec.key.columns or (str(spec.key.column),)
    _check_columns(spec.table.name, columns, (*key_columns, *decisive))
    by_key: dict[str, list[dict[str, str]]] = defaultdict(list)
    n_without_key = 0
    for cells in records:
        key = _key(spec, key_columns, cells)
        if key is None:
            n_without_key += 1
        else:
            by_key[key].append(cells)
    _check_agreement(spec.table.name, by_key, decisive)
    rows = {key: LabelRow(key, _agreed(cells)) for key, cells in by_key.items()}
    return LabelTable(rows, tuple(key_columns), len(records), n_without_key)


def _read_cells(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Columns, and the cells of every row that are not empty."""
    if not path.is_file():
        msg = f"data.labels.table: {str(path)!r} does not exist or is no file"
        raise ConfigError(msg)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            separator = _separator(stream.readline())
            stream.seek(0)
            lines = [line for line in csv.reader(stream, delimiter=separator) if line]
    except (ValueError, csv.Error) as error:
        msg = f"data.labels.table: {path.name!r} is no readable CSV table: {error}"
        raise ConfigError(msg) from error
    columns = [cell.strip() for cell in lines[0]] if lines else []
    _check_lines(path.name, columns, lines)
    rows = [
        dict(zip(columns, map(str.strip, line), strict=False)) for line in lines[1:]
    ]
    return columns, [{c: text for c, text in row.items() if text} for row in rows]


def _check_lines(name: str, columns: list[str], lines: list[list[str]]) -> None:
    """Refuse what cannot be read one way only; a short row lacks its last cells."""
    problem = None
    too_long = [n for n, line in enumerate(lines) if len(line) > len(columns)]
    if not columns:
        problem = "it is empty"
    elif len(set(columns)) < len(columns):
        problem = "two columns have one name"
    elif too_long:
        problem = f"row {too_long[0]} has more cells than there are columns"
    if problem is not None:
        msg = f"data.labels.table: {name!r} is no readable CSV table: {problem}"
        raise ConfigError(msg)


def _separator(header: str) -> str:
    return max(_SEPARATORS, key=header.count)


def _check_columns(name: str, columns: list[str], wanted: Iterable[str]) -> None:
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
    name: str, by_key: Mapping[str, list[dict[str, str]]], decisive: Sequence[str]
) -> None:
    for column in decisive:
        n_keys = sum(
            len({cells.get(column) for cells in rows}) > 1 for rows in by_key.values()
        )
        if n_keys:
            msg = (
                f"the label table {name!r} has {n_keys} keys with rows that differ in "
                f"{column!r}; keep one row for each key"
            )
            raise DatasetError(msg)


def _agreed(rows: list[dict[str, str]]) -> dict[str, str]:
    first, *others = rows
    return {
        column: text
        for column, text in first.items()
        if all(other.get(column) == text for other in others)
    }
