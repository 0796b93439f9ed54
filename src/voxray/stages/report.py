"""Stage 8: one HTML page from what is on disk. Recomputes no number."""

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

import voxray
from voxray.core.errors import ManifestError, ScanError
from voxray.core.files import atomic_path, read_json
from voxray.core.findings import FindingCode
from voxray.core.geometry import to_nearest_ras
from voxray.core.hashing import sha256_file, sha256_json
from voxray.core.records import (
    FileFormat,
    FoldRole,
    Metric,
    ScanId,
    ScanSource,
    ScoreRow,
    Sha256,
)
from voxray.core.specs import Experiment, ModelPackage
from voxray.evaluate import read_suspects, read_worst
from voxray.folds import read_folds
from voxray.manifest import read_manifest
from voxray.model import PACKAGE_FILE, read_package
from voxray.report import (
    INDEX,
    ModelFacts,
    ReportContent,
    ReportFigure,
    SuspectScan,
    TrainingData,
    WorstMask,
    draw_overlay,
    range_in_words,
    render_report,
    rule_in_words,
    wanted_overlays,
)
from voxray.scan_io import read_label_map, read_volume
from voxray.score import SCORES_FILE, SOURCES_FILE, SUMMARY_FILE, ScoreColumns
from voxray.score import read_scores as read_score_rows
from voxray.stages.baselines import PICTURES
from voxray.stages.evidence_files import EVALUATION_FILE, FIGURES, SUSPECTS_FILE
from voxray.stages.frame import Stage, StageContext, StageOutcome, earlier
from voxray.stages.holdout import in_words as look_in_words
from voxray.stages.holdout import looked_at_inputs, read_looked_at
from voxray.stages.mask_figures import WORST_FILE, worst_picture
from voxray.stages.register_model import read_metrics
from voxray.stages.workspace import stage_folder

FOLDER = "report"

_CAPTIONS = {
    "roc.png": "ROC curves on patients the networks never saw: of each fold and their "
    "mean, or, of several classes or labels, the mean over folds of each.",
    "precision_recall.png": "Precision against recall on the same patients, each fold "
    "as steps; a random order lies on the line of the prevalence.",
    "reliability.png": "Of exams with about the same probability, the share that is "
    "positive: on the dotted line the probabilities are right. They are not corrected.",
    "decision_curve.png": "What acting on the probability is worth, in true positives "
    "per exam: false positives are paid for at the odds of the threshold (Vickers and "
    "Elkin 2006). Above both other lines the network is of use.",
    "confusion.png": "True against decided classes: two classes and labels at the "
    "operating point, each fold's threshold chosen on the others.",
    "risk_coverage.png": "Share of wrong decisions when the least certain exams are "
    "left to a person, by rules fitted on other exams.",
    "dice.png": "Dice of every held-out exam, with the mean over patients.",
    "bland_altman.png": "Predicted less drawn volume of every held-out exam against "
    "the mean of both: bias (solid) and limits of agreement (dashed), with intervals.",
    "froc.png": "Share of drawn lesions that are found against false positive lesions "
    "a scan (FROC); a cross ends the curve where every predicted lesion counts.",
    "subgroups.png": "Figures of each subgroup with their intervals, and of all exams "
    "(dashed). Filled: the difference from all other exams has an interval without 0.",
    "design_parts.png": "Figures of each repeat of the split, or of each value left "
    "out, with their intervals, and of all exams (dashed).",
    "training.png": "Training loss and validation score per epoch; nothing was chosen "
    "by the validation score.",
}


def run(context: StageContext) -> StageOutcome:
    """Write `report/index.html` from the scores and the evidence."""
    model = context.folder / "model"
    version = f"models:/{context.experiment.model_name}@candidate"
    scored = context.folder / "score"
    content = score_content(scored, model, version)
    write_report(stage_folder(context, FOLDER), _with_evidence(context, content))
    n_scores = len(content.scores or ())
    return StageOutcome({"scores": n_scores}, f"{n_scores} volumes on the page")


def write_report(folder: Path, content: ReportContent) -> Path:
    """Write a report in place of an older one; returns its page."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, data in render_report(content):
        with atomic_path(folder / name) as temporary:
            temporary.write_bytes(data if isinstance(data, bytes) else data.encode())
    return folder / INDEX


def score_content(scored: Path, model: Path, version: str) -> ReportContent:
    """What a report says of a scored folder and the model that scored it.

    Args:
        scored: Folder with `scores.csv`; without one there is no section on scores.
        model: Model folder.
        version: Reference of the model, as a person wrote it.
    """
    package = read_package(model)
    plan = package.plan
    rows = read_score_rows(scored / SCORES_FILE, ScoreColumns.of(plan))
    has_scores = (scored / SCORES_FILE).is_file()
    files = read_json(scored / SUMMARY_FILE)["files"] if has_scores else {}
    return ReportContent(
        title=f"{package.name}: scored scans" if has_scores else package.name,
        experiment=package.name,
        voxray_version=voxray.__version__,
        data_sha256=_identity(scored, model),
        note=package.note,
        model=_facts(package, version, sha256_file(model / PACKAGE_FILE)),
        scores=rows if has_scores else None,
        score_files=files,
        overlays=_overlays(scored, rows, package) if has_scores else (),
        structures=plan.structures,
    )


def _identity(scored: Path, model: Path) -> Sha256:
    files = [p for p in (scored / SCORES_FILE, model / PACKAGE_FILE) if p.is_file()]
    return sha256_json([sha256_file(p) for p in files])


def _facts(package: ModelPackage, version: str, sha256: Sha256) -> ModelFacts:
    rule = package.decision
    points = [rule.operating_point, *rule.operating_points.values()] if rule else []
    point = next((point for point in points if point), None)
    said = point.in_words if point else ""
    return ModelFacts(
        name=package.name,
        version=version,
        sha256=sha256,
        n_patients=None,
        intended_use=package.intended_use,
        licence=package.licence,
        positive=rule.positive if rule and rule.operating_point else None,
        operating_point=said,
        decision=tuple(rule_in_words(rule)) if rule else (),
        training_range=dict(range_in_words(package)),
    )


def _overlays(
    scored: Path, rows: Sequence[ScoreRow], package: ModelPackage
) -> Iterator[tuple[ScanId, bytes]]:
    """Draw one scored scan after another; a scan that is gone has no picture."""
    sources = _sources(scored / "private" / SOURCES_FILE)
    by_id = {row.scan_id: row for row in rows}
    plan = package.plan
    values = dict(zip(plan.structures, plan.mask_values, strict=True))
    for scan_id in wanted_overlays(rows):
        try:
            yield (
                scan_id,
                _overlay(
                    sources[scan_id], scored, by_id[scan_id], values, package.note
                ),
            )
        except (ScanError, KeyError):
            continue


def _sources(path: Path) -> Mapping[ScanId, ScanSource]:
    try:
        said = read_json(path)["sources"]
    except ManifestError:
        return {}
    return {
        ScanId(scan_id): ScanSource(
            ScanId(scan_id),
            FileFormat(row["format"]),
            tuple(map(Path, row["files"])),
            frames=tuple(row.get("frames", ())),
            volume=row.get("volume", 0),
            repairs=tuple(map(FindingCode, row.get("repairs", ()))),
        )
        for scan_id, row in said.items()
    }


def _overlay(
    source: ScanSource,
    scored: Path,
    row: ScoreRow,
    values: Mapping[str, int],
    note: str,
) -> bytes:
    volume = read_volume(source)
    voxels, grid = to_nearest_ras(volume.voxels, volume.grid)
    mask = None
    if row.mask is not None:
        labels = read_label_map(scored / row.mask, row.scan_id)
        mask, _ = to_nearest_ras(labels.voxels, labels.grid)
    image = np.ascontiguousarray(voxels, dtype=np.float32)
    return draw_overlay(image, mask, grid.spacing_mm, values, note)


def _with_evidence(context: StageContext, content: ReportContent) -> ReportContent:
    """Add what stages 1 to 5 left: figures, metrics, training data."""
    training = _training(context)
    metrics: tuple[Metric, ...] = read_metrics(context)
    facts = content.model
    known = facts and replace(facts, n_patients=training.n_patients)
    looked = read_looked_at(context)
    return replace(
        content,
        holdout=looked.metrics if looked else (),
        holdout_line=look_in_words(looked) if looked else "",
        model=known,
        experiment=context.experiment.name,
        evidence=metrics,
        figures=tuple(_figures(context)),
        suspects=tuple(_suspects(context)),
        worst=tuple(_worst(context)),
        training=training,
    )


def _figures(context: StageContext) -> Iterator[ReportFigure]:
    folder = context.folder / "evaluate" / FIGURES
    for name, caption in _CAPTIONS.items():
        if (folder / name).is_file():
            png = (folder / name).read_bytes()
            yield ReportFigure(name.removesuffix(".png"), caption, png)


def _suspects(context: StageContext) -> Iterator[SuspectScan]:
    folder = context.folder / "evaluate"
    for row in read_suspects(folder / SUSPECTS_FILE):
        picture = folder / PICTURES / f"{row.exam_id}.png"
        yield SuspectScan(
            row.rank,
            row.kind,
            row.exam_id,
            row.patient_id,
            row.said_by_person,
            row.said_by_network,
            row.loss,
            row.reason,
            picture.read_bytes() if picture.is_file() else None,
        )


def _worst(context: StageContext) -> Iterator[WorstMask]:
    folder = context.folder / "evaluate"
    for row in read_worst(folder / WORST_FILE):
        picture = worst_picture(folder, row)
        yield WorstMask(
            row.rank,
            row.structure,
            row.exam_id,
            row.patient_id,
            row.dice,
            row.hd95_mm,
            row.true_volume_ml,
            row.volume_ml,
            row.reason,
            picture.read_bytes() if picture.is_file() else None,
        )


def _training(context: StageContext) -> TrainingData:
    """Counts only, without the holdout; the quarantine's paths are private."""
    rows = read_folds(context.folder / "folds" / "folds.csv")
    holdout = {row.patient_id for row in rows if row.role is FoldRole.HOLDOUT}
    manifest = read_manifest(context.folder / "ingest" / "manifest.csv")
    records = [record for record in manifest if record.patient_id not in holdout]
    summary = read_json(context.folder / "ingest" / "summary.json")
    codes = Counter({FindingCode(c): n for c, n in summary["codes"].items()})
    return TrainingData(
        n_patients=len({record.patient_id for record in records}),
        n_exams=len({record.exam_id for record in records}),
        files=summary["files"],
        quarantine=dict(codes),
    )


def _inputs(context: StageContext) -> Mapping[str, Sha256]:
    return {
        **earlier(context, "ingest", "manifest.csv", "summary.json"),
        **earlier(context, "evaluate", EVALUATION_FILE, SUSPECTS_FILE, WORST_FILE),
        **earlier(context, "model", PACKAGE_FILE),
        **earlier(context, "score"),
        **looked_at_inputs(context),
    }


def _config(experiment: Experiment) -> Mapping[str, object]:
    return {"name": experiment.name}


STAGE = Stage(
    number=8,
    name="report",
    title="write the report",
    folder=FOLDER,
    config=_config,
    inputs=_inputs,
    run=run,
)
