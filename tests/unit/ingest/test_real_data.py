"""Real folders: what is known to be in them is found, and nothing else."""

import os
from collections import Counter
from pathlib import Path

import pytest

from tests.unit.ingest.makers import KEYED, codes, take_in
from voxray.core.specs import SegmentSpec, TaskSpec
from voxray.core.specs.task import SegmentClass

_PLACE = os.environ.get("VOXRAY_SHARED_DATA", "")  # noqa: TID251 - tests only
pytestmark = pytest.mark.skipif(
    not Path(_PLACE, "dicom").is_dir(), reason="VOXRAY_SHARED_DATA names no such folder"
)
DATA = Path(_PLACE)


def test_hippocampus_has_one_image_and_two_masks_without_partner() -> None:
    classes = {"anterior": SegmentClass(value=1), "posterior": SegmentClass(value=2)}

    intake = take_in(
        DATA / "hippocampus" / "images",
        masks=DATA / "hippocampus" / "labels",
        task=TaskSpec(segment=SegmentSpec(classes=classes)),
    )

    assert len(intake.records) == 200
    assert codes(intake) == {"no-mask": 1, "mask-without-scan": 2}


def test_brain_study_has_five_good_series() -> None:
    intake = take_in(DATA / "dicom" / "brain_study", KEYED, patient="dicom")

    assert intake.quarantine == ()
    depths = sorted(record.grid.shape[2] for record in intake.records)
    assert depths == [22, 22, 22, 22, 40]


def test_time_series_and_mosaics_become_one_volume_a_time() -> None:
    intake = take_in(DATA / "dicom" / "dcm_qa_nih" / "In", KEYED)

    assert codes(intake) == {"not-an-image": 10}
    shapes = Counter(record.grid.shape for record in intake.records)
    assert shapes == {(64, 64, 15): 40, (72, 72, 5): 8}
    told = Counter(f.code.value for record in intake.records for f in record.findings)
    assert told["split-series"] == 48
    assert told["extent-unverified"] == 0
