"""What a report is made of. Everything is computed elsewhere; here it is only shown."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from voxray.core.findings import FindingCode
from voxray.core.records import Metric, ScanId, ScoreRow


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """The model whose scores or evidence are shown.

    Attributes:
        version: Reference or version number, as a person wrote it.
        sha256: Of the model folder.
        n_patients: Patients it was trained on; None when unknown.
        positive: The class whose probability the threshold is compared with; None:
            every class gets a column.
        operating_point: In words, e.g. "sensitivity at least 0.95".
        decision: How exams are decided and referred, and on what that was fitted.
        intended_use: What it may be used for, and what not.
        training_range: Modality, spacing and field of view it accepts, in words.
    """

    name: str
    version: str
    sha256: str
    n_patients: int | None
    intended_use: str
    licence: str = ""
    positive: str | None = None
    operating_point: str = ""
    decision: tuple[str, ...] = ()
    training_range: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What the model was trained on, and what intake left out.

    Attributes:
        files: Number of files per disposition; together all files of the folder.
        quarantine: Number of files and series per reason.
    """

    n_patients: int
    n_exams: int
    files: Mapping[str, int] = field(default_factory=dict)
    quarantine: Mapping[FindingCode, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReportFigure:
    """A picture of the evidence.

    Attributes:
        name: Becomes part of its file name.
        caption: What is seen, in a sentence; also the text for those who cannot see.
        png: The picture.
    """

    name: str
    caption: str
    png: bytes


@dataclass(frozen=True, slots=True)
class SuspectScan:
    """An exam whose label or mask the network contradicts.

    Attributes:
        kind: "class" or "mask".
        loss: -log of the probability of the person's class, or 1 - Dice.
        reason: In words.
        png: Its picture; None without.
    """

    rank: int
    kind: str
    exam_id: str
    patient_id: str
    said_by_person: str
    said_by_network: str
    loss: float
    reason: str
    png: bytes | None = None


@dataclass(frozen=True, slots=True)
class WorstMask:
    """A structure of an exam whose predicted mask is among the worst.

    Attributes:
        rank: From 1, per structure.
        dice: 0 to 1.
        hd95_mm: None where nothing is drawn.
        drawn_ml: None when unknown.
        reason: In words.
        png: Both masks over the scan; None without.
    """

    rank: int
    structure: str
    exam_id: str
    patient_id: str
    dice: float
    hd95_mm: float | None
    drawn_ml: float | None
    predicted_ml: float | None
    reason: str
    png: bytes | None = None


@dataclass(frozen=True, slots=True)
class ReportContent:
    """Everything one page shows. What is empty gets no section.

    Attributes:
        title: Head line.
        experiment: Name of the experiment.
        voxray_version: Which voxray made the page.
        data_sha256: Hash of what the page was made from; no time, so that the same
            input gives the same bytes.
        note: Stands on top and beside every figure, e.g. of a demonstration.
        model: None without a model.
        training: None without training data.
        evidence: Metrics of held-out patients, of the network and of baselines.
        account: Sentences on what was judged, where it is not the held-out patients of
            the training.
        holdout: Metrics of the registered model on the locked holdout; empty while
            nobody looked.
        holdout_line: Which look that was, in words.
        suspects: Exams whose label or mask may be wrong.
        worst: Exams with the worst masks, by structure and rank.
        figures: Pictures of the evidence.
        scores: One row per volume found; None when nothing was scored.
        score_files: Number of files per disposition in the scored folder.
        overlays: Picture per scored scan, taken one at a time and only once, so that a
            generator keeps one in memory. `wanted_overlays` says for which scans.
        structures: Names of the segmented structures, in the order of their colours.
    """

    title: str
    experiment: str
    voxray_version: str
    data_sha256: str
    note: str = ""
    model: ModelFacts | None = None
    training: TrainingData | None = None
    evidence: tuple[Metric, ...] = ()
    account: tuple[str, ...] = ()
    holdout: tuple[Metric, ...] = ()
    holdout_line: str = ""
    suspects: tuple[SuspectScan, ...] = ()
    worst: tuple[WorstMask, ...] = ()
    figures: tuple[ReportFigure, ...] = ()
    scores: tuple[ScoreRow, ...] | None = None
    score_files: Mapping[str, int] = field(default_factory=dict)
    overlays: Iterable[tuple[ScanId, bytes]] = ()
    structures: tuple[str, ...] = ()
