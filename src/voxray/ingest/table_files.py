"""A table of any kind as text: CSV, TSV, Excel, Parquet."""

import csv
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any, BinaryIO

from voxray.core.errors import ConfigError

_SEPARATORS = ",;\t"
_PARQUET, _ZIP, _OLD_EXCEL = b"PAR1", b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_MAX_UNPACKED_BYTES = 1 << 29
_WHOLE_BELOW = 1e15
_MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null"})
_BROKEN_CELL = re.compile(r"#(REF|DIV/0|VALUE|NAME|NUM|NULL)[!?]?")


class _TableError(ValueError):
    """What is wrong with a table, in words for a person."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row.

    Attributes:
        number: As a spreadsheet counts: the header is row 1.
        cells: Text by column; an empty cell is absent.
    """

    number: int
    cells: Mapping[str, str] = field(repr=False)


def is_missing(text: str) -> bool:
    """Whether a cell says that there is no value: empty, NA, N/A, NaN, null."""
    return text.casefold() in _MISSING


def read_table(
    path: Path, sheet: str | None = None
) -> tuple[tuple[str, ...], list[TableRow]]:
    """Read a table; which kind it is, its content says.

    Every cell becomes the text that a CSV file would have: 7 and not 7.0, a date as
    2020-01-31, truth as TRUE or FALSE, of a formula the value that was stored with it.

    Args:
        path: CSV or TSV in UTF-8 or UTF-16, Excel (.xlsx) or Parquet.
        sheet: Of an Excel file; None for the first.

    Returns:
        Columns, and rows.

    Raises:
        ConfigError: If there is no such table, or it can be read in more than one way.
    """
    if not path.is_file():
        msg = f"data.labels.table: {str(path)!r} does not exist or is no file"
        raise ConfigError(msg)
    with path.open("rb") as stream:
        kind = _kind(stream.read(4))
    if sheet is not None and kind != "Excel":
        msg = f"data.labels.sheet is for Excel; {path.name!r} is no Excel file"
        raise ConfigError(msg)
    try:
        lines = list(_lines(path, kind, sheet))
    except (ValueError, OSError, KeyError, csv.Error, zipfile.BadZipFile) as error:
        ours = kind == "CSV" or isinstance(error, _TableError)
        problem = str(error) if ours else type(error).__name__
        raise _unreadable(path, kind, problem) from error
    return _checked(path, kind, [(n, line) for n, line in lines if any(line)])


def _kind(start: bytes) -> str:
    known = {_PARQUET: "Parquet", _ZIP: "Excel", _OLD_EXCEL: "old Excel"}
    return known.get(start, "CSV")


def _unreadable(path: Path, kind: str, problem: str) -> ConfigError:
    msg = f"data.labels.table: {path.name!r} is no readable {kind} table: {problem}"
    return ConfigError(msg)


_Line = tuple[int, list[str]]


def _lines(path: Path, kind: str, sheet: str | None) -> Iterator[_Line]:
    """Rows as text, header first, with their numbers.

    Raises:
        _TableError: If the file breaks our rules; others if those of its kind.
    """
    match kind:
        case "Parquet":
            yield from enumerate(_parquet_lines(path), start=1)
        case "Excel":
            yield from enumerate(_excel_lines(path, sheet), start=1)
        case "old Excel":
            msg = "save it as .xlsx or .csv"
            raise _TableError(msg)
        case _:
            yield from _csv_lines(path)


def _csv_lines(path: Path) -> Iterator[_Line]:
    content = path.read_bytes()
    encoding = "utf-16" if content.startswith(_UTF16) else "utf-8-sig"
    text = content.decode(encoding)
    header = text.partition("\n")[0]
    separator = max(_SEPARATORS, key=header.count)
    reader = csv.reader(StringIO(text, newline=""), delimiter=separator)
    for line in reader:
        yield reader.line_num, [cell.strip() for cell in line]


def _excel_lines(path: Path, sheet: str | None) -> Iterator[list[str]]:
    import openpyxl  # here: few tables are Excel, and it takes time to load

    with path.open("rb") as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of styles and validations it does not know
        _check_unpacked(stream)
        book = openpyxl.load_workbook(stream, read_only=True, data_only=True)
        try:
            rows = book[_sheet_name(book.sheetnames, sheet)]
            rows.reset_dimensions()  # what a file states of its size may be wrong
            for row in rows.iter_rows():
                yield _without_end([_excel_text(cell) for cell in row])
        finally:
            book.close()


def _check_unpacked(stream: BinaryIO) -> None:
    with zipfile.ZipFile(stream) as packed:
        n_bytes = sum(part.file_size for part in packed.infolist())
    if n_bytes > _MAX_UNPACKED_BYTES:
        msg = "it unpacks to more than 512 MiB"
        raise _TableError(msg)


def _sheet_name(names: Sequence[str], wanted: str | None) -> str:
    if not names or (wanted is not None and wanted not in names):
        msg = f"it has no sheet {wanted!r}; its sheets are {', '.join(names)}"
        raise _TableError(msg)
    return wanted or names[0]


def _excel_text(cell: Any) -> str:  # noqa: ANN401 - openpyxl has cells of two classes
    """Text of a cell; a whole number keeps the zeros that its format puts before it."""
    text = _text(cell.value)
    shown = getattr(cell, "number_format", None) or ""
    if text.isdigit() and shown.strip("0") == "":
        return text.zfill(len(shown))
    return "" if _BROKEN_CELL.fullmatch(text) else text


def _without_end(line: list[str]) -> list[str]:
    while line and not line[-1]:
        line.pop()
    return line


def _parquet_lines(path: Path) -> Iterator[list[str]]:
    from pyarrow import parquet

    table = parquet.read_table(path)
    yield [str(name).strip() for name in table.column_names]
    for batch in table.to_batches():
        columns = [column.to_pylist() for column in batch.columns]
        for row in zip(*columns, strict=True):
            yield [_text(value) for value in row]


def _text(value: object) -> str:
    """Raises: _TableError: If the value is no text, number, truth or time."""
    for kinds, write in _TEXTS:
        if isinstance(value, kinds):
            return write(value)
    msg = f"a cell holds a {type(value).__name__}"
    raise _TableError(msg)


def _number_text(value: float | Decimal) -> str:
    number = float(value)
    whole = number.is_integer() and abs(number) < _WHOLE_BELOW
    return str(int(number)) if whole else str(number)


def _moment_text(value: datetime) -> str:
    midnight = value.time() == time()
    return value.date().isoformat() if midnight else value.isoformat(" ")


_TEXTS: tuple[tuple[type | tuple[type, ...], Callable[[Any], str]], ...] = (
    (type(None), lambda _: ""),
    (str, str.strip),
    (bool, lambda value: str(value).upper()),  # before int, which a bool is too
    (int, str),
    ((float, Decimal), _number_text),
    (datetime, _moment_text),  # before date, which a datetime is too
    ((date, time), lambda value: value.isoformat()),
    (bytes, lambda value: value.decode().strip()),
)


def _checked(
    path: Path, kind: str, lines: list[_Line]
) -> tuple[tuple[str, ...], list[TableRow]]:
    """Refuse what cannot be read one way only; a short row lacks its last cells."""
    columns = lines[0][1] if lines else []
    too_long = [n for n, line in lines if len(line) > len(columns)]
    problem = None
    if not columns:
        problem = "it is empty"
    elif len(set(columns)) < len(columns):
        problem = "two columns have one name"
    elif too_long:
        problem = f"row {too_long[0]} has more cells than there are columns"
    if problem is not None:
        raise _unreadable(path, kind, problem)
    rows = [
        TableRow(n, {c: t for c, t in zip(columns, line, strict=False) if t})
        for n, line in lines[1:]
    ]
    return tuple(columns), rows
