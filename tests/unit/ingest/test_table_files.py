import zipfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.unit.ingest.makers import SICK, take_in
from tests.unit.ingest.test_labels import images, labels_of
from voxray.core.errors import ConfigError
from voxray.core.specs import LabelsSpec
from voxray.ingest import table_files
from voxray.ingest.table_files import read_table

Rows = dict[str, list[list[Any]]]
WHEN = datetime(2020, 1, 31, 10, 30)  # noqa: DTZ001 - tables hold local times
DAY = datetime(2020, 1, 31)  # noqa: DTZ001


def an_excel(path: Path, sheets: Rows) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def a_parquet(path: Path, **columns: list[Any]) -> Path:
    parquet.write_table(pa.table(columns), path)
    return path


def cells(path: Path, sheet: str | None = None) -> list[dict[str, str]]:
    return [dict(row.cells) for row in read_table(path, sheet)[1]]


def test_one_table_reads_the_same_in_every_kind_of_file(tmp_path: Path) -> None:
    lines: list[list[Any]] = [
        ["scan", "n", "x", "day"],
        ["a", 7, 2.5, DAY],
        ["b", None, 1.0, WHEN],
    ]
    text = "scan,n,x,day\na,7,2.5,2020-01-31\nb,,1,2020-01-31 10:30:00\n"
    (tmp_path / "t.csv").write_text(text)
    (tmp_path / "t.tsv").write_text(text.replace(",", "\t"))
    (tmp_path / "u.csv").write_text(text, encoding="utf-16")
    an_excel(tmp_path / "t.xlsx", {"one": lines})
    columns = {name: [row[n] for row in lines[1:]] for n, name in enumerate(lines[0])}
    a_parquet(tmp_path / "t.parquet", **columns)

    expected = cells(tmp_path / "t.csv")

    assert expected[0] == {"scan": "a", "n": "7", "x": "2.5", "day": "2020-01-31"}
    for name in ("t.tsv", "u.csv", "t.xlsx", "t.parquet"):
        assert cells(tmp_path / name) == expected, name


@pytest.mark.parametrize("name", ["t.xlsx", "labels"])
def test_scans_get_labels_from_an_excel_file_of_any_name(
    tmp_path: Path, name: str
) -> None:
    rows: list[list[Any]] = [["scan", "sick"], ["a", 1], ["b", 0.0]]
    an_excel(tmp_path / "t.xlsx", {"s": rows}).rename(tmp_path / name)

    intake = take_in(
        images(tmp_path, "a", "b"), labels=LabelsSpec(table=tmp_path / name), task=SICK
    )

    assert labels_of(intake) == {"a": 1, "b": 0}


def test_whole_numbers_that_parquet_holds_as_real_ones_are_whole(
    tmp_path: Path,
) -> None:
    path = a_parquet(tmp_path / "t", n=[7.0, None, float("nan"), 1e300], b=[True] * 4)

    assert cells(path) == [
        {"n": "7", "b": "TRUE"},
        {"b": "TRUE"},
        {"n": "nan", "b": "TRUE"},
        {"n": "1e+300", "b": "TRUE"},
    ]


def test_sheet_is_the_first_one_unless_named(tmp_path: Path) -> None:
    sheets: Rows = {"one": [["scan"], ["a"]], "two": [["scan"], ["b"]]}
    path = an_excel(tmp_path / "t.xlsx", sheets)

    assert cells(path) == [{"scan": "a"}]
    assert cells(path, "two") == [{"scan": "b"}]
    with pytest.raises(ConfigError, match="no sheet 'three'; its sheets are one, two"):
        read_table(path, "three")


def test_sheet_of_a_table_without_sheets_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("scan\na\n")

    with pytest.raises(ConfigError, match=r"'t.csv' is no Excel file"):
        read_table(tmp_path / "t.csv", "one")


def test_zeros_before_a_number_stay_when_the_sheet_shows_them(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["scan", "n"])
    sheet.append([12, 12])
    sheet["A2"].number_format = "0000"
    book.save(tmp_path / "t.xlsx")

    assert cells(tmp_path / "t.xlsx") == [{"scan": "0012", "n": "12"}]


def test_empty_rows_and_broken_cells_of_a_sheet_are_absent(tmp_path: Path) -> None:
    rows: list[list[Any]] = [
        [None],
        ["scan", "x", None],
        ["a", "#REF!"],
        [None, None],
        [None, 1],
    ]
    path = an_excel(tmp_path / "t.xlsx", {"s": rows})

    columns, found = read_table(path)

    assert columns == ("scan", "x")
    assert [(row.number, row.cells) for row in found] == [
        (3, {"scan": "a"}),
        (5, {"x": "1"}),
    ]


def test_rows_that_a_sheet_does_not_count_are_read(tmp_path: Path) -> None:
    path = an_excel(tmp_path / "t.xlsx", {"s": [["scan", "x"], ["a", 1], ["b", 2]]})
    lying = tmp_path / "lying.xlsx"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(lying, "w") as target:
        for part in source.infolist():
            content = source.read(part)
            target.writestr(part, content.replace(b'ref="A1:B3"', b'ref="A1:A2"'))

    assert cells(lying) == [{"scan": "a", "x": "1"}, {"scan": "b", "x": "2"}]


def test_sheet_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = an_excel(tmp_path / "t.xlsx", {"s": [["scan"]]})
    monkeypatch.setattr(table_files, "_MAX_UNPACKED_BYTES", 100)

    with pytest.raises(ConfigError, match="unpacks to more than"):
        read_table(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04 torn", "no readable Excel table: BadZipFile"),
        (b"PAR1 torn", "no readable Parquet table"),
        (b"\xd0\xcf\x11\xe0 old", "no readable old Excel table.* save it as .xlsx"),
    ],
)
def test_torn_table_is_a_config_error(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "t").write_bytes(content)

    with pytest.raises(ConfigError, match=message):
        read_table(tmp_path / "t")


def test_zip_that_is_no_sheet_is_a_config_error(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "t", "w") as packed:
        packed.writestr("a.txt", "text")

    with pytest.raises(ConfigError, match="no readable Excel table: KeyError"):
        read_table(tmp_path / "t")


def test_cell_that_holds_no_single_value_is_a_config_error(tmp_path: Path) -> None:
    path = a_parquet(tmp_path / "t", scan=[["a", "b"]])

    with pytest.raises(ConfigError, match="a cell holds a list"):
        read_table(path)


def test_days_and_bytes_of_parquet_are_text(tmp_path: Path) -> None:
    path = a_parquet(tmp_path / "t", day=[date(2020, 1, 31)], name=[b" a "])

    assert cells(path) == [{"day": "2020-01-31", "name": "a"}]
