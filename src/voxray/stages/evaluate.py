"""Stage 5: predict every exam with the network that never saw its patient; judge."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from voxray.core.files import atomic_path, read_json, write_json
from voxray.core.hashing import sha256_file
from voxray.core.records import Metric, OutOfFoldPrediction, Sha256
from voxray.core.specs import Experiment
from voxray.evaluate import (
    compare_baselines,
    evaluate_oof,
    fit_decision,
    metrics_to_json,
    network_rows,
    possibly_mislabelled,
    require_out_of_fold,
    subgroup_metrics,
    write_baselines,
    write_lesions,
    write_predictions,
    write_suspects,
)
from voxray.folds import read_folds
from voxray.mlflow_store import SHEET, TrackedRun, parent_page
from voxray.model import choose_compute
from voxray.report import (
    FoldHistory,
    baselines_line,
    draw_forest,
    draw_sheet,
    draw_training,
    subgroups_line,
)
from voxray.stages.baselines import draw_suspects, find_rivals
from voxray.stages.class_figures import class_figures
from voxray.stages.evidence_files import (
    DECISION_FILE,
    EVALUATION_FILE,
    FIGURES,
    FOLDER,
    PREDICTIONS_FILE,
    SUSPECTS_FILE,
    TABLES,
)
from voxray.stages.frame import Stage, StageContext, StageOutcome, earlier
from voxray.stages.held_out import HeldOut, predict_held_out
from voxray.stages.mask_figures import WORST_FILE, draw_masks, list_worst
from voxray.stages.study import Study, read_study
from voxray.stages.subgroup_columns import find_groupings
from voxray.stages.tracking import reopened_parent, without_names
from voxray.stages.workspace import stage_folder
from voxray.train import HISTORY_FILE

LESIONS_FILE = "lesions.parquet"
BASELINES_FILE = "baseline_predictions.parquet"
_HEADLINE = {"auc", "auc_per_patient", "dice", "quadratic_kappa"}


def run(context: StageContext) -> StageOutcome:
    """Out-of-fold predictions, metrics with intervals, figures; logged to MLflow."""
    with reopened_parent(context) as parent:
        return _judge(context, parent)


def _judge(context: StageContext, parent: TrackedRun) -> StageOutcome:
    folder = stage_folder(context, FOLDER)
    study = read_study(context)
    found = predict_held_out(context, study, folder)
    predictions = found.predictions
    require_out_of_fold(predictions, study.rows)
    write_predictions(predictions, folder / PREDICTIONS_FILE)
    write_lesions(found.lesions, folder / LESIONS_FILE)
    metrics = _measure(context, study, found, folder)
    write_json(folder / EVALUATION_FILE, {"metrics": metrics_to_json(metrics)})
    _list_suspects(context, study, predictions, folder)
    list_worst(context, study, predictions, folder)
    experiment = context.experiment
    decision = fit_decision(predictions, experiment.task, experiment.evaluate)
    fitted = decision.model_dump(mode="json") if decision else None
    write_json(folder / DECISION_FILE, {"decision": fitted})
    figures = _draw(context, study, found, network_rows(metrics))
    if experiment.evaluate.subgroups:
        figures["subgroups.png"] = draw_forest(metrics, experiment.note)
    _write_figures(folder / FIGURES, figures)
    _record(context, parent, metrics, figures)
    counts = {"predictions": len(predictions), "metrics": len(metrics)}
    return StageOutcome(counts, headline(metrics))


def _measure(
    context: StageContext,
    study: Study,
    found: HeldOut,
    folder: Path,
) -> tuple[Metric, ...]:
    """The network's metrics, then those of each baseline and the difference."""
    spec, predictions = context.experiment, found.predictions
    metrics = evaluate_oof(
        predictions, spec.task, spec.evaluate, spec.seed, found.lesions
    )
    compute = choose_compute(spec.train.device)
    rivals = find_rivals(study, context, predictions, folder, compute)
    write_baselines({r.name: r.predictions for r in rivals}, folder / BASELINES_FILE)
    compared = compare_baselines(
        predictions, rivals, spec.task, spec.evaluate, spec.seed
    )
    return (*metrics, *_subgroups(context, study, predictions), *compared)


def _subgroups(
    context: StageContext, study: Study, predictions: Sequence[OutOfFoldPrediction]
) -> tuple[Metric, ...]:
    spec = context.experiment
    records = {exam: study.record(exam) for exam in study.exams}
    groupings = find_groupings(records, predictions, spec)
    return subgroup_metrics(predictions, groupings, spec.task, spec.evaluate, spec.seed)


def _list_suspects(
    context: StageContext,
    study: Study,
    predictions: Sequence[OutOfFoldPrediction],
    folder: Path,
) -> None:
    suspects = possibly_mislabelled(predictions)
    write_suspects(suspects, folder / SUSPECTS_FILE)
    draw_suspects(study, context, suspects, folder)


def _write_figures(folder: Path, figures: Mapping[str, bytes]) -> None:
    """Write the figures in place of those of an earlier task."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, png in figures.items():
        with atomic_path(folder / name) as temporary:
            temporary.write_bytes(png)


def _draw(
    context: StageContext,
    study: Study,
    found: HeldOut,
    metrics: Sequence[Metric],
) -> dict[str, bytes]:
    """Figures by file name, only those the task has."""
    figures = {"training.png": _draw_training(context, study)}
    figures |= class_figures(found.predictions, metrics, context.experiment)
    figures |= draw_masks(context.experiment, found.predictions, found.lesions, metrics)
    return figures


def _draw_training(context: StageContext, study: Study) -> bytes:
    score = "val_dice" if study.plan.structures else "val_log_loss"
    histories = []
    for name in study.folds():
        path = context.folder / "train" / name.folder / HISTORY_FILE
        rows = read_json(path)["epochs"]
        histories.append(
            FoldHistory(
                name.fold,
                [row["epoch"] for row in rows],
                [row["loss"] for row in rows],
                [row.get(score) for row in rows],
            )
        )
    name_of = {"val_dice": "validation Dice", "val_log_loss": "validation log loss"}
    return draw_training(histories, name_of[score], context.experiment.note)


def _record(
    context: StageContext,
    parent: TrackedRun,
    metrics: Sequence[Metric],
    figures: Mapping[str, bytes],
) -> None:
    """Log to the run that stage 4 opened; no readable id leaves the workspace."""
    folder = context.folder / FOLDER
    parent.log_metrics(metrics)
    figures = {**figures, SHEET: draw_sheet(figures)}
    parent.log_figures(figures)
    for name in (PREDICTIONS_FILE, BASELINES_FILE, LESIONS_FILE):
        table = pd.read_parquet(folder / name)
        parent.log_table(Path(name).stem, without_names(context, table))
    for name in (SUSPECTS_FILE, WORST_FILE):
        listed = without_names(context, pd.read_csv(folder / name))
        parent.log_files({name: listed.to_csv(index=False)}, TABLES)
    others = {name: folder / name for name in (EVALUATION_FILE, DECISION_FILE)}
    parent.log_files(others, TABLES)
    rows = read_folds(context.folder / "folds" / "folds.csv")
    n_folds = len({(row.repeat, row.fold) for row in rows})
    n_patients = len({row.patient_id for row in rows})
    facts = f"{n_patients} patients in {n_folds} folds, split by patient."
    if line := subgroups_line(metrics):
        facts = f"{facts}\n\n{line}"
    note = context.experiment.note
    own, shown = network_rows(metrics), tuple(figures)
    parent.describe(parent_page(headline(metrics), facts, own, shown, note))


def headline(metrics: Sequence[Metric]) -> str:
    """The most important figures of the network, and of the baselines."""
    own = network_rows(metrics)
    shown = [m for m in own if m.metric in _HEADLINE and m.value is not None]
    said = "; ".join(_words(m) for m in shown)
    line = said or "nothing estimable, see evaluation.json"
    against = baselines_line(metrics)
    return f"{line}; {against}" if against else line


def _words(metric: Metric) -> str:
    name = f"{metric.metric} {metric.class_}".strip()
    if metric.low is None or metric.high is None:
        return f"{name} {metric.value:.3f} (interval not estimable)"
    return f"{name} {metric.value:.3f} [{metric.low:.3f}, {metric.high:.3f}]"


def _inputs(context: StageContext) -> Mapping[str, Sha256]:
    table = sha256_file(context.folder / "folds" / "folds.csv")
    return {
        **earlier(context, "ingest", "manifest.csv"),
        **earlier(context, "preprocess"),
        **earlier(context, "train"),
        "folds/folds.csv": table,
    }


def _config(experiment: Experiment) -> Mapping[str, object]:
    said = experiment.model_dump(mode="json")
    return {name: said[name] for name in ("seed", "task", "evaluate", "note", "track")}


STAGE = Stage(
    number=5,
    name="evaluate",
    title="predict held-out exams and judge",
    folder=FOLDER,
    config=_config,
    inputs=_inputs,
    run=run,
)
