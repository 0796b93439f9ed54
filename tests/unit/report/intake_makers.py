"""Scans for the tests of the intake page."""

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
    Sha256,
)
from voxray.report import IntakeContent, SeenScan, SimilarPair, UnusedScan


def a_finding(code: FindingCode, detail: str = "seen") -> Finding:
    return Finding(code, detail)


def a_seen_scan(name: str, *codes: FindingCode, **changes: Any) -> SeenScan:
    """A scan with these findings; `record` changes fields of its record."""
    grid = VoxelGrid.from_affine("x", (10, 20, 30), np.eye(4))
    record = ScanRecord(
        exam_id=ExamId(name),
        scan_id=ScanId(name),
        channel="image",
        patient_id=PatientId(f"p-{name}"),
        study_id="e",
        modality="MR",
        path=PurePosixPath(f"secret-path/{name}"),
        mask_path=None,
        grid=grid,
        sha256_pixels=Sha256("0"),
        findings=tuple(a_finding(code) for code in codes),
    )
    record = replace(record, **changes.pop("record", {}))
    plain: dict[str, Any] = {
        "extent_mm": (10.0, 20.0, 30.0),
        "spacing_mm": (1.0, 1.0, 1.0),
        "voxels": (10, 20, 30),
        "p0_5": 0.0,
        "p50": 100.0,
        "p99_5": 900.0,
    }
    return SeenScan(record=record, **(plain | changes))


def an_intake(*scans: SeenScan, **changes: Any) -> IntakeContent:
    plain: dict[str, Any] = {"voxray_version": "0.1", "files": {"used": len(scans)}}
    return IntakeContent(scans=scans, **(plain | changes))


def an_unused(code: FindingCode, name: str = "u") -> UnusedScan:
    return UnusedScan(ScanId(name), code, "what was seen")


def a_pair(one: str, other: str, *, same_patient: bool = False) -> SimilarPair:
    patient = f"p-{one}" if same_patient else f"p-{other}"
    return SimilarPair(
        scan_id=ScanId(one),
        other_scan_id=ScanId(other),
        patient_id=PatientId(f"p-{one}"),
        other_patient_id=PatientId(patient),
        distance=0.04,
        correlation=0.98,
    )
