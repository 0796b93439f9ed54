from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.makers import Series, write_nifti, write_series
from tests.unit.ingest.makers import (
    SICK,
    a_table,
    codes,
    row_of,
    take_in,
)
from voxray.core.errors import DatasetError
from voxray.core.specs.data import PatientColumn
from voxray.ingest import Intake

WHO = PatientColumn(column="who")


def two_equal_images(folder: Path, *rows: str, **options: Any) -> Intake:
    """Images a and b with the same pixels, and c with others."""
    for name in "abc":
        write_nifti(folder / "scans" / f"{name}.nii.gz", seed=int(name == "c"))
    table = a_table(folder / "t.csv", "scan,who,sick", *rows, "c,cleo,1")
    plain = {"labels": table, "patient": WHO, "task": SICK}
    return take_in(folder / "scans", **(plain | options))


def test_copy_within_a_patient_is_left_out(tmp_path: Path) -> None:
    intake = two_equal_images(tmp_path, "a,anna,1", "b,anna,1")

    assert [record.scan_id for record in intake.records] == ["a", "c"]
    assert "the same pixels as scan a of the same patient" in (
        row_of(intake, "copy-of").detail
    )
    assert intake.linked_patients == ()


def test_copy_under_another_patient_links_both(tmp_path: Path) -> None:
    intake = two_equal_images(tmp_path, "a,bob,1", "b,anna,1")

    assert [record.scan_id for record in intake.records] == ["a", "c"]
    assert row_of(intake, "copy-of").detail.endswith("scan a of patient bob")
    assert intake.linked_patients == (("bob", "anna"),)


def test_copies_with_different_labels_are_both_left_out(tmp_path: Path) -> None:
    intake = two_equal_images(tmp_path, "a,anna,1", "b,bob,0")

    assert codes(intake) == {"copy-conflict": 2}
    assert [record.scan_id for record in intake.records] == ["c"]


def test_copies_under_two_patients_can_be_quarantined(tmp_path: Path) -> None:
    intake = two_equal_images(tmp_path, "a,anna,1", "b,bob,1", duplicates="quarantine")

    assert codes(intake) == {"copy-of": 2}


def test_copies_under_two_patients_can_stop_the_stage(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="one image stands under 2 patients"):
        two_equal_images(tmp_path, "a,anna,1", "b,bob,1", duplicates="fail")


def test_copies_to_be_scored_are_kept(tmp_path: Path) -> None:
    intake = two_equal_images(tmp_path, "a,anna,1", "b,bob,1", duplicates="keep")

    assert len(intake.records) == 3


def test_series_and_image_of_the_same_voxels_are_copies(tmp_path: Path) -> None:
    series = Series(extra={"ImagesInAcquisition": 5})
    write_series(tmp_path / "s", series)
    voxels = series.stored().transpose(2, 1, 0)
    write_nifti(tmp_path / "t.nii.gz", voxels, np.diag([-1.0, -1.0, 2.0, 1.0]))

    assert codes(take_in(tmp_path)) == {"copy-of": 1}
