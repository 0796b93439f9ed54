"""One scan as the cells of a row, and back."""

import json
from collections.abc import Mapping
from pathlib import PurePosixPath

import numpy as np

from voxray.core.findings import FindingCode
from voxray.core.geometry import VoxelGrid
from voxray.core.records import (
    ExamId,
    Finding,
    LabelValue,
    PatientId,
    ScanId,
    ScanRecord,
    ScanState,
    Sha256,
)

LABEL_PREFIX = "label_"
META_PREFIX = "meta_"


def cells_of(record: ScanRecord) -> dict[str, str]:
    """Write a record as text by column; absent values are left out."""
    cells = {
        "exam_id": record.exam_id,
        "scan_id": record.scan_id,
        "channel": record.channel,
        "patient_id": record.patient_id,
        "study_id": record.study_id,
        "modality": record.modality,
        "path": record.path.as_posix(),
        "mask_path": record.mask_path.as_posix() if record.mask_path else "",
        "shape": json.dumps(list(record.grid.shape)),
        "spacing_mm": json.dumps(list(record.grid.spacing_mm)),
        "affine": json.dumps(record.grid.affine.tolist()),
        "sha256_pixels": record.sha256_pixels,
        "state": record.state.value,
        "findings": _findings_text(record.findings),
        "site": record.site or "",
        "sex": record.sex or "",
        "age_years": "" if record.age_years is None else repr(record.age_years),
        "scanner": record.scanner or "",
    }
    cells |= {LABEL_PREFIX + c: label_text(v) for c, v in record.labels.items()}
    return cells | {META_PREFIX + c: text for c, text in record.meta.items()}


def record_of(cells: Mapping[str, str]) -> ScanRecord:
    """Read a record back.

    Raises:
        ValueError: If a cell does not hold what its column says.
        GeometryError: If the affine is impossible.
    """
    return ScanRecord(
        exam_id=ExamId(cells["exam_id"]),
        scan_id=ScanId(cells["scan_id"]),
        channel=cells["channel"],
        patient_id=PatientId(cells["patient_id"]),
        study_id=cells["study_id"],
        modality=cells["modality"],
        path=PurePosixPath(cells["path"]),
        mask_path=PurePosixPath(cells["mask_path"]) if cells["mask_path"] else None,
        grid=_grid(cells),
        sha256_pixels=Sha256(cells["sha256_pixels"]),
        state=ScanState(cells["state"]),
        findings=_findings(cells["findings"]),
        site=cells["site"] or None,
        sex=cells["sex"] or None,
        age_years=float(cells["age_years"]) if cells["age_years"] else None,
        scanner=cells.get("scanner") or None,
        labels={
            c: label_value(text) for c, text in _prefixed(cells, LABEL_PREFIX).items()
        },
        meta=_prefixed(cells, META_PREFIX),
    )


def _prefixed(cells: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {
        column.removeprefix(prefix): text
        for column, text in cells.items()
        if column.startswith(prefix) and text
    }


def _grid(cells: Mapping[str, str]) -> VoxelGrid:
    i, j, k = (int(n) for n in json.loads(cells["shape"]))
    affine = np.array(json.loads(cells["affine"]), dtype=np.float64)
    return VoxelGrid.from_affine(cells["scan_id"], (i, j, k), affine)


def _findings_text(findings: tuple[Finding, ...]) -> str:
    return json.dumps([_finding_row(f) for f in findings], ensure_ascii=False)


def _finding_row(finding: Finding) -> dict[str, str]:
    signed = {"override": finding.override} if finding.override else {}
    return {"code": finding.code.value, "detail": finding.detail, **signed}


def _findings(text: str) -> tuple[Finding, ...]:
    rows = json.loads(text)
    return tuple(
        Finding(FindingCode(row["code"]), row["detail"], row.get("override", ""))
        for row in rows
    )


def label_text(value: LabelValue) -> str:
    """Write text as it is, but what reads as a number or truth value as JSON."""
    if isinstance(value, str) and value and label_value(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)


def label_value(text: str) -> LabelValue:
    """Read a label back, with its type."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, str | int | float | bool) else text
