import csv
import json
import stat
from pathlib import Path

import pyarrow.parquet as pq

from tests.makers import Series, write_nifti, write_series
from tests.unit.ingest.makers import KEYED, SICK, a_table, take_in
from voxray.ingest import Intake, write_intake

GOOD = Series(patient="Secret-77", extra={"ImagesInAcquisition": 5})


def an_intake(folder: Path) -> Intake:
    scans = folder / "scans"
    for n, name in enumerate("ab"):
        write_nifti(scans / f"{name}.nii.gz", seed=n)
    write_series(scans / "Jane", GOOD)
    (scans / "notes.txt").write_text("text")
    table = a_table(folder / "t.csv", "scan,sick", "a,1", "Jane,0", "gone,1")
    return take_in(scans, KEYED, labels=table, task=SICK, permute_labels=4)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_files_are_written_into_a_private_folder(tmp_path: Path) -> None:
    write_intake(an_intake(tmp_path), tmp_path / "out")

    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "files.parquet",
        "linkage.csv",
        "near_copies.csv",
        "quarantine.csv",
        "slices.parquet",
        "summary.json",
    ]
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700


def test_equal_intakes_give_equal_bytes(tmp_path: Path) -> None:
    intake = an_intake(tmp_path)
    for name in ("one", "two"):
        write_intake(intake, tmp_path / name)

    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_files_table_has_one_row_per_file(tmp_path: Path) -> None:
    intake = an_intake(tmp_path)
    write_intake(intake, tmp_path / "out")

    table = pq.read_table(tmp_path / "out" / "files.parquet").to_pylist()

    assert len(table) == 8
    assert table[0]["path"] == "Jane/series1_000.dcm"
    assert table[0]["slice_index"] == 0
    assert table[-1] | {"mtime_ns": 0} == {
        "path": "notes.txt",
        "kind": "other",
        "size_bytes": 4,
        "mtime_ns": 0,
        "disposition": "quarantined",
        "scan_id": None,
        "slice_index": None,
        "code": "not-an-image",
    }


def test_quarantine_and_linkage_are_tables_in_order(tmp_path: Path) -> None:
    write_intake(an_intake(tmp_path), tmp_path / "out")

    quarantine = rows(tmp_path / "out" / "quarantine.csv")
    linkage = rows(tmp_path / "out" / "linkage.csv")

    assert list(quarantine[0]) == ["path", "series", "scan_id", "code", "detail"]
    assert [row["code"] for row in quarantine] == ["no-label", "not-an-image"]
    assert [row["path"] for row in linkage] == ["Jane", "a.nii.gz", "b.nii.gz"]
    assert linkage[0]["source_patient"] == "Secret-77"


def test_summary_counts_without_identity(tmp_path: Path) -> None:
    write_intake(an_intake(tmp_path), tmp_path / "out")

    text = (tmp_path / "out" / "summary.json").read_text()
    summary = json.loads(text)

    assert summary["n_scans"] == summary["n_patients"] == 2
    assert summary["files"] == {"quarantined": 2, "used": 6}
    assert summary["codes"] == {"no-label": 1, "not-an-image": 1}
    assert summary["labels"] == {"sick": {"0": 1, "1": 1}}
    assert summary["label_rows_without_scan"]["n"] == 1
    assert summary["permuted_labels"] == 4
    assert len(summary["notes"]) == 2
    assert "Jane" not in text
    assert "Secret" not in text


def test_slices_table_has_one_row_per_slice_that_is_used(tmp_path: Path) -> None:
    write_intake(an_intake(tmp_path), tmp_path / "out")

    table = pq.read_table(tmp_path / "out" / "slices.parquet").to_pylist()

    assert table[0] | {"scan_id": ""} == {
        "scan_id": "",
        "format": "dicom",
        "slice_index": 0,
        "path": "Jane/series1_000.dcm",
        "frame": None,
        "volume": 0,
        "repairs": "",
    }
    assert [row["slice_index"] for row in table[:5]] == list(range(5))
