"""The rows that flow between stages. Frozen: a stage returns new ones."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import NewType

import numpy as np
from numpy.typing import NDArray

from voxray.core.findings import FindingCode
from voxray.core.geometry import VoxelGrid

ScanId = NewType("ScanId", str)
ExamId = NewType("ExamId", str)
PatientId = NewType("PatientId", str)
"""A pseudonym, unless the user asked for readable ids."""

Sha256 = NewType("Sha256", str)

LabelValue = str | int | float | bool


class IntensityUnit(StrEnum):
    """What a voxel value means."""

    HOUNSFIELD = "HU"
    ARBITRARY = "arbitrary"


class FileFormat(StrEnum):
    """How a scan is stored."""

    DICOM = "dicom"
    NIFTI = "nifti"
    PICTURE = "picture"


class ScanState(StrEnum):
    """How a scan came into the manifest."""

    ACCEPTED = "accepted"
    REPAIRED = "repaired"
    OVERRIDDEN = "overridden"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a check saw in one scan.

    Attributes:
        code: Row of the policy table.
        detail: The numbers that show it, for a person. No identity.
        override: Who uses the scan nevertheless, and why; "" without such a person.
        beyond_repair: Whether the repair of this code cannot help here. The scan is
            refused then, where the policy says repair.
    """

    code: FindingCode
    detail: str
    override: str = ""
    beyond_repair: bool = field(default=False, compare=False, repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """Voxel values and the place they belong to.

    Attributes:
        voxels: float32 (or an integer type for a mask), shape `grid.shape`,
            array axes (i, j, k) in source order.
        grid: Where the voxels sit.
        unit: What a value means.
    """

    voxels: NDArray[np.generic]
    grid: VoxelGrid
    unit: IntensityUnit = IntensityUnit.ARBITRARY


@dataclass(frozen=True, slots=True)
class ScanSource:
    """Where a scan's voxels are on disk.

    Attributes:
        scan_id: Named in errors.
        format: Which reader.
        files: One file (NIfTI, picture), or one per slice in slice order (DICOM). A
            path may lead into an archive; `scan_io.open_scan` opens it.
        frames: Per slice its frame in the file, from 0, for files of several frames or
            tiles; empty for files of one.
        volume: Which volume of a NIfTI file with a fourth axis, from 0.
        repairs: What the reader has to put right: `GANTRY_TILT`, `UNEVEN_SPACING`,
            `PADDING_VALUE`.
        colour: Which one of a 2D image is read, 0 red, 1 green, 2 blue; None its
            luminance. Grey is all of them.
    """

    scan_id: ScanId
    format: FileFormat
    files: tuple[Path, ...]
    frames: tuple[int, ...] = ()
    volume: int = 0
    repairs: tuple[FindingCode, ...] = ()
    colour: int | None = None


@dataclass(frozen=True, slots=True)
class MaskSource:
    """Where a drawn mask is, and what its scan needs of it.

    Attributes:
        scan_id: Of the scan; named in errors.
        file: NIfTI, DICOM SEG or RTSTRUCT.
        grid: Of the scan: DICOM masks are laid on it, NIfTI masks must be on it.
        values: Voxel value by class name; which segments and contours are wanted.
            Empty takes all, by number.
        accepted: Findings that intake accepted or repaired; any other one that it
            refuses by default is an error.
    """

    scan_id: ScanId
    file: Path
    grid: VoxelGrid
    values: Mapping[str, int] = field(default_factory=dict)
    accepted: tuple[FindingCode, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class ScanRecord:
    """One scan that may be used: a manifest row.

    Attributes:
        exam_id: What one prediction is made for; `scan_id` with one channel.
        channel: Name of the channel this scan fills.
        path: File, or folder that holds the series, relative to the scan folder.
        mask_path: Relative to the mask folder; None without a mask.
        scanner: Manufacturer and model; None where no header says them.
        labels: One value per label column; a column without a value is absent.
        meta: Any other columns of the label table, as text.
    """

    exam_id: ExamId
    scan_id: ScanId
    channel: str
    patient_id: PatientId
    study_id: str
    modality: str
    path: PurePosixPath
    mask_path: PurePosixPath | None
    grid: VoxelGrid
    sha256_pixels: Sha256
    state: ScanState = ScanState.ACCEPTED
    findings: tuple[Finding, ...] = ()
    site: str | None = None
    sex: str | None = None
    age_years: float | None = None
    scanner: str | None = None
    labels: Mapping[str, LabelValue] = field(default_factory=dict)
    meta: Mapping[str, str] = field(default_factory=dict)


def exams_of(records: Iterable[ScanRecord]) -> dict[ExamId, tuple[ScanRecord, ...]]:
    """Group scans by exam; exams and scans stay in the order of the records."""
    exams: dict[ExamId, tuple[ScanRecord, ...]] = {}
    for record in records:
        exams[record.exam_id] = (*exams.get(record.exam_id, ()), record)
    return exams


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    """One file or series that is not used, and why.

    Attributes:
        path: File or folder relative to the scan (or mask) folder. Private.
        series: SeriesInstanceUID, or "" for a file that is no DICOM. Private.
        scan_id: Pseudonym of the series or file.
    """

    path: PurePosixPath
    series: str
    scan_id: ScanId
    code: FindingCode
    detail: str


class FoldRole(StrEnum):
    """What a patient is used for in one fold."""

    HELD_OUT = "held_out"
    VALIDATION = "validation"
    HOLDOUT = "holdout"
    CALIBRATION = "calibration"


@dataclass(frozen=True, slots=True)
class FoldRow:
    """One patient's role in one fold. A patient without a row there is trained on.

    Attributes:
        fold: Held-out part k; -1 never occurs: a patient of the holdout or of
            calibration has one row per fold.
        group: Patients linked by copies share a group and never part.
    """

    repeat: int
    fold: int
    patient_id: PatientId
    group: str
    role: FoldRole


@dataclass(frozen=True, slots=True)
class OutOfFoldPrediction:
    """What the model that never saw this patient says about this exam.

    Attributes:
        label: Class name; None without classification, and for labels that do not
            exclude each other.
        labels: 0 or 1 for each of several labels; one that nobody stated is absent.
        probabilities: Per class or label, empty without classification.
        dice: Per segmentation class; None where it is undefined (both empty).
        iou: Per segmentation class, None as `dice`.
        nsd: Normalised surface Dice at the tolerance of the class, None as `dice`.
        hd95_mm: Per segmentation class; None where nothing is drawn.
        assd_mm: Per segmentation class; None where nothing is drawn.
        volume_ml: Predicted volume per segmentation class.
        true_volume_ml: Drawn volume per segmentation class.
    """

    repeat: int
    fold: int
    exam_id: ExamId
    patient_id: PatientId
    label: str | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)
    dice: Mapping[str, float | None] = field(default_factory=dict)
    volume_ml: Mapping[str, float] = field(default_factory=dict)
    true_volume_ml: Mapping[str, float] = field(default_factory=dict)
    labels: Mapping[str, int] = field(default_factory=dict)
    iou: Mapping[str, float | None] = field(default_factory=dict)
    nsd: Mapping[str, float | None] = field(default_factory=dict)
    hd95_mm: Mapping[str, float | None] = field(default_factory=dict)
    assd_mm: Mapping[str, float | None] = field(default_factory=dict)


NETWORK = "network"
"""`Metric.model` of the network itself."""

DECIDED_NETWORK = "network+decision"
"""Of the network's calibrated probabilities and their decisions, out of fold."""

ENSEMBLE = "ensemble"
"""Of the ensemble of fold networks, on the patients of `folds.calibration`."""

REGISTERED = "registered"
"""Of that ensemble with calibration and decision, as it is registered."""

ALL = "all"
"""`Metric.subset` of a figure that is of no subgroup."""

REPEAT = "repeat "
"""Begins `Metric.subset` of one repeat of the split."""

LEFT_OUT = "left out: "
"""Begins `Metric.subset` of the patients that one fold of a value leaves out."""

HOLDOUT = "holdout"
"""`Metric.subset` of the registered model on the locked holdout."""

PER_PATIENT = "_per_patient"
"""End of `Metric.metric` of a figure that counts each patient once."""

LESS_REST = "_less_rest"
"""End of `Metric.metric` of a subgroup's figure less that of all other exams."""

MAIN_METRICS = frozenset(
    {
        *("auc", "average_precision", "sensitivity", "specificity", "accuracy"),
        *("calibration_slope", "calibration_intercept", "brier"),
        *("local_threshold", "exams_needed"),
        *("quadratic_kappa", "class_error", "ordinal_c_index"),
        *("dice", "nsd", "hd95_mm", "volume_error_ml"),
        *("lesion_sensitivity", "false_positive_lesions_per_exam"),
        "froc_mean_sensitivity",
    }
)
"""Those that a page shows at once; the others are a click away."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A number, its interval, and how both were computed: never a bare number.

    Attributes:
        metric: Name, e.g. "auc", "sensitivity", "dice".
        class_: The class it is for.
        unit: What is resampled or counted: "patient".
        value: None when not estimable; `method` then says why.
        low: Lower end of the interval at `level`.
        subset: "all", or the subgroup, e.g. "sex=F" or "age_years<40". A metric that
            ends in "_less_rest" is the subgroup less all other exams. "repeat 0" is of
            one repeat of the split, "left out: site=A" of a fold that leaves out a
            value, "holdout" of the registered model on the locked holdout.
        model: What was judged: "network", "baseline:NAME", "columns+network", or one
            of `DECIDED_NETWORK`, `ENSEMBLE` and `REGISTERED`. A metric that ends in
            "_difference" is the network less this baseline, for "columns+network" this
            less the columns alone.
    """

    metric: str
    class_: str
    unit: str
    value: float | None
    low: float | None
    high: float | None
    level: float
    method: str
    resamples: int
    seed: int
    n_exams: int
    n_patients: int
    n_positive: int
    subset: str = ALL
    model: str = NETWORK


class ScoreStatus(StrEnum):
    """What became of one volume in a scored folder."""

    SCORED = "scored"
    REFUSED = "refused"
    NOT_SELECTED = "not_selected"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One row of `scores.csv`: one per volume found.

    Attributes:
        decision: A class; of several labels those that reach their threshold, joined
            by ";", or "none". None where there is no decision.
        threshold: Of the operating point of two classes.
        thresholds: Of each label, where labels do not exclude each other.
        refer: Whether a person should decide instead; None where no rule was stated.
        uncertainty: How near the decision is to another one, 0 to 0.5.
        disagreement: Largest standard deviation of a class probability over networks.
    """

    exam_id: ExamId
    scan_id: ScanId
    patient_id: PatientId | None
    status: ScoreStatus
    reason_code: FindingCode | None = None
    reason: str = ""
    decision: str | None = None
    refer: bool | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)
    threshold: float | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)
    uncertainty: float | None = None
    disagreement: float | None = None
    ood: float | None = None
    mask: str | None = None
    volume_ml: Mapping[str, float] = field(default_factory=dict)
    model: str = ""
    model_sha256: str = ""
