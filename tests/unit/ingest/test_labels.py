from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from tests.makers import Series, a_uid, write_nifti, write_series
from tests.unit.ingest.makers import (
    KEYED,
    LESION,
    READABLE,
    SICK,
    a_table,
    codes,
    row_of,
    take_in,
)
from voxray.core.errors import ConfigError, DatasetError
from voxray.core.records import FileFormat, PatientId, ScanId
from voxray.core.specs import ClassifySpec, LabelsSpec, TaskSpec
from voxray.core.specs.data import LabelKey, PatientColumn
from voxray.ingest import Intake
from voxray.ingest.label_table import read_label_table
from voxray.ingest.labels import class_value, match_rows, permuted, shape_of
from voxray.ingest.scans import FoundScan

GOOD = Series(extra={"ImagesInAcquisition": 5})


def images(folder: Path, *names: str) -> Path:
    for n, name in enumerate(names):
        write_nifti(folder / "scans" / f"{name}.nii.gz", seed=n)
    return folder / "scans"


def labels_of(intake: Intake) -> dict[str, Any]:
    return {record.scan_id: record.labels.get("sick") for record in intake.records}


@pytest.mark.parametrize(
    "key",
    ["p1/a", "p1/a.nii.gz", "a", "a.nii.gz"],
    ids=["path", "file", "name", "both"],
)
def test_image_is_named_by_path_or_file(tmp_path: Path, key: str) -> None:
    scans = images(tmp_path, "p1/a")
    table = a_table(tmp_path / "t.csv", "scan,sick", f"{key},1")

    assert labels_of(take_in(scans, labels=table, task=SICK)) == {"p1__a": 1}


@pytest.mark.parametrize("key", ["p1/t1", "t1", a_uid("study1", "series1")])
def test_series_is_named_by_folder_or_uid(tmp_path: Path, key: str) -> None:
    write_series(tmp_path / "scans" / "p1" / "t1", GOOD)
    table = a_table(tmp_path / "t.csv", "scan,sick", f"{key},0")

    intake = take_in(tmp_path / "scans", labels=table, task=SICK)

    assert labels_of(intake) == {"p1__t1": 0}


@pytest.mark.parametrize("key", ["p1/x", "p1/x.png", "x", "x.png"])
def test_picture_is_named_by_path_or_file(tmp_path: Path, key: str) -> None:
    spec = a_table(tmp_path / "t.csv", "scan,sick", f"{key},1")
    path = PurePosixPath("p1/x.png")
    scan = FoundScan(ScanId("x"), path.name, FileFormat.PICTURE, path, (path,))

    matched = match_rows(read_label_table(spec, ["sick"]), spec, [scan], {}, KEYED)

    assert matched.rows[ScanId("x")].cells["sick"] == "1"


def test_name_that_two_scans_share_labels_neither(tmp_path: Path) -> None:
    scans = images(tmp_path, "p1/t1", "p2/t1", "p3/x")
    table = a_table(tmp_path / "t.csv", "scan,sick", "t1,1", "x,0")

    intake = take_in(scans, labels=table, task=SICK)

    assert labels_of(intake) == {"p3__x": 0}
    assert codes(intake) == {"no-label": 2}
    assert "could name another scan" in intake.quarantine[0].detail


def test_folder_of_two_series_needs_their_uids(tmp_path: Path) -> None:
    write_series(tmp_path / "scans" / "s", GOOD)
    write_series(tmp_path / "scans" / "s", replace(GOOD, name="series2", seed=3))
    uid = a_uid("study1", "series2")
    table = a_table(tmp_path / "t.csv", "scan,sick", "s,1", f"{uid},0")

    intake = take_in(tmp_path / "scans", labels=table, task=SICK)

    assert [record.labels["sick"] for record in intake.records] == [0]
    assert codes(intake) == {"no-label": 1}


@pytest.mark.parametrize(
    ("by", "key"), [("study", a_uid("study1")), ("patient", "patient1")]
)
def test_study_or_patient_labels_all_its_series(
    tmp_path: Path, by: str, key: str
) -> None:
    write_series(tmp_path / "scans" / "a", GOOD)
    write_series(tmp_path / "scans" / "b", replace(GOOD, name="series2", seed=2))
    table = a_table(tmp_path / "t.csv", "scan,sick", f"{key},1", by=by)

    intake = take_in(tmp_path / "scans", labels=table, task=SICK, patient="dicom")

    assert labels_of(intake) == {"a": 1, "b": 1}


def test_image_has_no_study(tmp_path: Path) -> None:
    images(tmp_path, "a")
    write_series(tmp_path / "scans" / "s", GOOD)
    table = a_table(tmp_path / "t.csv", "scan,sick", f"{a_uid('study1')},1", by="study")

    intake = take_in(tmp_path / "scans", labels=table, task=SICK)

    assert codes(intake) == {"no-label": 1}


@pytest.mark.parametrize(
    ("pattern", "number"),
    [("{p}_R_{n}", "2"), ("{p}_R_{n}", "2.0"), ("{p}_R_{n:d}", "2")],
)
def test_key_is_put_together_from_columns(
    tmp_path: Path, pattern: str, number: str
) -> None:
    scans = images(tmp_path, "x_R_2")
    key = LabelKey(columns=("p", "n"), format=pattern)
    table = a_table(tmp_path / "t.csv", "p,n,sick", f"x,{number},1", key=key)

    assert labels_of(take_in(scans, labels=table, task=SICK)) == {"x_R_2": 1}


@pytest.mark.parametrize(
    ("pattern", "message"), [("{p}{q}", "names 'q'"), ("{p:d}", "does not fit a row")]
)
def test_format_that_does_not_fit_is_a_config_error(
    tmp_path: Path, pattern: str, message: str
) -> None:
    key = LabelKey(columns=("p",), format=pattern)
    table = a_table(tmp_path / "t.csv", "p,sick", "x,1", key=key)

    with pytest.raises(ConfigError, match=message):
        take_in(images(tmp_path, "x"), labels=table, task=SICK)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_separator_is_read_from_the_header(tmp_path: Path, separator: str) -> None:
    lines = [separator.join(cells) for cells in (("scan", "sick"), ("a", "1"))]
    table = a_table(tmp_path / "t.csv", *lines)

    scans = images(tmp_path, "a")

    assert labels_of(take_in(scans, labels=table, task=SICK)) == {"a": 1}


def test_table_of_a_spreadsheet_with_byte_order_mark_is_read(tmp_path: Path) -> None:
    table = a_table(tmp_path / "t.csv", "\ufeffscan, sick", "a, 1 ")

    assert labels_of(take_in(images(tmp_path, "a"), labels=table, task=SICK)) == {
        "a": 1
    }


def test_scan_without_usable_label_is_quarantined(tmp_path: Path) -> None:
    scans = images(tmp_path, "good", "empty", "absent", "odd")
    table = a_table(tmp_path / "t.csv", "scan,sick", "good,1", "empty,", "odd,9")

    intake = take_in(scans, labels=table, task=SICK)

    assert {row.scan_id: row.code.value for row in intake.quarantine} == {
        "absent": "no-label",
        "empty": "no-label",
        "odd": "unknown-label",
    }
    assert row_of(intake, "unknown-label").detail == "'sick' holds none of [0, 1]"


@pytest.mark.parametrize("text", ["NA", "n/a", "NaN", "null", "#N/A"])
def test_cell_that_says_there_is_no_value_is_empty(tmp_path: Path, text: str) -> None:
    scans = images(tmp_path, "a", "b")
    lines = ("scan,sick,centre", f"a,{text},{text}", "b,1,x", f"{text},1,x")
    table = a_table(tmp_path / "t.csv", *lines)

    intake = take_in(scans, labels=table, task=SICK)

    assert row_of(intake, "no-label").detail == "column 'sick' is empty"
    assert intake.label_rows_without_scan == 1


def test_na_may_be_the_name_of_a_class(tmp_path: Path) -> None:
    scans = images(tmp_path, "a")
    table = a_table(tmp_path / "t.csv", "scan,site", "a,NA")
    classify = ClassifySpec(column="site", classes={"north": "NA", "europe": "EU"})

    (record,) = take_in(scans, labels=table, task=TaskSpec(classify=classify)).records

    assert record.labels == {"site": "NA"}


def test_several_labels_are_taken_in_each_for_itself(tmp_path: Path) -> None:
    scans = images(tmp_path, "both", "one", "part", "none", "odd")
    table = a_table(
        tmp_path / "t.csv",
        "scan,effusion,nodule",
        "both,1,yes",
        "one,0,1.0",
        "part,,0",
        "none,NA,",
        "odd,-1,1",
    )
    task = TaskSpec(classify=ClassifySpec(columns=("effusion", "nodule")))

    intake = take_in(scans, labels=table, task=task)

    assert {r.scan_id: r.labels for r in intake.records} == {
        "both": {"effusion": 1, "nodule": 1},
        "one": {"effusion": 0, "nodule": 1},
        "part": {"nodule": 0},
    }
    assert row_of(intake, "no-label").detail == "'effusion', 'nodule' are empty"
    assert row_of(intake, "unknown-label").detail == "'effusion' holds none of [0, 1]"


def test_cell_may_hold_the_name_of_its_class() -> None:
    grades = ClassifySpec(column="g", classes={"low": 1, "high": 2}, ordinal=True)

    assert class_value("high", grades) == 2


def test_table_without_task_still_tells_which_scan_it_lacks(tmp_path: Path) -> None:
    scans = images(tmp_path, "a", "b")
    table = a_table(tmp_path / "t.csv", "scan,sick", "a,1")

    intake = take_in(scans, labels=table)

    assert codes(intake) == {"no-label": 1}
    assert intake.records[0].meta["sick"] == "1"


def test_table_beside_a_segmentation_needs_no_row_for_each_scan(tmp_path: Path) -> None:
    scans = images(tmp_path, "a", "b")
    table = a_table(tmp_path / "t.csv", "scan,centre", "a,x")

    intake = take_in(scans, labels=table, task=LESION)

    assert codes(intake) == {"no-mask": 2}


def test_other_columns_become_meta_without_the_key(tmp_path: Path) -> None:
    scans = images(tmp_path, "a")
    table = a_table(tmp_path / "t.csv", "scan,sick,who,centre,note", "a,1,anna,x,")
    rule = PatientColumn(column="who")

    keyed = take_in(scans, KEYED, labels=table, task=SICK, patient=rule)
    readable = take_in(scans, READABLE, labels=table, task=SICK, patient=rule)

    assert keyed.records[0].meta == {"centre": "x"}
    assert readable.records[0].meta == {"scan": "a", "who": "anna", "centre": "x"}


def test_rows_that_name_no_scan_are_counted_as_ids(tmp_path: Path) -> None:
    scans = images(tmp_path, "a")
    table = a_table(tmp_path / "t.csv", "scan,sick", "a,1", "b,0", "c,1", ",1")

    intake = take_in(scans, KEYED, labels=table, task=SICK)

    assert intake.label_rows_without_scan == 3
    assert all(example.startswith("s-") for example in intake.label_row_examples)


def test_row_of_a_refused_scan_names_a_scan(tmp_path: Path) -> None:
    scans = images(tmp_path, "a")
    write_series(scans / "s", GOOD)[2].unlink()
    table = a_table(tmp_path / "t.csv", "scan,sick", "a,1", "s,1")

    assert take_in(scans, labels=table, task=SICK).label_rows_without_scan == 0


@pytest.mark.parametrize(
    ("ids", "shown"), [(KEYED, "'AA-9'.*'aa99'|'AA-9'.*'AA99'"), (READABLE, "'XY-7'")]
)
def test_table_that_names_no_scan_is_an_error_with_shapes(
    tmp_path: Path, ids: Any, shown: str
) -> None:
    scans = images(tmp_path, "ab12")
    table = a_table(tmp_path / "t.csv", "scan,sick", "XY-7,1")

    with pytest.raises(DatasetError, match=f"none of the 1 keys.*{shown}"):
        take_in(scans, ids, labels=table, task=SICK)


def test_table_without_rows_labels_nothing(tmp_path: Path) -> None:
    scans = images(tmp_path, "a")
    table = a_table(tmp_path / "t.csv", "scan,sick")

    assert codes(take_in(scans, labels=table, task=SICK)) == {"no-label": 1}


def test_rows_of_one_key_may_repeat_but_not_differ(tmp_path: Path) -> None:
    scans = images(tmp_path, "a")
    same = a_table(tmp_path / "1.csv", "scan,sick,visit", "a,1,first", "a,1,second")
    differ = a_table(tmp_path / "2.csv", "scan,sick", "a,1", "a,0")

    assert take_in(scans, labels=same, task=SICK).records[0].meta == {"scan": "a"}
    intake = take_in(scans, labels=differ, task=SICK)
    assert row_of(intake, "label-conflict").detail == (
        "rows 2, 3 of the label table differ in 'sick'"
    )


def test_conflict_of_one_scan_leaves_the_others(tmp_path: Path) -> None:
    scans = images(tmp_path, "a", "b")
    table = a_table(tmp_path / "t.csv", "scan,sick", "a,1", "b,1", "a,0", "b,1.0")

    intake = take_in(scans, labels=table, task=SICK)

    assert labels_of(intake) == {"b": 1}
    assert codes(intake) == {"label-conflict": 1}


def test_patient_that_rows_of_a_key_do_not_agree_on_is_an_error(tmp_path: Path) -> None:
    scans = images(tmp_path, "a")
    table = a_table(tmp_path / "t.csv", "scan,sick,who", "a,1,x", "a,1,y")
    rule = PatientColumn(column="who")

    with pytest.raises(
        DatasetError, match=r"1 keys .* differ in 'who', first rows 2, 3"
    ):
        take_in(scans, labels=table, task=SICK, patient=rule)


@pytest.mark.parametrize(
    ("header", "message"),
    [("scan,sicc", "did you mean 'sicc'"), ("scan,xyz", "its columns are scan, xyz")],
)
def test_missing_column_is_a_config_error(
    tmp_path: Path, header: str, message: str
) -> None:
    table = a_table(tmp_path / "t.csv", header, "a,1")

    with pytest.raises(ConfigError, match=f"no column 'sick'; .*{message}"):
        take_in(images(tmp_path, "a"), labels=table, task=SICK)


def test_missing_table_is_a_config_error(tmp_path: Path) -> None:
    table = LabelsSpec(table=tmp_path / "nowhere.csv")

    with pytest.raises(ConfigError, match="does not exist or is no file"):
        take_in(images(tmp_path, "a"), labels=table, task=SICK)


@pytest.mark.parametrize(
    "content", [b"", b"scan,sick\na,1\nb,1,2,3\n", b"\xff\xfe,", b"scan,a,a\n"]
)
def test_table_that_is_no_csv_is_a_config_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    table = LabelsSpec(table=tmp_path / "t.csv")

    with pytest.raises(ConfigError, match="no readable CSV table"):
        take_in(images(tmp_path, "a"), labels=table, task=SICK)


def test_short_row_lacks_its_last_cells(tmp_path: Path) -> None:
    table = a_table(tmp_path / "t.csv", "scan,sick,note", "", "a,1")

    assert labels_of(take_in(images(tmp_path, "a"), labels=table, task=SICK)) == {
        "a": 1
    }


def test_table_in_the_scan_folder_is_no_scan(tmp_path: Path) -> None:
    scans = images(tmp_path, "a")
    table = a_table(scans / "labels.csv", "scan,sick", "a,1")

    intake = take_in(scans, labels=table, task=SICK)

    assert {str(row.disposition) for row in intake.files} == {"used", "table"}
    assert intake.quarantine == ()


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), ("1.0", 1), ("2.50", 2.5), ("x", "x"), ("X", None), ("", None)],
)
def test_cell_means_the_class_of_its_value(text: str, value: object) -> None:
    classify = ClassifySpec(column="c", classes={"a": 1, "b": 2.5, "c": "x"})

    assert class_value(text, classify) == value


@pytest.mark.parametrize(
    ("text", "value"), [("TRUE", True), ("no", False), ("0", False), ("maybe", None)]
)
def test_cell_may_be_a_truth_value(text: str, value: object) -> None:
    classify = ClassifySpec(column="c", classes={"ill": True, "well": False})

    assert class_value(text, classify) is value


def test_shape_hides_letters_and_digits() -> None:
    assert shape_of("Müller_07") == "AAAAAA_99"


def test_permutation_keeps_one_label_per_patient_and_is_repeatable() -> None:
    n_scans = {f"p{n:02d}": 1 + n % 3 for n in range(20)}
    patients = {
        ScanId(f"{p}-{k}"): PatientId(p) for p, n in n_scans.items() for k in range(n)
    }
    labels = {s: {"sick": int(p[1:]) % 2} for s, p in patients.items()}

    exchanged = permuted(labels, patients, 7)

    given = {
        p: {exchanged[s]["sick"] for s in labels if patients[s] == p} for p in n_scans
    }
    assert all(len(values) == 1 for values in given.values())
    assert sum(values == {1} for values in given.values()) == 10
    assert exchanged == permuted(labels, patients, 7)
    assert exchanged != labels


def test_permuted_intake_says_so(tmp_path: Path) -> None:
    names = [f"{n:02d}" for n in range(12)]
    table = a_table(
        tmp_path / "t.csv", "scan,sick", *(f"{n},{int(n) % 2}" for n in names)
    )

    intake = take_in(
        images(tmp_path, *names), labels=table, task=SICK, permute_labels=3
    )

    assert intake.permuted_labels == 3
    assert sum(label == 1 for label in labels_of(intake).values()) == 6
    assert labels_of(intake) != {n: int(n) % 2 for n in names}


def test_a_patient_id_of_two_issuers_names_no_patient(tmp_path: Path) -> None:
    for n, issuer in enumerate(("X", "Y", "Z")):
        patient = "p2" if issuer == "Z" else "p1"
        series = replace(GOOD, name=issuer, study=issuer, patient=patient, seed=n)
        extra = {"IssuerOfPatientID": issuer}
        write_series(tmp_path / "scans" / issuer, replace(series, extra=extra))
    table = a_table(tmp_path / "t.csv", "scan,sick", "p1,1", "p2,0", by="patient")

    intake = take_in(tmp_path / "scans", labels=table, task=SICK, patient="dicom")

    assert labels_of(intake) == {"Z": 0}
    assert codes(intake) == {"no-label": 2}
    assert "another scan or patient" in intake.quarantine[0].detail
