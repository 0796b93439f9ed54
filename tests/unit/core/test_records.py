import dataclasses
from pathlib import PurePosixPath

import numpy as np
import pytest

from voxray.core.geometry import VoxelGrid
from voxray.core.progress import Progress, ignore_progress
from voxray.core.records import (
    ExamId,
    Finding,
    FoldRole,
    FoldRow,
    OutOfFoldPrediction,
    PatientId,
    ScanId,
    ScanRecord,
    ScanState,
    Sha256,
)


def a_record():
    return ScanRecord(
        exam_id=ExamId("s1"),
        scan_id=ScanId("s1"),
        channel="image",
        patient_id=PatientId("p1"),
        study_id="e1",
        modality="MR",
        path=PurePosixPath("a/b"),
        mask_path=None,
        grid=VoxelGrid.from_affine("s1", (2, 2, 2), np.eye(4)),
        sha256_pixels=Sha256("0"),
    )


@pytest.mark.parametrize(
    ("record", "field"),
    [
        (a_record(), "patient_id"),
        (FoldRow(0, 0, PatientId("p"), "p", FoldRole.HELD_OUT), "fold"),
        (OutOfFoldPrediction(0, 0, ExamId("e"), PatientId("p")), "label"),
        (Progress("reading", 1), "done"),
    ],
)
def test_records_cannot_be_edited(record, field):
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(record, field, None)


def test_plain_scan_is_accepted_without_findings_labels_or_demographics():
    record = a_record()

    assert record.state is ScanState.ACCEPTED
    assert record.findings == ()
    assert (record.site, record.sex, record.age_years) == (None, None, None)
    assert dict(record.labels) == {}


def test_two_records_share_no_default_mapping():
    assert a_record().labels is not a_record().labels


def test_finding_code_and_roles_are_their_text():
    assert f"{FoldRole.HELD_OUT}" == "held_out"
    assert Finding.__slots__ == ("code", "detail", "override", "beyond_repair")


def test_progress_may_be_ignored():
    ignore_progress(Progress("reading", 1, 2))
