from dataclasses import replace
from pathlib import Path

import pytest

from tests.makers import Series, write_nifti, write_series
from tests.unit.ingest.makers import KEYED, a_table, codes, row_of, take_in
from voxray.core.errors import DatasetError
from voxray.core.specs.data import PatientColumn, PatientPattern
from voxray.ingest import Intake
from voxray.ingest.label_table import LabelRow
from voxray.ingest.patients import Person

GOOD = Series(extra={"ImagesInAcquisition": 5})


def series(folder: Path, *patients: str, study: str | None = None) -> Path:
    for n, patient in enumerate(patients):
        one = replace(
            GOOD, name=f"series{n}", patient=patient, study=study or f"st{n}", seed=n
        )
        write_series(folder / f"s{n}", one)
    return folder


def patients_of(intake: Intake) -> list[str]:
    return [record.patient_id for record in intake.records]


def test_patient_is_the_patient_id(tmp_path: Path) -> None:
    series(tmp_path, "anna", "bob", "anna")

    assert patients_of(take_in(tmp_path, patient="dicom")) == ["anna", "bob", "anna"]


def test_one_number_of_two_issuers_is_two_patients(tmp_path: Path) -> None:
    for seed, issuer in enumerate(("north", "south")):
        one = replace(
            GOOD,
            name=issuer,
            study=issuer,
            seed=seed,
            extra=GOOD.extra | {"IssuerOfPatientID": issuer},
        )
        write_series(tmp_path / issuer, one)

    keyed = take_in(tmp_path, KEYED, patient="dicom")
    readable = take_in(tmp_path, patient="dicom")

    assert len(set(patients_of(keyed))) == 2
    assert patients_of(readable) == ["north_patient1", "south_patient1"]


@pytest.mark.parametrize("patient", ["", " "])
def test_blank_patient_everywhere_is_an_error_with_the_remedy(
    tmp_path: Path, patient: str
) -> None:
    series(tmp_path, patient, patient)

    with pytest.raises(
        DatasetError, match=r"none of 2 scans has a PatientID.*each_file"
    ):
        take_in(tmp_path, patient="dicom")


def test_images_have_no_patient_id(tmp_path: Path) -> None:
    write_nifti(tmp_path / "a.nii.gz")

    with pytest.raises(DatasetError, match=r"none of 1 scans has a PatientID"):
        take_in(tmp_path, patient="dicom")


def test_one_patient_id_in_several_studies_is_an_error(tmp_path: Path) -> None:
    series(tmp_path, "anonymous", "anonymous")

    with pytest.raises(DatasetError, match="same in all 2 studies") as caught:
        take_in(tmp_path, patient="dicom")
    assert "anonymous" not in str(caught.value)


def test_series_of_one_study_may_have_one_patient(tmp_path: Path) -> None:
    series(tmp_path, "anna", "anna", study="study")

    assert patients_of(take_in(tmp_path, patient="dicom")) == ["anna", "anna"]


def test_few_scans_without_patient_are_quarantined(tmp_path: Path) -> None:
    series(tmp_path, "anna", "", "bob")

    intake = take_in(tmp_path, patient="dicom")

    assert row_of(intake, "no-patient").detail == "the scan has no PatientID"
    assert patients_of(intake) == ["anna", "bob"]


def test_each_file_is_its_own_patient(tmp_path: Path) -> None:
    write_nifti(tmp_path / "p" / "a.nii.gz")
    series(tmp_path, "anna")

    first, second = patients_of(take_in(tmp_path))

    assert first == "p__a"
    assert second.startswith("s0_2.25.")


def test_patient_stands_in_the_path(tmp_path: Path) -> None:
    for n, name in enumerate(("sub-1_a", "sub-1_b", "other")):
        write_nifti(tmp_path / f"{name}.nii.gz", seed=n)

    intake = take_in(tmp_path, patient=PatientPattern(pattern=r"(sub-\d)"))

    assert patients_of(intake) == ["sub-1", "sub-1"]
    assert "no path that matches" in row_of(intake, "no-patient").detail


def test_patient_stands_in_a_column(tmp_path: Path) -> None:
    for n, name in enumerate("abc"):
        write_nifti(tmp_path / "scans" / f"{name}.nii.gz", seed=n)
    table = a_table(tmp_path / "t.csv", "scan,who", "a,anna", "b,anna", "c,")
    rule = PatientColumn(column="who")

    intake = take_in(tmp_path / "scans", labels=table, patient=rule)

    assert patients_of(intake) == ["anna", "anna"]
    assert codes(intake) == {"no-patient": 1}


def test_column_without_a_table_names_nobody(tmp_path: Path) -> None:
    write_nifti(tmp_path / "a.nii.gz")

    with pytest.raises(DatasetError, match="a value in column 'who'"):
        take_in(tmp_path, patient=PatientColumn(column="who"))


def test_column_and_patient_id_of_one_text_are_one_patient(tmp_path: Path) -> None:
    series(tmp_path / "scans", "anna", "bob")
    table = a_table(tmp_path / "t.csv", "scan,who", "s0,anna", "s1,bob")

    by_header = take_in(tmp_path / "scans", KEYED, patient="dicom")
    by_column = take_in(
        tmp_path / "scans", KEYED, labels=table, patient=PatientColumn(column="who")
    )

    assert patients_of(by_header) == patients_of(by_column)


def test_scan_to_be_scored_may_lack_a_patient(tmp_path: Path) -> None:
    for n, name in enumerate("ab"):
        write_nifti(tmp_path / f"{name}.nii.gz", seed=n)
    series(tmp_path, "anna")

    intake = take_in(tmp_path, patient="dicom", patient_required=False)

    assert patients_of(intake) == ["a", "b", "anna"]


def test_folder_without_good_scan_has_no_patients_to_check(tmp_path: Path) -> None:
    write_series(tmp_path / "s", GOOD)[2].unlink()

    assert codes(take_in(tmp_path, patient="dicom")) == {"missing-slice": 1}


def test_a_number_with_and_without_issuer_may_be_one_person_who_never_parts(
    tmp_path: Path,
) -> None:
    for seed, issuer in enumerate((None, "north", "south")):
        patient = "other" if issuer == "south" else "patient1"
        one = replace(GOOD, name=f"s{seed}", patient=patient, study=f"st{seed}")
        extra = GOOD.extra | {"IssuerOfPatientID": issuer}
        write_series(tmp_path / one.name, replace(one, seed=seed, extra=extra))

    intake = take_in(tmp_path, patient="dicom")

    assert patients_of(intake) == ["patient1", "north_patient1", "south_other"]
    assert intake.linked_patients == (("patient1", "north_patient1"),)


def test_no_record_shows_who_it_is_about(tmp_path: Path) -> None:
    series(tmp_path / "SECRET", "SECRET")

    intake = take_in(tmp_path, KEYED, patient="dicom")

    assert "SECRET" not in repr((Person("SECRET", "SECRET"), intake.linkage))
    assert "SECRET" not in repr(LabelRow("SECRET", {"who": "SECRET"}))
