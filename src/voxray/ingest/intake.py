"""What intake is asked for and what it gives back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Literal

from voxray.core.records import (
    ExamId,
    PatientId,
    QuarantineRow,
    ScanId,
    ScanRecord,
    ScanSource,
)
from voxray.core.specs import IntakeRules, LabelsSpec, TaskSpec
from voxray.core.specs.data import PatientRule
from voxray.ingest.near_copies import NearCopy
from voxray.ingest.siblings import Traits

Treatment = Literal["link", "quarantine", "fail", "keep"]
"""Of one image found twice; "keep" is for scoring: every volume gets its row."""


@dataclass(frozen=True, slots=True)
class IntakeOptions:
    """What to take in.

    Attributes:
        scans: Folder with the scans, or one file.
        masks: Folder with masks; DICOM masks may lie in the scan folder itself.
        patient: Who a scan belongs to.
        task: Decides which masks and labels are needed; None takes what there is.
        duplicates: What to do with one image under two patients.
        permute_labels: Seed of the control that gives patients each other's labels.
        workers: Processes that read files.
        overrides: Scans that a person signed for; none when scoring.
        patient_required: False when scoring: a scan without a patient is then its own.
        index: File that remembers what was read, in a private folder; None for none.
        thumbnails: Folder that gets a small picture per scan; None for none.
    """

    scans: Path
    rules: IntakeRules
    masks: Path | None = None
    labels: LabelsSpec | None = None
    patient: PatientRule = "dicom"
    task: TaskSpec | None = None
    duplicates: Treatment = "link"
    permute_labels: int | None = None
    workers: int = 1
    seed: int = 0
    overrides: Path | None = None
    patient_required: bool = True
    index: Path | None = None
    thumbnails: Path | None = None


class Disposition(StrEnum):
    """What became of one file."""

    USED = "used"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"
    NOT_SELECTED = "not-selected"
    MASK = "mask"
    TABLE = "table"
    ARCHIVE = "archive"


@dataclass(frozen=True, slots=True)
class FileRow:
    """One file under the scan folder. Private.

    Attributes:
        path: Relative to the scan folder.
        kind: "dicom", "nifti", "picture", "archive", "other" or "link".
        scan_id: Of a file with frames in several volumes, one of them.
        slice_index: k of a file that is one DICOM slice and used; None otherwise.
        code: Why it is not used; None when it is.
    """

    path: PurePosixPath
    kind: str
    size_bytes: int
    mtime_ns: int
    disposition: Disposition
    scan_id: ScanId | None = None
    slice_index: int | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class LinkageRow:
    """From a pseudonym back to the person. Private.

    Attributes:
        source_patient: PatientID of the DICOM header, "" without one.
        source_issuer: IssuerOfPatientID, "" without one.
    """

    scan_id: ScanId
    patient_id: PatientId | None
    path: PurePosixPath = field(repr=False)
    series_instance_uid: str = field(repr=False)
    study_instance_uid: str = field(repr=False)
    source_patient: str = field(repr=False)
    source_issuer: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Intake:
    """All that was found in a folder: every file and every volume, once.

    Attributes:
        root: What paths of files are relative to.
        records: Scans that may be used, sorted by path.
        sources: Files of every record.
        quarantine: What is not used and why, sorted by path.
        exams: Exam of every scan that is in one, used or not.
        linked_patients: Pairs that must not part: (patient of the scan that is used,
            patient of its copy), and those of one PatientID with and without issuer.
        label_rows_without_scan: Rows of the label table that name no scan found.
        label_row_examples: Up to five of their keys, as ids.
        permuted_labels: Seed of the label permutation; None for true labels.
        unused_overrides: Lines of the list of exceptions that changed nothing.
        near_copies: Pairs of scans that may be one image; none of them is merged.
        traits: What was seen of every record.
        notes: What the scans as a set show, a sentence each.
    """

    root: Path
    records: tuple[ScanRecord, ...]
    sources: Mapping[ScanId, ScanSource]
    quarantine: tuple[QuarantineRow, ...]
    files: tuple[FileRow, ...]
    linkage: tuple[LinkageRow, ...]
    exams: Mapping[ScanId, ExamId] = field(default_factory=dict)
    linked_patients: tuple[tuple[PatientId, PatientId], ...] = ()
    label_rows_without_scan: int = 0
    label_row_examples: tuple[str, ...] = field(default=())
    permuted_labels: int | None = None
    unused_overrides: int = 0
    near_copies: tuple[NearCopy, ...] = ()
    traits: Mapping[ScanId, Traits] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
