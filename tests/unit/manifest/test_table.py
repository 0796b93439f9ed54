from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.manifest.makers import a_record
from voxray.core.errors import ManifestError
from voxray.core.records import ScanRecord
from voxray.manifest import COLUMNS, read_manifest, write_manifest
from voxray.manifest.row import cells_of, label_text, label_value, record_of

_TEXT = st.text(min_size=1).filter(lambda text: "\0" not in text)


def as_values(record: ScanRecord) -> dict[str, Any]:
    values = {field.name: getattr(record, field.name) for field in fields(record)}
    grid = values.pop("grid")
    return values | {"shape": grid.shape, "affine": grid.affine.tolist()}


def test_records_read_back_as_they_were(tmp_path: Path) -> None:
    bare = a_record(
        "s2",
        mask_path=None,
        findings=(),
        site=None,
        sex=None,
        age_years=None,
        scanner=None,
        labels={},
        meta={},
        modality="",
    )
    records = (a_record(), bare)

    write_manifest(records, tmp_path / "manifest.csv")

    back = read_manifest(tmp_path / "manifest.csv")
    assert [as_values(r) for r in back] == [as_values(r) for r in records]
    assert not back[0].grid.affine.flags.writeable


def test_fixed_columns_come_first_then_labels_and_meta(tmp_path: Path) -> None:
    write_manifest([a_record()], tmp_path / "manifest.csv")

    header = (tmp_path / "manifest.csv").read_text().splitlines()[0]

    assert header == ",".join([*COLUMNS, "label_sick", "meta_centre"])


def test_a_manifest_from_before_a_column_was_added_is_read(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    write_manifest([a_record(meta={}, labels={})], path)
    path.write_text(path.read_text().replace(",scanner", "").replace(",Maker One", ""))

    assert read_manifest(path)[0].scanner is None


@given(st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False), _TEXT))
def test_label_keeps_its_value_and_type(value: Any) -> None:
    back = label_value(label_text(value))

    assert (back, type(back)) == (value, type(value))


@pytest.mark.parametrize("text", ["1", "true", "1.0", "null", "[1]", '"x"', "NaN"])
def test_text_that_looks_like_json_stays_text(text: str) -> None:
    assert record_of(cells_of(a_record(labels={"a": text}))).labels == {"a": text}


def test_any_line_break_in_a_cell_survives(tmp_path: Path) -> None:
    meta = {"note": "one\r\ntwo\rthree\nfour"}

    write_manifest([a_record(meta=meta)], tmp_path / "manifest.csv")

    assert read_manifest(tmp_path / "manifest.csv")[0].meta == meta


def test_equal_records_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        write_manifest([a_record()], tmp_path / name)

    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def written(path: Path, old: str, new: str) -> Path:
    write_manifest([a_record()], path)
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), "utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("patient_id,", "", "lacks the columns patient_id"),
        ("repaired", "mended", "row 1 is broken: 'mended'"),
        ("[4, 5, 6]", "[4, 5]", "row 1 is broken"),
        ("duplicate-slice", "twin", "row 1 is broken: 'twin'"),
        (",F,61.3", ",F,61.3,9,9,9", "row 1 has not as many cells"),
        (",F,61.3,Maker One,1,x", ",F", "row 1 has not as many cells"),
        ("[[-0.3", "[[0.0", "row 1 is broken: scan 's1': affine is singular"),
    ],
)
def test_broken_manifest_says_where(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = written(tmp_path / "manifest.csv", old, new)
    if "singular" in message:
        path.write_text(path.read_text().replace("0.00000000000000004", "0.0"))

    with pytest.raises(ManifestError, match=message):
        read_manifest(path)


def test_missing_manifest_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"run stage 1 \(ingest\) again"):
        read_manifest(tmp_path / "manifest.csv")


def test_manifest_without_rows_is_refused(tmp_path: Path) -> None:
    write_manifest([], tmp_path / "manifest.csv")

    with pytest.raises(ManifestError, match="no scan was accepted"):
        read_manifest(tmp_path / "manifest.csv")


def test_scan_that_stands_twice_is_refused(tmp_path: Path) -> None:
    write_manifest([a_record(), a_record()], tmp_path / "manifest.csv")

    with pytest.raises(ManifestError, match="names 1 scans in 2 rows"):
        read_manifest(tmp_path / "manifest.csv")


def test_spacing_column_is_for_people_and_the_affine_counts(tmp_path: Path) -> None:
    path = written(tmp_path / "manifest.csv", "6.5]", "9.9]")

    assert np.isclose(read_manifest(path)[0].grid.spacing_mm.k, 6.5)
