"""A real series with DICOM masks made for it, and real masks with a table."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from tests.mask_makers import a_seg, a_structure_set, read_axial, save_mask, square
from tests.unit.ingest.makers import KEYED, codes, take_in
from voxray.core.records import MaskSource
from voxray.core.specs import ClassifySpec, LabelsSpec, SegmentSpec, TaskSpec
from voxray.core.specs.data import LabelKey, PatientColumn
from voxray.core.specs.task import SegmentClass
from voxray.ingest import Intake
from voxray.scan_io import read_mask

_PLACE = os.environ.get("VOXRAY_SHARED_DATA", "")  # noqa: TID251 - tests only
pytestmark = pytest.mark.skipif(
    not Path(_PLACE, "dicom").is_dir(), reason="VOXRAY_SHARED_DATA names no such folder"
)
DATA = Path(_PLACE)
STUDY = DATA / "dicom" / "brain_study"
CLASSES = {"anterior": 1, "posterior": 2}
TASK = TaskSpec(
    segment=SegmentSpec(classes={n: SegmentClass(value=v) for n, v in CLASSES.items()})
)


@pytest.fixture
def crop() -> list[Dataset]:
    """Slices of a hippocampus crop, in order."""
    return read_axial(list((STUDY / "11_HCropVolume").glob("*.dcm")))


def by_brightness(slices: list[Dataset]) -> NDArray[np.uint8]:
    """(slice, row, column): 1 from the 80th, 2 from the 90th percentile on."""
    voxels = np.stack([dataset.pixel_array for dataset in slices])
    low, high = np.percentile(voxels, [80, 90])
    return np.asarray((voxels > low).astype(np.uint8) + (voxels > high))


def read_back(folder: Path, intake: Intake) -> NDArray[Any]:
    """The mask of the only scan that is used."""
    (record,) = intake.records
    assert codes(intake) == {"no-mask": 4}
    path = folder / str(record.mask_path)
    return read_mask(MaskSource(record.scan_id, path, record.grid, CLASSES)).voxels


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_segmentation_of_a_real_series_comes_back(
    tmp_path: Path, crop: list[Dataset], kind: str
) -> None:
    voxels = by_brightness(crop)
    mask = a_seg(crop, voxels, ("Anterior", "Posterior"), kind)
    save_mask(mask, tmp_path / "mask.dcm")

    intake = take_in(STUDY, KEYED, masks=tmp_path, patient="dicom", task=TASK)

    np.testing.assert_array_equal(
        read_back(tmp_path, intake), voxels.transpose(2, 1, 0)
    )


def test_structure_set_of_a_real_series_comes_back(
    tmp_path: Path, crop: list[Dataset]
) -> None:
    (record, *_) = take_in(STUDY / "11_HCropVolume", KEYED, patient="dicom").records
    affine = record.grid.affine
    boxes = [square((4.5, 9.5), (20.5, 30.5), k, affine) for k in range(10, 20)]
    holes = [square((7.5, 12.5), (9.5, 20.5), k, affine) for k in range(12, 15)]
    mask = a_structure_set(crop[0], {"ANTERIOR": boxes + holes, "brain": boxes})
    save_mask(mask, tmp_path / "mask.dcm")

    intake = take_in(STUDY, KEYED, masks=tmp_path, patient="dicom", task=TASK)

    expected = np.zeros(record.grid.shape, np.uint8)
    expected[5:21, 10:31, 10:20] = 1
    expected[8:10, 13:21, 12:15] = 0
    np.testing.assert_array_equal(read_back(tmp_path, intake), expected)


def test_nodules_get_their_masks_and_labels() -> None:
    """The table names a nodule by two columns; its file by both."""
    folder = DATA / "lidc_nodules"
    key = LabelKey(
        columns=("patient_id", "nodule_id"), format="{patient_id}_R_{nodule_id}"
    )
    task = TaskSpec(
        classify=ClassifySpec(
            column="Diagnosis_value", classes={"benign": 0, "malignant": 1}
        ),
        segment=SegmentSpec(classes={"nodule": SegmentClass(value=1)}),
    )

    intake = take_in(
        folder / "images",
        masks=folder / "masks",
        labels=LabelsSpec(table=folder / "nodules.csv", key=key),
        patient=PatientColumn(column="patient_id"),
        task=task,
    )

    assert len(intake.records) == 742
    assert codes(intake) == {}
    assert sum(r.labels["Diagnosis_value"] == 1 for r in intake.records) == 249
    assert len({record.patient_id for record in intake.records}) == 411
