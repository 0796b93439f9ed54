from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from tests.makers import Series, a_slice, a_uid, save_dicom, write_mask, write_nifti
from tests.makers import write_series as write_dicom
from tests.unit.ingest.makers import KEYED, LESION, codes, row_of, take_in
from voxray.core.errors import ConfigError
from voxray.core.findings import Action, FindingCode
from voxray.core.specs import ChannelRules, IntakeRules
from voxray.ingest import Intake

GOOD = Series(extra={"ImagesInAcquisition": 5})
UID = a_uid("study1", "series1")


def take_in_pairs(folder: Path, **options: Any) -> Intake:
    masks = folder / "masks"
    masks.mkdir(exist_ok=True)
    plain: dict[str, Any] = {"masks": masks, "task": LESION}
    return take_in(folder / "scans", **(plain | options))


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "a"])
def test_mask_has_the_relative_name_of_its_image(tmp_path: Path, name: str) -> None:
    write_nifti(tmp_path / "scans" / "p1" / "a.nii.gz")
    suffix = ".nii.gz" if name.endswith("gz") else ".nii"
    mask = write_mask(tmp_path / "masks" / "p1" / f"made{suffix}")
    mask.rename(mask.with_name(name))

    (record,) = take_in_pairs(tmp_path).records

    assert record.mask_path is not None
    assert record.mask_path.as_posix() == f"p1/{name}"


def test_mask_for_nnunet_has_no_number_of_a_channel(tmp_path: Path) -> None:
    for n, name in enumerate(("a_0000", "b_0000", "b_0001")):
        write_nifti(tmp_path / "scans" / f"{name}.nii.gz", seed=n)
    for name in ("a", "b"):
        write_mask(tmp_path / "masks" / f"{name}.nii.gz")

    intake = take_in_pairs(tmp_path)

    assert {str(record.mask_path) for record in intake.records} == {
        "a.nii.gz",
        "b.nii.gz",
    }
    assert codes(intake) == {"no-mask": 1}


def test_scan_with_the_very_name_of_a_mask_keeps_it(tmp_path: Path) -> None:
    for n, name in enumerate(("a", "a_0000", "b_0000")):
        write_nifti(tmp_path / "scans" / f"{name}.nii.gz", seed=n)
    for name in ("a", "b", "b_0000"):
        write_mask(tmp_path / "masks" / f"{name}.nii.gz")

    intake = take_in_pairs(tmp_path)

    assert {str(record.mask_path) for record in intake.records} == {
        "a.nii.gz",
        "b_0000.nii.gz",
    }
    assert codes(intake) == {"no-mask": 1, "mask-without-scan": 1}


@pytest.mark.parametrize("name", ["p1/t1", f"p1/t1/{UID}", UID])
def test_mask_of_a_series_is_named_by_folder_or_uid(tmp_path: Path, name: str) -> None:
    write_dicom(tmp_path / "scans" / "p1" / "t1", GOOD)
    write_mask(tmp_path / "masks" / f"{name}.nii.gz", affine=lps_affine())

    intake = take_in_pairs(tmp_path)

    assert [str(record.mask_path) for record in intake.records] == [f"{name}.nii.gz"]


def lps_affine() -> np.ndarray:
    return np.diag([-1.0, -1.0, 2.0, 1.0])


def test_folder_of_two_series_names_neither(tmp_path: Path) -> None:
    write_dicom(tmp_path / "scans" / "s", GOOD)
    write_dicom(tmp_path / "scans" / "s", replace(GOOD, name="series2", seed=2))
    write_mask(tmp_path / "masks" / "s.nii.gz", affine=lps_affine())
    write_mask(tmp_path / "masks" / "s" / f"{UID}.nii.gz", affine=lps_affine())

    intake = take_in_pairs(tmp_path)

    assert [record.mask_path is not None for record in intake.records] == [True]
    assert codes(intake) == {"no-mask": 1, "mask-without-scan": 1}
    assert "several series" in row_of(intake, "mask-without-scan").detail


def test_series_that_no_rule_wants_leaves_the_folder_name_clear(tmp_path: Path) -> None:
    write_dicom(tmp_path / "scans" / "s", GOOD)
    write_dicom(tmp_path / "scans" / "s", replace(GOOD, name="ct", modality="CT"))
    write_mask(tmp_path / "masks" / "s.nii.gz", affine=lps_affine())
    rules = IntakeRules(channels={"mr": ChannelRules(modality=("MR",))})

    intake = take_in_pairs(tmp_path, rules=rules)

    assert [record.channel for record in intake.records] == ["mr"]
    assert codes(intake) == {"not-selected": 1}


def test_what_has_no_partner_is_listed(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_nifti(tmp_path / "scans" / f"{name}.nii.gz")
    for name in ("a", "c"):
        write_mask(tmp_path / "masks" / f"{name}.nii.gz")

    intake = take_in_pairs(tmp_path)

    assert row_of(intake, "no-mask").path.as_posix() == "b.nii.gz"
    assert row_of(intake, "mask-without-scan").path.as_posix() == "c.nii.gz"


def test_mask_of_a_refused_scan_is_not_left_over(tmp_path: Path) -> None:
    for path in write_dicom(tmp_path / "scans" / "s", GOOD)[1:3]:
        path.unlink()
    (tmp_path / "scans" / "torn.nii.gz").write_bytes(b"\x1f\x8b torn")
    write_mask(tmp_path / "masks" / "s.nii.gz")
    write_mask(tmp_path / "masks" / "torn.nii.gz")

    assert codes(take_in_pairs(tmp_path)) == {"missing-slice": 1, "not-an-image": 1}


def test_mask_may_be_a_nifti_pair(tmp_path: Path) -> None:
    write_nifti(tmp_path / "scans" / "a.nii.gz")
    mask = np.ones((6, 8, 5), np.uint8)
    path = tmp_path / "masks" / "a.hdr"
    write_nifti(path, mask, kind=nib.Nifti1Pair)

    intake = take_in_pairs(tmp_path)

    assert [str(record.mask_path) for record in intake.records] == ["a.hdr"]
    assert codes(intake) == {}


def test_two_masks_of_one_name_are_ambiguous(tmp_path: Path) -> None:
    write_nifti(tmp_path / "scans" / "a.nii.gz")
    for name in ("a.nii", "a.nii.gz"):
        write_mask(tmp_path / "masks" / name)

    intake = take_in_pairs(tmp_path)

    assert codes(intake) == {"mask-ambiguous": 1}
    assert row_of(intake, "mask-ambiguous").detail == "2 masks fit it"


def test_other_files_in_the_mask_folder_are_listed(tmp_path: Path) -> None:
    write_nifti(tmp_path / "scans" / "a.nii.gz")
    write_mask(tmp_path / "masks" / "a.nii.gz")
    (tmp_path / "masks" / "README").write_text("text")
    (tmp_path / "masks" / "gone.nii").symlink_to(tmp_path / "masks" / "nothing")
    save_dicom(a_slice(GOOD, 0), tmp_path / "masks" / "seg.dcm")
    write_mask(tmp_path / "masks" / "b.nii").rename(tmp_path / "masks" / "b")

    assert codes(take_in_pairs(tmp_path)) == {
        "not-an-image": 1,
        "unreadable-file": 1,
        "mask-unreadable": 1,
        "mask-without-scan": 1,
    }


@pytest.mark.parametrize(
    ("shape", "shift_mm", "value", "code", "detail"),
    [
        (
            (6, 8, 4),
            0.0,
            1,
            "mask-geometry",
            "has 6 x 8 x 4 voxels, the scan 6 x 8 x 5",
        ),
        ((6, 8, 5), 1.0, 1, "mask-geometry", "up to 1 mm apart"),
        ((6, 8, 5), 0.0, 7, "mask-unknown-value", "values that no class has (1): 7"),
    ],
)
def test_mask_that_does_not_fit_refuses_the_scan(
    tmp_path: Path,
    shape: tuple[int, int, int],
    shift_mm: float,
    value: int,
    code: str,
    detail: str,
) -> None:
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    affine[0, 3] = shift_mm
    write_nifti(tmp_path / "scans" / "a.nii.gz")
    write_mask(tmp_path / "masks" / "a.nii.gz", shape, affine, value)

    intake = take_in_pairs(tmp_path)

    assert intake.records == ()
    assert detail in row_of(intake, code).detail


def test_any_value_is_known_without_a_task(tmp_path: Path) -> None:
    write_nifti(tmp_path / "scans" / "a.nii.gz")
    write_mask(tmp_path / "masks" / "a.nii.gz", value=7)

    assert len(take_in_pairs(tmp_path, task=None).records) == 1


@pytest.mark.parametrize("n_records", [1, 0])
def test_empty_mask_is_a_finding_that_the_policy_may_refuse(
    tmp_path: Path, n_records: int
) -> None:
    write_nifti(tmp_path / "scans" / "a.nii.gz")
    write_nifti(tmp_path / "masks" / "a.nii.gz", np.zeros((6, 8, 5), np.uint8))
    policy = {} if n_records else {FindingCode.MASK_EMPTY: Action.REFUSE}
    rules = IntakeRules(channels={"image": ChannelRules()}, policy=policy)

    intake = take_in_pairs(tmp_path, rules=rules)

    findings = [f.code.value for record in intake.records for f in record.findings]
    assert findings == ["mask-empty"] * n_records
    assert codes(intake) == ({} if n_records else {"mask-empty": 1})


def test_mask_of_fractions_is_unreadable(tmp_path: Path) -> None:
    write_nifti(tmp_path / "scans" / "a.nii.gz")
    write_nifti(tmp_path / "masks" / "a.nii.gz", np.full((6, 8, 5), 0.5, np.float32))

    assert codes(take_in_pairs(tmp_path)) == {"mask-unreadable": 1}


def test_mask_folder_that_is_the_scan_folder_is_a_config_error(tmp_path: Path) -> None:
    write_nifti(tmp_path / "a.nii.gz")

    with pytest.raises(ConfigError, match="are one folder"):
        take_in(tmp_path, masks=tmp_path)


def test_scans_inside_the_mask_folder_are_no_masks(tmp_path: Path) -> None:
    write_nifti(tmp_path / "scans" / "a.nii.gz")
    write_mask(tmp_path / "a.nii.gz")

    intake = take_in(tmp_path / "scans", KEYED, masks=tmp_path, task=LESION)

    assert codes(intake) == {}
    assert len(intake.records) == 1


def test_missing_mask_folder_is_named(tmp_path: Path) -> None:
    write_nifti(tmp_path / "a.nii.gz")

    with pytest.raises(ConfigError, match=r"data.masks: .*nowhere' does not exist"):
        take_in(tmp_path, masks=tmp_path / "nowhere")
