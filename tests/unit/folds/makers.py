"""Scans that differ only in what a split looks at."""

from pathlib import PurePosixPath

import numpy as np

from voxray.core.geometry import VoxelGrid
from voxray.core.hashing import sha256_json
from voxray.core.records import (
    ExamId,
    FoldRole,
    FoldRow,
    PatientId,
    ScanId,
    ScanRecord,
    Sha256,
)
from voxray.core.specs import TaskSpec

GRID = VoxelGrid.from_affine("-", (2, 2, 2), np.eye(4))
TWO_CLASSES = TaskSpec.model_validate(
    {"classify": {"column": "y", "classes": {"benign": 0, "malignant": 1}}}
)
MASKS_ONLY = TaskSpec.model_validate({"segment": {"classes": {"liver": {"value": 1}}}})


def a_scan(scan_id, patient_id, label=None, image=None, **columns):
    """A usable scan; `image` names its pixels, `columns` are of the label table."""
    return ScanRecord(
        exam_id=ExamId(scan_id),
        scan_id=ScanId(scan_id),
        channel="image",
        patient_id=PatientId(patient_id),
        study_id="e",
        modality="MR",
        path=PurePosixPath(scan_id),
        mask_path=None,
        grid=GRID,
        sha256_pixels=Sha256(sha256_json(image or scan_id)),
        site=columns.pop("site", None),
        labels={} if label is None else {"y": label},
        meta=columns,
    )


def a_cohort(n_patients=20, positive_every=2, scans=2, label=True):
    """Patients p00, p01, ...; every n-th is positive in all scans."""
    return [
        a_scan(
            f"s{p:02}-{scan}",
            f"p{p:02}",
            int(p % positive_every == 0) if label else None,
            scanner="abc"[p % 3],
        )
        for p in range(n_patients)
        for scan in range(scans)
    ]


def a_row(patient, fold, role=FoldRole.HELD_OUT, repeat=0, group=None):
    return FoldRow(repeat, fold, PatientId(patient), group or patient, role)


def held_out(rows, repeat=0):
    """Held-out patients per fold."""
    folds: dict[int, set[str]] = {}
    for row in rows:
        if row.repeat == repeat and row.role is FoldRole.HELD_OUT:
            folds.setdefault(row.fold, set()).add(row.patient_id)
    return folds
