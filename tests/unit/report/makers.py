"""Small records and pictures for tests of the report."""

import struct
import zlib
from typing import Any

from voxray.core.findings import FindingCode
from voxray.core.records import ExamId, Metric, PatientId, ScanId, ScoreRow, ScoreStatus
from voxray.report import ModelFacts, ReportContent, TrainingData

NOTE = "Demonstration on synthetic patients."


def a_metric(**changes: Any) -> Metric:
    values: dict[str, Any] = {
        "metric": "auc",
        "class_": "lesion",
        "unit": "patient",
        "value": 0.8741,
        "low": 0.71,
        "high": 0.95,
        "level": 0.95,
        "method": "DeLong on the logit scale",
        "resamples": 0,
        "seed": 1,
        "n_exams": 30,
        "n_patients": 24,
        "n_positive": 12,
    }
    return Metric(**{**values, **changes})


def a_score(name: str, probability: float = 0.9, **changes: Any) -> ScoreRow:
    values: dict[str, Any] = {
        "exam_id": ExamId(name),
        "scan_id": ScanId(name),
        "patient_id": PatientId(f"p-{name}"),
        "status": ScoreStatus.SCORED,
        "decision": "lesion" if probability >= 0.4 else "healthy",
        "probabilities": {"healthy": 1 - probability, "lesion": probability},
        "threshold": 0.4,
        "mask": f"masks/{name}.nii.gz",
        "volume_ml": {"lesion": 1.234},
    }
    return ScoreRow(**{**values, **changes})


def a_refusal(
    name: str,
    code: FindingCode | None = FindingCode.MISSING_SLICE,
    status: ScoreStatus = ScoreStatus.REFUSED,
) -> ScoreRow:
    reason = f"details of {name}"
    return ScoreRow(ExamId(name), ScanId(name), None, status, code, reason)


def a_model(**changes: Any) -> ModelFacts:
    values: dict[str, Any] = {
        "name": "demo",
        "version": "3",
        "sha256": "cd34",
        "n_patients": 24,
        "intended_use": "Never for a person.",
        "positive": "lesion",
        "operating_point": "sensitivity at least 0.90",
        "training_range": {"modality": "MR"},
    }
    return ModelFacts(**{**values, **changes})


def training_data() -> TrainingData:
    files = {"used": 1180, "quarantined": 79}
    return TrainingData(24, 30, files, {FindingCode.MISSING_SLICE: 2})


def a_content(**changes: Any) -> ReportContent:
    values: dict[str, Any] = {
        "title": "Lesions",
        "experiment": "demo",
        "voxray_version": "0.1.0",
        "data_sha256": "ab12",
    }
    return ReportContent(**{**values, **changes})


def a_png(width: int = 3, height: int = 2) -> bytes:
    rows = (b"\0" + b"\x80" * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(name + data))
    return struct.pack(">I", len(data)) + name + data + checksum
