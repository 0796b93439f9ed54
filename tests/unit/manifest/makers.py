"""Records for the tests of the manifest."""

from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from voxray.core.findings import FindingCode
from voxray.core.geometry import VoxelGrid
from voxray.core.records import (
    ExamId,
    Finding,
    PatientId,
    ScanId,
    ScanRecord,
    ScanState,
    Sha256,
)


def a_grid() -> VoxelGrid:
    affine = np.diag([-0.1 - 0.2, 1 / 3, 6.5, 1.0])
    affine[:3, 3] = [np.pi, -1e-17, 120.0]
    return VoxelGrid.from_affine("s1", (4, 5, 6), affine)


def a_record(scan_id: str = "s1", **changes: Any) -> ScanRecord:
    """A plain record; every field that a test does not change is set."""
    record = ScanRecord(
        exam_id=ExamId(scan_id),
        scan_id=ScanId(scan_id),
        channel="t1",
        patient_id=PatientId("p1"),
        study_id="e1",
        modality="MR",
        path=PurePosixPath("p1/t1"),
        mask_path=PurePosixPath("p1/t1.nii.gz"),
        grid=a_grid(),
        sha256_pixels=Sha256("0" * 64),
        state=ScanState.REPAIRED,
        findings=(Finding(FindingCode.DUPLICATE_SLICE, 'two, "both" at 3 mm\n'),),
        site="Süd, 2",
        sex="F",
        age_years=61.3,
        scanner="Maker One",
        labels={"sick": 1},
        meta={"centre": "x"},
    )
    return replace(record, **changes)
