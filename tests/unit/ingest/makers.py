"""Headers, scan folders and intakes for the tests of this package."""

from collections import Counter
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from voxray.core.ids import Pseudonymizer
from voxray.core.records import QuarantineRow
from voxray.core.specs import (
    ChannelRules,
    ClassifySpec,
    IntakeRules,
    LabelsSpec,
    SegmentSpec,
    TaskSpec,
)
from voxray.core.specs.data import LabelKey
from voxray.core.specs.task import SegmentClass
from voxray.ingest import Intake, IntakeOptions, ingest_folder
from voxray.scan_io import DicomHeader

RULES = IntakeRules(channels={"image": ChannelRules()})
KEYED = Pseudonymizer(b"k" * 32)
READABLE = Pseudonymizer(b"k" * 32, readable=True)
LESION = TaskSpec(segment=SegmentSpec(classes={"lesion": SegmentClass(value=1)}))
SICK = TaskSpec(
    classify=ClassifySpec(column="sick", classes={"well": 0, "ill": 1}, positive="ill")
)


def a_header(z_mm: float = 0.0, **changes: Any) -> DicomHeader:
    """An axial 8 x 6 slice at height `z_mm`; anything not given is absent."""
    plain: dict[str, Any] = {field.name: None for field in fields(DicomHeader)}
    plain |= {
        "series_instance_uid": "1.2.3",
        "study_instance_uid": "1.2",
        "patient_id": "p1",
        "modality": "MR",
        "image_type": ("ORIGINAL", "PRIMARY"),
        "rows": 8,
        "columns": 6,
        "photometric": "MONOCHROME2",
        "samples_per_pixel": 1,
        "pixel_spacing_mm": (1.0, 1.0),
        "position_lps_mm": (0.0, 0.0, z_mm),
        "orientation_lps": (1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
        "has_pixels": True,
        "truncated": False,
        "frames": (),
    }
    return DicomHeader(**(plain | changes))


def a_stack(*levels_mm: float, **changes: Any) -> list[DicomHeader]:
    """Slices at these heights."""
    return [a_header(z_mm, **changes) for z_mm in levels_mm]


def with_one(headers: list[DicomHeader], index: int, **changes: Any) -> list[Any]:
    """The stack with one slice changed."""
    return [
        replace(header, **changes) if n == index else header
        for n, header in enumerate(headers)
    ]


def take_in(scans: Path, ids: Pseudonymizer = READABLE, **options: Any) -> Intake:
    """Ingest with readable ids, each file its own patient, unless told otherwise."""
    plain: dict[str, Any] = {"rules": RULES, "patient": "each_file"}
    return ingest_folder(IntakeOptions(scans=scans, **(plain | options)), ids)


def a_table(path: Path, *lines: str, **spec: Any) -> LabelsSpec:
    """Write a label table and say how it is read; the key column is `scan`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return LabelsSpec(table=path, **({"key": LabelKey(column="scan")} | spec))


def codes(intake: Intake) -> dict[str, int]:
    """How often each code stands in quarantine."""
    return dict(Counter(row.code.value for row in intake.quarantine))


def row_of(intake: Intake, code: str) -> QuarantineRow:
    """The only row with this code."""
    (row,) = [row for row in intake.quarantine if row.code == code]
    return row
