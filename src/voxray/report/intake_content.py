"""What the intake page is made of: pseudonyms and numbers, no paths and no names."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from voxray.core.findings import FindingCode
from voxray.core.records import PatientId, ScanId, ScanRecord

CARDS = 500
"""Scans that get a card on the page; more make a browser slow."""


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A picture beside the page: relative name, size in pixels."""

    name: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class SeenScan:
    """One scan that may be used.

    Attributes:
        record: Its path is not shown.
        extent_mm: Field of view along R, A and S.
        spacing_mm: Voxel size along R, A and S; None across a plane.
        voxels: Number along R, A and S.
        p0_5, p50, p99_5: Percentiles of its values.
    """

    record: ScanRecord
    extent_mm: tuple[float, float, float]
    spacing_mm: tuple[float | None, float | None, float | None]
    voxels: tuple[int, int, int]
    p0_5: float
    p50: float
    p99_5: float
    body_part: str = ""
    manufacturer: str = ""


@dataclass(frozen=True, slots=True)
class UnusedScan:
    """One file or series that is not used."""

    scan_id: ScanId
    code: FindingCode
    detail: str


@dataclass(frozen=True, slots=True)
class SimilarPair:
    """Two scans that may be one image, with the distance and likeness measured."""

    scan_id: ScanId
    other_scan_id: ScanId
    patient_id: PatientId
    other_patient_id: PatientId
    distance: float
    correlation: float


@dataclass(frozen=True, slots=True)
class IntakeContent:
    """Everything the intake page shows.

    Attributes:
        files: Number of files per disposition.
        scans: All that may be used, in any order.
        thumbnails: Picture of a scan that has one.
        unused: In order of path.
        near_copies: The nearest first.
        linked_patients: Pairs that must not part.
        label_rows_without_scan: Rows of the label table that name no scan.
        label_row_examples: Some of their keys, as ids.
        notes: What the scans as a set show.
    """

    voxray_version: str
    files: Mapping[str, int]
    scans: tuple[SeenScan, ...]
    thumbnails: Mapping[ScanId, Thumbnail] = field(default_factory=dict)
    unused: tuple[UnusedScan, ...] = ()
    near_copies: tuple[SimilarPair, ...] = ()
    linked_patients: tuple[tuple[PatientId, PatientId], ...] = ()
    label_rows_without_scan: int = 0
    label_row_examples: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
