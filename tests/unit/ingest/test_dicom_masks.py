"""DICOM masks: which scan they are of, where they may lie, what is wrong with them."""

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from tests.frame_makers import an_enhanced, nested
from tests.makers import Series, a_slice, a_uid, save_dicom, truncate, write_mask
from tests.mask_makers import a_seg, a_structure_set, full_slices, save_mask, square
from tests.unit.ingest.makers import LESION, READABLE, codes, row_of, take_in
from voxray.core.errors import ConfigError
from voxray.core.findings import Action, FindingCode
from voxray.core.records import MaskSource
from voxray.core.specs import ChannelRules, IntakeRules, SegmentSpec, TaskSpec
from voxray.core.specs.task import SegmentClass
from voxray.ingest import Disposition, Intake
from voxray.scan_io import read_mask

GOOD = Series(extra={"ImagesInAcquisition": 5})
AFFINE = np.diag([-1.0, -1.0, 2.0, 1.0])


def write(folder: Path, series: Series = GOOD) -> list[Dataset]:
    """Write a series as one file a slice."""
    slices = full_slices(series)
    for k, dataset in enumerate(slices):
        save_dicom(dataset, folder / f"{series.name}_{k}.dcm")
    return slices


def a_lesion(slices: list[Dataset], n_slices: int = 5) -> Dataset:
    voxels = np.zeros((n_slices, 8, 6), np.uint8)
    voxels[1:3, 2:5, 1:4] = 1
    return a_seg(slices, voxels)


def a_set(slices: list[Dataset], k: float = 2.0, **options: Any) -> Dataset:
    contour = square((0.5, 0.5), (3.5, 4.5), k, AFFINE)
    return a_structure_set(slices[0], {"lesion": [contour]}, **options)


def take_in_with(folder: Path, **options: Any) -> Intake:
    """Scans in `scans`, masks in `masks`, unless told otherwise."""
    (folder / "masks").mkdir(exist_ok=True)
    plain: dict[str, Any] = {"masks": folder / "masks", "task": LESION}
    return take_in(folder / "scans", READABLE, **(plain | options))


def masks_of(intake: Intake) -> dict[str, str]:
    return {str(record.scan_id): str(record.mask_path) for record in intake.records}


def test_mask_belongs_to_the_series_that_it_refers_to(tmp_path: Path) -> None:
    one = write(tmp_path / "scans" / "a")
    other = write(tmp_path / "scans" / "b", replace(GOOD, name="series2", seed=1))
    save_mask(a_lesion(one), tmp_path / "masks" / "x" / "1")
    save_mask(a_set(other), tmp_path / "masks" / "2.dcm")

    intake = take_in_with(tmp_path)

    assert masks_of(intake) == {"a": "x/1", "b": "2.dcm"}
    assert codes(intake) == {}


@pytest.mark.parametrize("name", ["p/t1.dcm", f"{a_uid('study1', 'series1')}.dcm"])
def test_mask_that_refers_to_no_scan_is_matched_by_name(
    tmp_path: Path, name: str
) -> None:
    slices = write(tmp_path / "scans" / "p" / "t1")
    mask = a_set(slices)
    mask.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence = []
    save_mask(mask, tmp_path / "masks" / name)

    assert masks_of(take_in_with(tmp_path)) == {"p__t1": name}


def test_mask_of_a_series_that_is_not_here_is_listed(tmp_path: Path) -> None:
    write(tmp_path / "scans" / "a")
    save_mask(a_lesion(full_slices(Series(name="gone"))), tmp_path / "masks" / "m.dcm")

    intake = take_in_with(tmp_path)

    assert codes(intake) == {"no-mask": 1, "mask-without-scan": 1}
    assert "refers to no scan" in row_of(intake, "mask-without-scan").detail


def test_masks_of_two_kinds_for_one_scan_are_ambiguous(tmp_path: Path) -> None:
    slices = write(tmp_path / "scans" / "a")
    save_mask(a_lesion(slices), tmp_path / "masks" / "seg.dcm")
    save_mask(a_set(slices), tmp_path / "masks" / "set.dcm")

    intake = take_in_with(tmp_path)

    assert codes(intake) == {"mask-ambiguous": 1}
    assert row_of(intake, "mask-ambiguous").detail == "2 masks fit it"


def test_mask_by_name_beside_one_by_reference_is_ambiguous(tmp_path: Path) -> None:
    slices = write(tmp_path / "scans" / "a")
    save_mask(a_lesion(slices), tmp_path / "masks" / "seg.dcm")
    write_mask(tmp_path / "masks" / "a.nii.gz", affine=AFFINE)

    assert codes(take_in_with(tmp_path)) == {"mask-ambiguous": 1}


def two_echoes(folder: Path) -> list[list[Dataset]]:
    """One series of two volumes at the same places."""
    volumes = []
    for echo in (1, 2):
        extra = {"EchoNumbers": echo, "EchoTime": 10.0 * echo}
        slices = full_slices(Series(seed=echo, extra=extra))
        for k, dataset in enumerate(slices):
            dataset.SOPInstanceUID = a_uid("echo", echo, k)
            dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
            save_dicom(dataset, folder / f"{echo}_{k}.dcm")
        volumes.append(slices)
    return volumes


def test_mask_of_one_volume_of_a_series_is_told_by_its_images(tmp_path: Path) -> None:
    _, second = two_echoes(tmp_path / "scans" / "s")
    save_mask(a_lesion(second), tmp_path / "masks" / "m.dcm")

    intake = take_in_with(tmp_path)

    (record,) = intake.records
    details = {finding.code: finding.detail for finding in record.findings}
    assert details[FindingCode.SPLIT_SERIES].startswith("volume 2 of 2")
    assert codes(intake) == {"no-mask": 1}


def test_mask_that_names_only_a_series_of_two_volumes_is_ambiguous(
    tmp_path: Path,
) -> None:
    first, _ = two_echoes(tmp_path / "scans" / "s")
    save_mask(a_set(first), tmp_path / "masks" / "m.dcm")

    intake = take_in_with(tmp_path)

    assert codes(intake) == {"mask-ambiguous": 2}
    assert intake.quarantine[0].detail == "its mask refers to 2 volumes"


def test_images_that_a_structure_set_lists_tell_the_volume(tmp_path: Path) -> None:
    first, _ = two_echoes(tmp_path / "scans" / "s")
    save_mask(a_set(first, images=first), tmp_path / "masks" / "m.dcm")

    assert codes(take_in_with(tmp_path)) == {"no-mask": 1}


def test_frames_that_a_mask_names_tell_the_volume_of_a_file(tmp_path: Path) -> None:
    series = replace(GOOD, voxels=np.arange(480, dtype=np.int16).reshape(10, 8, 6))
    times = [
        nested("FrameContentSequence", TemporalPositionIndex=n) for n in (1, 2) * 5
    ]
    dataset = an_enhanced(series, times)
    for n, groups in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        place = groups.PlanePositionSequence[0]
        place.ImagePositionPatient = [0.0, 0.0, 2.0 * (n // 2)]
    save_dicom(dataset, tmp_path / "scans" / "1.dcm")
    mask = a_set([dataset], images=[dataset])
    (frame,) = mask.ReferencedFrameOfReferenceSequence
    (study,) = frame.RTReferencedStudySequence
    (image,) = study.RTReferencedSeriesSequence[0].ContourImageSequence
    image.ReferencedFrameNumber = [2, 4]
    save_mask(mask, tmp_path / "masks" / "m.dcm")

    intake = take_in_with(tmp_path)

    (record,) = intake.records
    assert "volume 2 of 2" in record.findings[0].detail
    assert intake.sources[record.scan_id].frames == (1, 3, 5, 7, 9)
    assert codes(intake) == {"no-mask": 1}


def test_volume_that_a_channel_chose_has_the_mask(tmp_path: Path) -> None:
    slices = write(tmp_path / "scans" / "a")
    ct = write(tmp_path / "scans" / "b", replace(GOOD, name="ct", modality="CT"))
    mask = a_lesion(slices)
    mask.ReferencedSeriesSequence.append(a_lesion(ct).ReferencedSeriesSequence[0])
    save_mask(mask, tmp_path / "masks" / "m.dcm")
    rules = IntakeRules(channels={"mr": ChannelRules(modality=("MR",))})

    intake = take_in_with(tmp_path, rules=rules)

    assert masks_of(intake) == {"a": "m.dcm"}
    assert codes(intake) == {"not-selected": 1}


def test_mask_of_a_refused_series_is_not_left_over(tmp_path: Path) -> None:
    slices = write(tmp_path / "scans" / "a")
    (tmp_path / "scans" / "a" / "series1_2.dcm").unlink()
    save_mask(a_lesion(slices), tmp_path / "masks" / "m.dcm")

    assert codes(take_in_with(tmp_path)) == {"missing-slice": 1}


def test_mask_in_another_frame_of_reference_is_refused(tmp_path: Path) -> None:
    slices = write(tmp_path / "scans" / "a")
    mask = a_lesion(slices)
    mask.FrameOfReferenceUID = "1.2.3"
    save_mask(mask, tmp_path / "masks" / "m.dcm")

    intake = take_in_with(tmp_path)

    assert codes(intake) == {"mask-geometry": 1}
    assert "frames of reference" in row_of(intake, "mask-geometry").detail


@pytest.mark.parametrize("inside", [".", "masks"], ids=["beside", "in a folder"])
def test_masks_may_lie_among_the_scans(tmp_path: Path, inside: str) -> None:
    slices = write(tmp_path / "scans" / "a")
    save_mask(a_lesion(slices), tmp_path / "scans" / inside / "m.dcm")

    intake = take_in_with(tmp_path, masks=tmp_path / "scans" / inside)

    assert masks_of(intake) == {"a": "m.dcm"}
    assert codes(intake) == {}
    kinds = {str(row.path): row.disposition for row in intake.files}
    assert kinds.pop((Path(inside) / "m.dcm").as_posix()) is Disposition.MASK
    assert set(kinds.values()) == {Disposition.USED}


def test_scan_folder_may_lie_in_the_mask_folder(tmp_path: Path) -> None:
    slices = write(tmp_path / "scans" / "a")
    save_mask(a_lesion(slices), tmp_path / "scans" / "a" / "m.dcm")

    intake = take_in_with(tmp_path, masks=tmp_path)

    assert masks_of(intake) == {"a": "scans/a/m.dcm"}


def test_mask_among_the_scans_is_left_alone_with_other_masks(tmp_path: Path) -> None:
    slices = write(tmp_path / "scans" / "a")
    save_mask(a_lesion(slices), tmp_path / "scans" / "a" / "m.dcm")
    write_mask(tmp_path / "masks" / "a.nii.gz", affine=AFFINE)

    intake = take_in_with(tmp_path)

    assert masks_of(intake) == {"a": "a.nii.gz"}
    assert "data.masks" in row_of(intake, "unsupported-image").detail


def test_masks_alone_are_no_scans(tmp_path: Path) -> None:
    save_mask(a_lesion(full_slices(GOOD)), tmp_path / "scans" / "m.dcm")

    with pytest.raises(ConfigError, match="holds 1 files, none of them"):
        take_in(tmp_path / "scans", masks=tmp_path / "scans")


@pytest.mark.parametrize(
    ("mask", "code", "detail"),
    [
        (lambda s: a_set(s, k=2.5), "mask-geometry", "between slices"),
        (lambda s: a_set(s, k=9.0), "mask-outside-scan", "reach beyond"),
        (lambda s: a_seg(s, np.full((5, 8, 6), 2, np.uint8), "ab"), None, ""),
    ],
)
def test_mask_that_does_not_fit_refuses_the_scan(
    tmp_path: Path, mask: Any, code: str | None, detail: str
) -> None:
    slices = write(tmp_path / "scans" / "a")
    save_mask(mask(slices), tmp_path / "masks" / "m.dcm")

    intake = take_in_with(tmp_path)

    code = code or "mask-unknown-value"
    assert codes(intake) == {code: 1}
    assert detail in row_of(intake, code).detail


def test_policy_may_let_the_later_class_count(tmp_path: Path) -> None:
    slices = write(tmp_path / "scans" / "a")
    voxels = np.ones((5, 8, 6, 2), np.uint8)
    save_mask(a_seg(slices, voxels, ("a", "b")), tmp_path / "masks" / "m.dcm")
    policy = {FindingCode.MASK_OVERLAP: Action.REPAIR}
    rules = IntakeRules(channels={"image": ChannelRules()}, policy=policy)

    classes = {"a": SegmentClass(value=1), "b": SegmentClass(value=2)}
    task = TaskSpec(segment=SegmentSpec(classes=classes))

    refused = take_in_with(tmp_path, task=task)
    repaired = take_in_with(tmp_path, task=task, rules=rules)
    without_task = take_in_with(tmp_path, task=None)

    assert codes(refused) == {"mask-overlap": 1}
    assert repaired.records[0].state == "repaired"
    assert without_task.records[0].state == "accepted"


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.9])
def test_torn_mask_is_a_finding(tmp_path: Path, keep: float) -> None:
    slices = write(tmp_path / "scans" / "a")
    truncate(save_mask(a_lesion(slices), tmp_path / "masks" / "a.dcm"), keep)

    found = codes(take_in_with(tmp_path))

    assert "mask-unreadable" in found


def test_image_in_the_mask_folder_is_no_mask(tmp_path: Path) -> None:
    write(tmp_path / "scans" / "a")
    save_dicom(a_slice(replace(GOOD, name="x"), 0), tmp_path / "masks" / "1.dcm")

    intake = take_in_with(tmp_path)

    assert row_of(intake, "mask-unreadable").detail == (
        "DICOM, but neither SEG nor RTSTRUCT"
    )


def leaning(folder: Path) -> list[Dataset]:
    """A CT series whose slices are each half a voxel further back: a tilted gantry."""
    series = replace(GOOD, modality="CT", rows=12, columns=10)
    slices = full_slices(series)
    for k, dataset in enumerate(slices):
        dataset.ImagePositionPatient = [0.0, 0.5 * k, 2.0 * k]
        save_dicom(dataset, folder / f"{k}.dcm")
    return slices


def test_contours_of_a_tilted_series_lie_on_the_grid_it_is_moved_to(
    tmp_path: Path,
) -> None:
    slices = leaning(tmp_path / "scans" / "a")
    points = [(x, y, 6.0) for x, y in ((1.5, 4.5), (4.5, 4.5), (4.5, 8.5), (1.5, 8.5))]
    mask = a_structure_set(slices[0], {"lesion": [points]})
    save_mask(mask, tmp_path / "masks" / "m.dcm")

    intake = take_in_with(tmp_path)

    (record,) = intake.records
    path = tmp_path / "masks" / "m.dcm"
    source = MaskSource(record.scan_id, path, record.grid, {"lesion": 1})
    found = np.argwhere(read_mask(source).voxels)
    places = found @ record.grid.affine[:3, :3].T + record.grid.affine[:3, 3]
    assert len(found) == 12
    np.testing.assert_allclose(places.min(axis=0), (-4, -8, 6))
    np.testing.assert_allclose(places.max(axis=0), (-2, -5, 6))


def test_segmentation_of_tilted_slices_is_refused(tmp_path: Path) -> None:
    slices = leaning(tmp_path / "scans" / "a")
    mask = a_seg(slices, np.ones((5, 12, 10), np.uint8))
    save_mask(mask, tmp_path / "masks" / "m.dcm")

    intake = take_in_with(tmp_path)

    assert codes(intake) == {"mask-geometry": 1}
    assert "lie off the voxels" in row_of(intake, "mask-geometry").detail


def test_mask_may_lie_with_its_series_in_an_archive(tmp_path: Path) -> None:
    slices = write(tmp_path / "a")
    save_mask(a_lesion(slices), tmp_path / "a" / "m.dcm")
    (tmp_path / "scans").mkdir()
    with zipfile.ZipFile(tmp_path / "scans" / "export.zip", "w") as packed:
        for path in sorted((tmp_path / "a").iterdir()):
            packed.write(path, f"t1/{path.name}")

    intake = take_in_with(tmp_path, masks=tmp_path / "scans")

    assert list(masks_of(intake).values()) == ["export.zip/t1/m.dcm"]


def test_archive_in_the_mask_folder_is_listed(tmp_path: Path) -> None:
    write(tmp_path / "scans" / "a")
    (tmp_path / "masks").mkdir()
    with zipfile.ZipFile(tmp_path / "masks" / "m.zip", "w") as packed:
        packed.writestr("a", "text")

    assert "unpack it" in row_of(take_in_with(tmp_path), "mask-unreadable").detail


def test_what_the_index_knows_of_a_mask_ends_when_it_or_a_class_changes(
    tmp_path: Path,
) -> None:
    slices = write(tmp_path / "scans" / "a")
    path = save_mask(a_lesion(slices), tmp_path / "masks" / "m.dcm")
    index = tmp_path / "index"
    other = TaskSpec(segment=SegmentSpec(classes={"organ": SegmentClass(value=9)}))

    good = take_in_with(tmp_path, index=index)
    unknown = take_in_with(tmp_path, index=index, task=other)
    save_mask(a_set(slices, k=2.5), path)
    between = take_in_with(tmp_path, index=index)

    assert [codes(intake) for intake in (good, unknown, between)] == [
        {},
        {"mask-unknown-value": 1},
        {"mask-geometry": 1},
    ]
