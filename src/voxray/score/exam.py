"""One accepted exam through the whole model."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from voxray.core.decision import calibrate, decide, refers, uncertainty
from voxray.core.findings import FindingCode
from voxray.core.geometry import VoxelGrid
from voxray.core.records import ScanRecord, ScanSource, ScoreRow, ScoreStatus
from voxray.core.specs import DecisionRule, ModelPackage, Plan
from voxray.ingest import Look
from voxray.model import Compute, Model, Probabilities, predict_ensemble
from voxray.preprocess import clean, labels_on_source, prepare_exam, volumes_ml
from voxray.scan_io import write_label_map
from voxray.score.references import range_problem, value_problem

MASK_FOLDER = "masks"


@dataclass(frozen=True, slots=True, eq=False)
class Scorer:
    """A model, the machine it runs on, and the folder for masks.

    Attributes:
        name: Written into every row, e.g. "hippocampus".
        out: `masks/` is made below it.
    """

    model: Model
    compute: Compute
    name: str
    out: Path


@dataclass(frozen=True, slots=True, eq=False)
class FoundExam:
    """The accepted scans of one exam.

    Attributes:
        scans: Record and files by channel, in the order of the model's channels; the
            first channel is there.
        looks: What was seen of the voxels, by channel; of one without, values are
            taken to be right.
    """

    scans: Mapping[str, tuple[ScanRecord, ScanSource]]
    looks: Mapping[str, Look] = field(default_factory=dict)

    @property
    def records(self) -> tuple[ScanRecord, ...]:
        """Scans in the order of the channels."""
        return tuple(record for record, _ in self.scans.values())


def score_exam(exam: FoundExam, scorer: Scorer) -> tuple[ScoreRow, ...]:
    """Score one exam, or say why it is refused: a row for each of its scans.

    What the model says stands on the scan of the first channel.

    Raises:
        ScanError: If a scan cannot be read.
    """
    package = scorer.model.package
    first, *others = exam.records
    problem = _range_problem(exam, package)
    if problem:
        code = FindingCode.OUTSIDE_TRAINING_RANGE
        return unscored(exam, ScoreStatus.REFUSED, code, problem, scorer)
    sources = {name: source for name, (_, source) in exam.scans.items()}
    prepared = prepare_exam(sources, None, package.plan)
    said, spread = predict_ensemble(
        scorer.model.members, prepared.image, package.plan, scorer.compute
    )
    mask, volumes = _mask(said, prepared.grid, first, scorer)
    rule = package.decision
    probabilities = _by_class(said, package.plan, rule)
    point = rule.operating_point if rule else None
    points = rule.operating_points if rule else {}
    row = replace(
        _row(first, ScoreStatus.SCORED, scorer),
        probabilities=probabilities,
        threshold=point.threshold if point else None,
        thresholds={name: own.threshold for name, own in points.items()},
        disagreement=spread,
        mask=mask,
        volume_ml=volumes,
    )
    if rule and probabilities:
        row = _decided(row, rule)
    return row, *(_beside(record, first, scorer) for record in others)


def _decided(row: ScoreRow, rule: DecisionRule) -> ScoreRow:
    """What a person is told, how near that is to something else, and who decides."""
    found = uncertainty(row.probabilities, rule)
    return replace(
        row,
        decision=decide(row.probabilities, rule),
        uncertainty=found,
        refer=refers(found, rule),
    )


def _range_problem(exam: FoundExam, package: ModelPackage) -> str | None:
    """Compare each channel with its own training scans."""
    first = package.plan.channels[0]
    known = {first: package.references, **package.channel_references}
    for name, (record, _) in exam.scans.items():
        problem = range_problem(
            record.modality, record.grid, known[name], package.plan.longer_side_mm
        )
        if problem is None and name in exam.looks:
            problem = value_problem(exam.looks[name], known[name])
        if problem:
            return problem if len(known) == 1 else f"{name}: {problem}"
    return None


def _beside(record: ScanRecord, first: ScanRecord, scorer: Scorer) -> ScoreRow:
    reason = f"channel {record.channel} of the exam; see scan {first.scan_id}"
    return replace(_row(record, ScoreStatus.SCORED, scorer), reason=reason)


def unscored(
    exam: FoundExam,
    status: ScoreStatus,
    code: FindingCode,
    reason: str,
    scorer: Scorer,
) -> tuple[ScoreRow, ...]:
    """Rows of an exam that got no score."""
    return tuple(
        replace(_row(record, status, scorer), reason_code=code, reason=reason)
        for record in exam.records
    )


def _row(record: ScanRecord, status: ScoreStatus, scorer: Scorer) -> ScoreRow:
    return ScoreRow(
        exam_id=record.exam_id,
        scan_id=record.scan_id,
        patient_id=record.patient_id,
        status=status,
        model=scorer.name,
        model_sha256=scorer.model.sha256,
    )


def _by_class(
    said: Probabilities, plan: Plan, rule: DecisionRule | None
) -> dict[str, float]:
    """Calibrated, where the rule says how."""
    if said.classes is None:
        return {}
    given = {n: float(p) for n, p in zip(plan.classes, said.classes, strict=True)}
    return calibrate(given, rule) if rule else given


def _mask(
    said: Probabilities, grid: VoxelGrid, record: ScanRecord, scorer: Scorer
) -> tuple[str | None, dict[str, float]]:
    """Write the mask on the scan's own grid; returns its name and the volumes."""
    if said.masks is None:
        return None, {}
    plan = scorer.model.package.plan
    labels = labels_on_source(said.masks, grid, record.grid, plan)
    labels = clean(labels, record.grid, plan, scorer.model.package.clean_up)
    name = f"{MASK_FOLDER}/{record.scan_id}.nii.gz"
    write_label_map(scorer.out / name, labels, record.grid)
    return name, volumes_ml(labels, record.grid, plan)
