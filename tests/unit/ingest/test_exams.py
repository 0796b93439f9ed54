import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.makers import Series, write_mask, write_nifti, write_series
from tests.unit.ingest.makers import (
    KEYED,
    LESION,
    SICK,
    a_table,
    codes,
    row_of,
    take_in,
)
from voxray.core.errors import DatasetError
from voxray.core.specs import ChannelRules, ExamColumn, ExamPattern, IntakeRules
from voxray.ingest import Intake

T1 = ChannelRules(description="T1")
FLAIR = ChannelRules(description="FLAIR")
TWO = IntakeRules(channels={"t1": T1, "flair": FLAIR})


def a_series(name: str, patient: str = "p1", **changes: Any) -> Series:
    """A series called `name` of the patient's only study."""
    extra = {"SeriesDescription": name} | changes.pop("extra", {})
    plain = Series(name=name, patient=patient, study=f"study of {patient}", extra=extra)
    seed = sum(map(ord, f"{name}{patient}"))
    return replace(plain, **({"seed": seed} | changes))


def write_study(folder: Path, *series: Series) -> None:
    for one in series:
        write_series(folder / one.patient / one.name, one)


def a_study(folder: Path, patient: str = "p1", **flair: Any) -> None:
    write_study(folder, a_series("T1", patient), a_series("FLAIR", patient, **flair))


def channels(intake: Intake) -> dict[str, str]:
    """Channel of each accepted series, by its folder."""
    return {record.path.as_posix(): record.channel for record in intake.records}


def test_scans_of_a_study_fill_their_channels_and_are_one_exam(tmp_path):
    a_study(tmp_path, "p1")
    a_study(tmp_path, "p2")

    intake = take_in(tmp_path, rules=TWO, patient="dicom")

    assert channels(intake) == {
        "p1/T1": "t1",
        "p1/FLAIR": "flair",
        "p2/T1": "t1",
        "p2/FLAIR": "flair",
    }
    assert len({record.exam_id for record in intake.records}) == 2
    assert len({record.patient_id for record in intake.records}) == 2


def test_an_exam_has_its_own_keyed_id_that_says_nothing(tmp_path):
    a_study(tmp_path)

    intake = take_in(tmp_path, KEYED, rules=TWO)

    (exam_id,) = {record.exam_id for record in intake.records}
    assert exam_id.startswith("x-")
    assert exam_id not in {str(record.scan_id) for record in intake.records}


def test_an_exam_without_a_required_channel_is_refused_whole(tmp_path):
    a_study(tmp_path, "p1")
    write_study(tmp_path, a_series("T1", "p2"))

    intake = take_in(tmp_path, rules=TWO)

    assert set(channels(intake)) == {"p1/T1", "p1/FLAIR"}
    detail = row_of(intake, "channel-missing").detail
    assert detail == "no flair: none of 1 scans passes its rules; the exam has t1"


def test_a_broken_series_takes_its_exam_along_and_is_named(tmp_path):
    a_study(tmp_path)
    (tmp_path / "p1" / "FLAIR").joinpath("2.dcm")
    sorted((tmp_path / "p1" / "FLAIR").iterdir())[2].unlink()  # a gap

    intake = take_in(tmp_path, rules=TWO)

    assert codes(intake) == {"missing-slice": 1, "channel-missing": 1}
    detail = row_of(intake, "channel-missing").detail
    assert "scans that pass its rules are refused (missing-slice 1)" in detail


def test_an_optional_channel_that_is_missing_is_a_finding(tmp_path):
    write_study(tmp_path, a_series("T1"))
    optional = FLAIR.model_copy(update={"required": False})
    rules = IntakeRules(channels={"t1": T1, "flair": optional})

    intake = take_in(tmp_path, rules=rules)

    (record,) = intake.records
    assert "channel-missing" in {finding.code for finding in record.findings}


def test_what_was_not_chosen_is_listed_with_the_reason(tmp_path):
    thin, thick = {"SliceThickness": "1"}, {"SliceThickness": "4"}
    write_study(
        tmp_path,
        a_series("T1", extra=thin),
        a_series("T1thick", extra=thick),
        a_series("FLAIR"),
        a_series("T2"),
    )

    intake = take_in(tmp_path, rules=TWO)

    reasons = {row.path.name: row.detail for row in intake.quarantine}
    assert "was taken by thinnest: 1 mm, here 4 mm" in reasons["T1thick"]
    assert reasons["T2"] == (
        "t1: the series description does not match 'T1'; "
        "flair: the series description does not match 'FLAIR'"
    )


def test_only_takes_none_of_several(tmp_path):
    write_study(tmp_path, a_series("T1"), a_series("T1b"))
    only = T1.model_copy(update={"choose": "only"})

    intake = take_in(tmp_path, rules=IntakeRules(channels={"t1": only}))

    assert intake.records == ()
    assert codes(intake) == {"not-selected": 2}
    assert "2 scans pass, and choose is 'only'" in intake.quarantine[0].detail


def test_one_scan_fills_one_channel_and_the_narrower_rule_goes_first(tmp_path):
    a_study(tmp_path)
    rules = IntakeRules(channels={"any": ChannelRules(), "t1": T1})

    intake = take_in(tmp_path, rules=rules)

    assert channels(intake) == {"p1/T1": "t1", "p1/FLAIR": "any"}


def test_scans_of_two_frames_of_reference_are_refused(tmp_path):
    a_study(tmp_path, extra={"FrameOfReferenceUID": "1.2.3"})

    intake = take_in(tmp_path, rules=TWO)

    assert codes(intake) == {"channels-unaligned": 2}
    detail = intake.quarantine[0].detail
    assert detail == "flair and t1 name 2 frames of reference"


def test_scans_that_hardly_overlap_are_refused(tmp_path):
    a_study(tmp_path, origin_lps_mm=(4.0, 0.0, 0.0))

    intake = take_in(tmp_path, rules=TWO)

    assert codes(intake) == {"channels-unaligned": 2}
    assert "flair covers 31% of the field of view of t1" in intake.quarantine[0].detail


def test_scans_of_two_patients_in_one_exam_are_refused(tmp_path):
    a_study(tmp_path)
    other = a_series("FLAIR", "p2", study="study of p1")
    shutil.rmtree(tmp_path / "p1" / "FLAIR")
    write_study(tmp_path, other)

    intake = take_in(tmp_path, rules=TWO, patient="dicom")

    assert codes(intake) == {"mixed-patients": 2}


def two_files(folder: Path, name: str) -> None:
    for channel in ("t1", "flair"):
        seed = sum(map(ord, f"{folder.name}{name}{channel}"))
        write_nifti(folder / name / f"{name}_{channel}.nii.gz", seed=seed)


PATHS = {
    "t1": ChannelRules(path="*_t1.nii.gz"),
    "flair": ChannelRules(path="*_flair.nii.gz"),
}


@pytest.mark.parametrize("rule", ["study", "folder", ExamPattern(pattern=r"(case\d)_")])
def test_files_of_a_folder_or_of_one_name_are_an_exam(tmp_path, rule):
    two_files(tmp_path, "case1")
    two_files(tmp_path, "case2")

    intake = take_in(tmp_path, rules=IntakeRules(channels=PATHS, exam=rule))

    exams = sorted({record.exam_id for record in intake.records})
    assert len(intake.records) == 4
    assert exams == ["case1", "case2"]


def test_a_file_whose_path_fits_no_exam_is_not_selected(tmp_path):
    two_files(tmp_path, "case1")
    write_nifti(tmp_path / "other_t1.nii.gz", seed=5)
    rules = IntakeRules(channels=PATHS, exam=ExamPattern(pattern=r"(case\d)_"))

    intake = take_in(tmp_path, rules=rules)

    assert row_of(intake, "not-selected").detail == (
        "in no exam: the path does not match the pattern of data.exam"
    )


def test_a_column_may_name_the_exam(tmp_path):
    two_files(tmp_path, "case1")
    write_nifti(tmp_path / "stray_t1.nii.gz", seed=5)
    table = a_table(
        tmp_path / "labels.csv",
        "scan,exam",
        "case1/case1_t1,E1",
        "case1/case1_flair,E1",
    )
    rules = IntakeRules(channels=PATHS, exam=ExamColumn(column="exam"))

    intake = take_in(tmp_path, rules=rules, labels=table)

    assert {record.exam_id for record in intake.records} == {"E1"}
    assert "no value in 'exam'" in row_of(intake, "not-selected").detail


def test_files_that_nothing_tells_apart_fill_no_channel(tmp_path):
    write_nifti(tmp_path / "c" / "a.nii.gz")
    rules = IntakeRules(channels={"t1": T1, "flair": FLAIR})

    intake = take_in(tmp_path, rules=rules)

    assert (
        "it passes the rules of t1 and flair" in row_of(intake, "not-selected").detail
    )


def test_volumes_of_a_file_may_be_channels(tmp_path):
    voxels = np.random.default_rng(0).normal(size=(6, 5, 4, 2)).astype(np.float32)
    write_nifti(tmp_path / "a.nii.gz", voxels)
    rules = IntakeRules(
        channels={"first": ChannelRules(volume=0), "second": ChannelRules(volume=1)}
    )

    intake = take_in(tmp_path, rules=rules)

    assert [record.channel for record in intake.records] == ["first", "second"]
    assert len({record.exam_id for record in intake.records}) == 1


def test_two_exams_of_one_readable_id_are_an_error(tmp_path):
    two_files(tmp_path / "a b", "case1")
    two_files(tmp_path / "a_b", "case1")
    rules = IntakeRules(channels=PATHS, exam="folder")

    with pytest.raises(DatasetError, match="2 exams get 1 readable ids"):
        take_in(tmp_path, rules=rules)


def test_a_label_of_one_scan_is_the_label_of_the_exam(tmp_path):
    two_files(tmp_path, "case1")
    table = a_table(tmp_path / "labels.csv", "scan,sick", "case1/case1_t1,1")
    rules = IntakeRules(channels=PATHS)

    intake = take_in(tmp_path, rules=rules, labels=table, task=SICK)

    assert [record.labels["sick"] for record in intake.records] == [1, 1]


def test_different_labels_in_one_exam_are_a_conflict(tmp_path):
    two_files(tmp_path, "case1")
    rows = ("scan,sick", "case1/case1_t1,1", "case1/case1_flair,0")
    table = a_table(tmp_path / "labels.csv", *rows)

    intake = take_in(
        tmp_path, rules=IntakeRules(channels=PATHS), labels=table, task=SICK
    )

    assert codes(intake) == {"label-conflict": 2}


def test_a_mask_of_any_scan_belongs_to_the_first_channel(tmp_path):
    two_files(tmp_path / "scans", "case1")
    write_mask(tmp_path / "masks" / "case1" / "case1_flair.nii.gz")

    intake = take_in(
        tmp_path / "scans",
        rules=IntakeRules(channels=PATHS),
        masks=tmp_path / "masks",
        task=LESION,
    )

    masks = {record.channel: record.mask_path for record in intake.records}
    assert masks["flair"] is None
    assert str(masks["t1"]) == "case1/case1_flair.nii.gz"


def test_a_second_mask_of_an_exam_is_not_used_and_says_so(tmp_path):
    two_files(tmp_path / "scans", "case1")
    for name in ("t1", "flair"):
        write_mask(tmp_path / "masks" / "case1" / f"case1_{name}.nii.gz")

    intake = take_in(
        tmp_path / "scans",
        rules=IntakeRules(channels=PATHS),
        masks=tmp_path / "masks",
        task=LESION,
    )

    left = row_of(intake, "mask-ambiguous")
    assert left.path.name == "case1_flair.nii.gz"
    assert left.detail == "a mask of flair; its exam has one of an earlier channel"
    assert len(intake.records) == 2


def test_of_two_equal_exams_one_stays_whole_whatever_the_order_of_paths(tmp_path):
    for path, name, patient in (
        ("1", "T1", "p1"),
        ("2", "T1", "p2"),
        ("3", "FLAIR", "p2"),
        ("4", "FLAIR", "p1"),
    ):
        write_series(tmp_path / path, a_series(name, patient, seed=len(name)))

    intake = take_in(tmp_path, rules=TWO, patient="dicom")

    assert channels(intake) == {"1": "t1", "4": "flair"}
    assert codes(intake) == {"copy-of": 2}
    assert intake.linked_patients == (("p1", "p2"),)


def test_when_scoring_an_exam_has_one_patient_also_if_a_scan_names_none(tmp_path):
    flair = a_series("FLAIR", extra={"PatientID": ""})
    write_study(tmp_path, a_series("T1"), flair)

    intake = take_in(tmp_path, rules=TWO, patient="dicom", patient_required=False)

    assert [record.patient_id for record in intake.records] == ["p1", "p1"]
