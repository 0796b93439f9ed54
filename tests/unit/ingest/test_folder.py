"""Whole folders in, with the dirt that real folders have."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.makers import (
    Series,
    a_slice,
    save_dicom,
    truncate,
    write_mask,
    write_nifti,
    write_series,
)
from tests.unit.ingest.makers import (
    KEYED,
    LESION,
    RULES,
    codes,
    row_of,
    take_in,
)
from voxray.core.errors import ConfigError
from voxray.core.findings import Action, FindingCode
from voxray.core.progress import Progress
from voxray.core.records import FileFormat, ScanState
from voxray.core.specs import ChannelRules, IntakeRules
from voxray.ingest import Intake, IntakeOptions, ingest_folder

GOOD = Series(extra={"ImagesInAcquisition": 5, "AcquisitionNumber": 1})
OTHER = replace(GOOD, name="series2", seed=2)


def dispositions(intake: Intake) -> dict[str, str]:
    return {row.path.name: str(row.disposition) for row in intake.files}


def test_series_and_image_become_records_in_order_of_path(tmp_path: Path) -> None:
    write_series(tmp_path / "p2" / "t1", GOOD)
    write_nifti(tmp_path / "p1" / "brain.nii.gz")

    intake = take_in(tmp_path)

    assert [r.scan_id for r in intake.records] == ["p1__brain", "p2__t1"]
    assert [r.modality for r in intake.records] == ["", "MR"]
    assert intake.records[1].path.as_posix() == "p2/t1"
    assert intake.records[1].grid.shape == (6, 8, 5)
    assert intake.quarantine == ()


def test_slices_are_given_in_the_order_of_the_normal(tmp_path: Path) -> None:
    for k in range(5):
        save_dicom(a_slice(GOOD, k), tmp_path / "t1" / f"{9 - k}.dcm")

    intake = take_in(tmp_path)

    (source,) = intake.sources.values()
    assert [path.name for path in source.files] == [f"{9 - k}.dcm" for k in range(5)]
    assert source.format is FileFormat.DICOM
    index = {row.path.name: row.slice_index for row in intake.files}
    assert index == {f"{9 - k}.dcm": k for k in range(5)}


def test_every_file_is_accounted_for_once(tmp_path: Path) -> None:
    write_series(tmp_path / "t1", GOOD)
    for name in (".DS_Store", "DICOMDIR", "notes.txt", "empty.dcm"):
        (tmp_path / name).write_bytes(b"" if name == "empty.dcm" else b"text")

    intake = take_in(tmp_path)

    assert len(intake.files) == len({row.path for row in intake.files}) == 9
    assert codes(intake) == {"not-an-image": 4}
    assert {row.disposition for row in intake.files if row.code} == {"quarantined"}
    assert "named like one" in intake.quarantine[2].detail


def test_missing_slice_does_not_spoil_the_other_series_in_the_folder(
    tmp_path: Path,
) -> None:
    write_series(tmp_path / "study", GOOD)[2].unlink()
    write_series(tmp_path / "study", replace(OTHER, extra={"SeriesNumber": 2}))

    intake = take_in(tmp_path)

    row = row_of(intake, "missing-slice")
    assert (row.path.as_posix(), row.scan_id) == ("study", "study_s1")
    assert "from 2 mm to 4 mm after slice 2" in row.detail
    assert [record.scan_id for record in intake.records] == ["study_s2"]


def test_two_series_of_one_number_in_one_folder_are_counted(tmp_path: Path) -> None:
    write_series(tmp_path / "study", GOOD)
    write_series(tmp_path / "study", OTHER)

    scan_ids = {record.scan_id for record in take_in(tmp_path).records}

    assert scan_ids == {"study_s1_1", "study_s1_2"}


def test_truncated_file_refuses_its_series_and_is_listed(tmp_path: Path) -> None:
    files = write_series(tmp_path / "t1", GOOD)
    truncate(files[3], 0.9)

    intake = take_in(tmp_path)

    assert [row.path.name for row in intake.quarantine] == ["t1", files[3].name]
    assert codes(intake) == {"truncated-file": 2}
    assert len({row.scan_id for row in intake.quarantine}) == 1
    assert dispositions(intake) == {path.name: "quarantined" for path in files}


def test_file_cut_within_its_header_is_listed_alone(tmp_path: Path) -> None:
    files = write_series(tmp_path / "t1", GOOD)
    truncate(files[0], 200)

    intake = take_in(tmp_path)

    assert row_of(intake, "unreadable-file").path.name == files[0].name
    assert "4 slices, but the header states 5" in row_of(intake, "missing-slice").detail


def test_copy_of_a_slice_is_repaired(tmp_path: Path) -> None:
    write_series(tmp_path / "t1", GOOD)
    copy = a_slice(GOOD, 2)
    copy.SOPInstanceUID = "1.2.3.4.5"
    save_dicom(copy, tmp_path / "t1" / "x.dcm")

    intake = take_in(tmp_path)

    (record,) = intake.records
    assert record.state is ScanState.REPAIRED
    assert [finding.code for finding in record.findings] == ["duplicate-slice"]
    assert dispositions(intake)["x.dcm"] == "duplicate"


def test_policy_can_refuse_what_is_repaired_by_default(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "t1", GOOD)
    (tmp_path / "t1" / "copy").write_bytes(paths[0].read_bytes())
    policy = {FindingCode.DUPLICATE_SLICE: Action.REFUSE}

    intake = take_in(
        tmp_path, rules=IntakeRules(channels=RULES.channels, policy=policy)
    )

    assert codes(intake) == {"duplicate-slice": 1}


def test_other_pixels_at_one_position_conflict(tmp_path: Path) -> None:
    write_series(tmp_path / "t1", GOOD)
    save_dicom(a_slice(replace(GOOD, seed=7), 2), tmp_path / "t1" / "x.dcm")

    assert codes(take_in(tmp_path)) == {"conflicting-slices": 1}


def test_slices_that_cannot_be_compared_are_undecodable(tmp_path: Path) -> None:
    write_series(tmp_path / "t1", GOOD)
    broken = a_slice(GOOD, 2)
    broken.BitsAllocated = 12
    save_dicom(broken, tmp_path / "t1" / "x.dcm")

    assert codes(take_in(tmp_path)) == {"undecodable-pixels": 1}


def test_series_in_several_folders_is_one_scan(tmp_path: Path) -> None:
    for k, path in enumerate(write_series(tmp_path / "study" / "a", GOOD)):
        if k > 2:
            (tmp_path / "study" / "b").mkdir(exist_ok=True)
            path.rename(tmp_path / "study" / "b" / path.name)

    (record,) = take_in(tmp_path).records

    assert record.path.as_posix() == "study"
    assert record.grid.shape[2] == 5


def test_series_at_the_root_has_a_name(tmp_path: Path) -> None:
    write_series(tmp_path, GOOD)

    (record,) = take_in(tmp_path).records

    assert (record.path.as_posix(), record.scan_id) == (".", "series")


def test_dicom_without_series_is_unreadable(tmp_path: Path) -> None:
    save_dicom(
        a_slice(replace(GOOD, extra={"SeriesInstanceUID": None}), 0), tmp_path / "x"
    )

    assert "no SeriesInstanceUID" in row_of(take_in(tmp_path), "unreadable-file").detail


def test_dicomdir_is_no_image(tmp_path: Path) -> None:
    write_nifti(tmp_path / "a.nii.gz")
    save_dicom(a_slice(GOOD, 0), tmp_path / "DICOMDIR")

    assert "DICOMDIR" in row_of(take_in(tmp_path), "not-an-image").detail


def test_report_beside_a_series_is_unsupported(tmp_path: Path) -> None:
    write_series(tmp_path / "study", GOOD)
    report = a_slice(replace(GOOD, name="report", modality="SR"), 0)
    report.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    for keyword in ("PixelData", "Rows", "Columns"):
        delattr(report, keyword)
    save_dicom(report, tmp_path / "study" / "report.dcm")

    intake = take_in(tmp_path)

    assert codes(intake) == {"unsupported-image": 1}
    assert len(intake.records) == 1


@pytest.mark.parametrize(
    ("rule", "detail"),
    [
        (ChannelRules(modality=("CT",)), "modality is MR, the rule asks CT"),
        (ChannelRules(description="flair"), "does not match 'flair'"),
    ],
)
def test_rules_leave_a_series_out(
    tmp_path: Path, rule: ChannelRules, detail: str
) -> None:
    write_series(tmp_path / "t1", replace(GOOD, extra={"SeriesDescription": "T1"}))
    write_nifti(tmp_path / "brain.nii.gz")

    intake = take_in(tmp_path, rules=IntakeRules(channels={"image": rule}))

    assert detail in row_of(intake, "not-selected").detail
    assert set(dispositions(intake).values()) == {"not-selected", "used"}


def test_description_is_searched_in_any_case(tmp_path: Path) -> None:
    write_series(
        tmp_path / "t1", replace(GOOD, extra={"SeriesDescription": "AX FLAIR"})
    )
    rules = IntakeRules(channels={"image": ChannelRules(description="flair")})

    assert len(take_in(tmp_path, rules=rules).records) == 1


def bad_nifti(path: Path, case: str) -> Path:
    voxels = np.arange(240, dtype=np.float32).reshape(6, 8, 5)
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    match case:
        case "not-finite":
            voxels[0, 0, 0] = np.nan
        case "constant-image":
            voxels[:] = 3
        case "not-a-volume":
            voxels = np.stack([voxels, voxels], axis=-1)[:, :, :, None]
        case "sheared-affine":
            affine[0, 1] = 0.1
        case _:
            pytest.fail(case)
    return write_nifti(path, voxels, affine)


@pytest.mark.parametrize(
    ("code", "detail"),
    [
        ("not-finite", "1 of 240 voxels are NaN or infinite"),
        ("constant-image", "every voxel is 3"),
        ("not-a-volume", "2 values beyond space and time (6 x 8 x 5 x 1 x 2)"),
        ("sheared-affine", "axes miss a right angle by 5.7 degrees"),
    ],
)
def test_bad_image_has_its_code_and_numbers(
    tmp_path: Path, code: str, detail: str
) -> None:
    bad_nifti(tmp_path / "bad.nii.gz", code)
    write_nifti(tmp_path / "good.nii.gz")

    intake = take_in(tmp_path)

    assert row_of(intake, code).detail == detail
    assert [record.scan_id for record in intake.records] == ["good"]


def test_single_voxel_is_no_volume(tmp_path: Path) -> None:
    write_nifti(tmp_path / "dot.nii", np.ones((1, 1, 1), np.int16))

    assert codes(take_in(tmp_path)) == {"not-a-volume": 1}


def test_truncated_image_is_found_when_its_voxels_are_read(tmp_path: Path) -> None:
    truncate(write_nifti(tmp_path / "cut.nii"), 500)
    write_nifti(tmp_path / "good.nii.gz")

    assert codes(take_in(tmp_path)) == {"truncated-file": 1}


def test_image_of_colours_is_unreadable(tmp_path: Path) -> None:
    colours = np.zeros((6, 8, 5), np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))
    write_nifti(tmp_path / "colour.nii", colours)

    assert codes(take_in(tmp_path)) == {"unreadable-file": 1}


def test_masks_and_table_in_the_scan_folder_are_no_scans(tmp_path: Path) -> None:
    write_nifti(tmp_path / "a.nii.gz")
    write_mask(tmp_path / "masks" / "a.nii.gz")

    intake = take_in(tmp_path, masks=tmp_path / "masks", task=LESION)

    assert [record.scan_id for record in intake.records] == ["a"]
    by_path = {row.path.as_posix(): row.disposition for row in intake.files}
    assert by_path == {"a.nii.gz": "used", "masks/a.nii.gz": "mask"}


def test_links_are_accounted_for(tmp_path: Path) -> None:
    write_nifti(tmp_path / "out" / "b.nii.gz")
    scan = write_nifti(tmp_path / "in" / "a.nii.gz")
    (tmp_path / "in" / "leaves.nii.gz").symlink_to(tmp_path / "out" / "b.nii.gz")
    (tmp_path / "in" / "stays.nii.gz").symlink_to(scan)

    intake = take_in(tmp_path / "in")

    assert codes(intake) == {"link-outside-folder": 1}
    assert dispositions(intake) == {
        "a.nii.gz": "used",
        "leaves.nii.gz": "quarantined",
        "stays.nii.gz": "duplicate",
    }


@pytest.mark.parametrize(
    ("n_files", "found"), [(0, "no file"), (2, "2 files, none of them DICOM or NIfTI")]
)
def test_folder_without_scans_is_a_config_error(
    tmp_path: Path, n_files: int, found: str
) -> None:
    for n in range(n_files):
        (tmp_path / f"{n}.txt").write_text("text")

    with pytest.raises(ConfigError, match=found):
        take_in(tmp_path)


def test_folder_of_masks_only_says_so(tmp_path: Path) -> None:
    write_mask(tmp_path / "masks" / "a.nii.gz")

    with pytest.raises(ConfigError, match=r"none .* besides 1 masks and tables"):
        take_in(tmp_path, masks=tmp_path / "masks")


def test_single_file_can_be_taken_in(tmp_path: Path) -> None:
    write_nifti(tmp_path / "other.nii.gz", seed=1)
    path = write_nifti(tmp_path / "one.nii.gz")

    (record,) = take_in(path).records

    assert record.path.as_posix() == "one.nii.gz"


def test_keyed_intake_shows_no_identity(tmp_path: Path) -> None:
    write_series(tmp_path / "Jane Doe", GOOD)

    intake = take_in(tmp_path, KEYED, patient="dicom")

    (record,) = intake.records
    assert record.scan_id.startswith("s-")
    assert record.patient_id.startswith("p-")
    assert record.study_id.startswith("e-")
    assert intake.linkage[0].source_patient == "patient1"


def test_order_and_number_of_workers_change_nothing(tmp_path: Path) -> None:
    write_series(tmp_path / "t1", GOOD)
    for n in range(3):
        write_nifti(tmp_path / f"{n}.nii.gz", seed=n)

    one, two = take_in(tmp_path), take_in(tmp_path, workers=2)

    assert [r.sha256_pixels for r in one.records] == [
        r.sha256_pixels for r in two.records
    ]
    assert one.files == two.files


def test_both_passes_report_progress(tmp_path: Path) -> None:
    write_nifti(tmp_path / "a.nii.gz")
    heard: list[Progress] = []
    options = IntakeOptions(scans=tmp_path, rules=RULES, patient="each_file")

    ingest_folder(options, KEYED, heard.append)

    assert {(event.task, event.total) for event in heard} == {
        ("reading headers", 1),
        ("reading pixels", 1),
    }
