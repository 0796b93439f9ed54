"""One accepted volume through the whole model."""

from dataclasses import dataclass
from pathlib import Path

from voxray.core.decision import decide
from voxray.core.findings import FindingCode
from voxray.core.geometry import VoxelGrid
from voxray.core.records import ScanRecord, ScanSource, ScoreRow, ScoreStatus
from voxray.core.specs import Plan
from voxray.model import Compute, Model, Probabilities, predict_ensemble
from voxray.preprocess import label_map, prepare_scan, to_source_grid, volumes_ml
from voxray.scan_io import write_label_map
from voxray.score.references import range_problem

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


def score_volume(record: ScanRecord, source: ScanSource, scorer: Scorer) -> ScoreRow:
    """Score one volume, or say why it is refused.

    Raises:
        ScanError: If it cannot be read.
    """
    package = scorer.model.package
    problem = range_problem(record.modality, record.grid, package.references)
    if problem:
        code = FindingCode.OUTSIDE_TRAINING_RANGE
        return unscored(record, ScoreStatus.REFUSED, code, problem, scorer)
    prepared = prepare_scan(source, None, package.plan)
    said, spread = predict_ensemble(
        scorer.model.members, prepared.image, package.plan, scorer.compute
    )
    mask, volumes = _mask(said, prepared.grid, record, scorer)
    probabilities = _by_class(said, package.plan)
    rule = package.decision
    point = rule.operating_point if rule else None
    return ScoreRow(
        exam_id=record.exam_id,
        scan_id=record.scan_id,
        patient_id=record.patient_id,
        status=ScoreStatus.SCORED,
        decision=decide(probabilities, rule) if rule and probabilities else None,
        probabilities=probabilities,
        threshold=point.threshold if point else None,
        uncertainty=spread,
        mask=mask,
        volume_ml=volumes,
        model=scorer.name,
        model_sha256=scorer.model.sha256,
    )


def unscored(
    record: ScanRecord,
    status: ScoreStatus,
    code: FindingCode,
    reason: str,
    scorer: Scorer,
) -> ScoreRow:
    """Row of a volume that got no score."""
    return ScoreRow(
        exam_id=record.exam_id,
        scan_id=record.scan_id,
        patient_id=record.patient_id,
        status=status,
        reason_code=code,
        reason=reason,
        model=scorer.name,
        model_sha256=scorer.model.sha256,
    )


def _by_class(said: Probabilities, plan: Plan) -> dict[str, float]:
    if said.classes is None:
        return {}
    return {n: float(p) for n, p in zip(plan.classes, said.classes, strict=True)}


def _mask(
    said: Probabilities, grid: VoxelGrid, record: ScanRecord, scorer: Scorer
) -> tuple[str | None, dict[str, float]]:
    """Write the mask on the scan's own grid; returns its name and the volumes."""
    if said.masks is None:
        return None, {}
    plan = scorer.model.package.plan
    labels = label_map(to_source_grid(said.masks, grid, record.grid), plan)
    name = f"{MASK_FOLDER}/{record.scan_id}.nii.gz"
    write_label_map(scorer.out / name, labels, record.grid)
    return name, volumes_ml(labels, record.grid, plan)
