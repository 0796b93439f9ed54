"""Stage 5: predict every exam with the network that never saw its patient; judge."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from voxray.core.files import atomic_path, read_json, write_json
from voxray.core.hashing import sha256_file
from voxray.core.records import (
    LEFT_OUT,
    FoldRole,
    Metric,
    OutOfFoldPrediction,
    Sha256,
)
from voxray.core.specs import Experiment
from voxray.core.wording import counted
from voxray.evaluate import (
    compare_baselines,
    design_metrics,
    evaluate_oof,
    metrics_to_json,
    network_rows,
    possibly_mislabelled,
    repeat_name,
    require_out_of_fold,
    subgroup_metrics,
    write_baselines,
    write_lesions,
    write_predictions,
    write_suspects,
)
from voxray.folds import values_of_folds
from voxray.mlflow_store import SHEET, TrackedRun, parent_page
from voxray.model import choose_compute
from voxray.report import (
    FoldHistory,
    baselines_line,
    draw_parts,
    draw_sheet,
    draw_subgroups,
    draw_training,
    part_rows,
    parts_line,
    registered_line,
    subgroups_line,
)
from voxray.stages.baselines import draw_suspects, find_rivals
from voxray.stages.class_figures import class_figures
from voxray.stages.decision import fit_and_judge, risk_figures
from voxray.stages.evidence_files import (
    CALIBRATION_FILE,
    DECISION_FILE,
    EVALUATION_FILE,
    FIGURES,
    FOLDER,
    LESIONS_FILE,
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
    evidence = fit_and_judge(context, study, predictions, folder)
    metrics = (*_measure(context, study, found, folder), *evidence.metrics)
    write_json(folder / EVALUATION_FILE, {"metrics": metrics_to_json(metrics)})
    _list_suspects(context, study, predictions, folder)
    list_worst(context, study, predictions, folder)
    experiment = context.experiment
    figures = _draw(context, study, found, network_rows(metrics))
    figures |= risk_figures(evidence, context)
    if experiment.evaluate.subgroups:
        figures["subgroups.png"] = draw_subgroups(metrics, experiment.note)
    if part_rows(metrics):
        figures["design_parts.png"] = draw_parts(metrics, experiment.note)
    _write_figures(folder / FIGURES, figures)
    _record(context, study, parent, metrics, figures)
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
    parts = _design_parts(context, study, predictions)
    return (*metrics, *parts, *_subgroups(context, study, predictions), *compared)


def _design_parts(
    context: StageContext, study: Study, predictions: Sequence[OutOfFoldPrediction]
) -> tuple[Metric, ...]:
    """Figures of each repeat, or of each value that was left out."""
    spec = context.experiment
    column = spec.folds.left_out_column
    if column is not None:
        records = [scan for exam in study.exams.values() for scan in exam.values()]
        values = values_of_folds(study.rows, records, column)

        def part_of(row: OutOfFoldPrediction) -> str:
            return f"{LEFT_OUT}{column}={values[row.fold]}"

    elif spec.folds.repeats > 1:
        part_of = repeat_name
    else:
        return ()
    return design_metrics(predictions, part_of, spec.task, spec.evaluate, spec.seed)


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
                name.repeat,
            )
        )
    name_of = {"val_dice": "validation Dice", "val_log_loss": "validation log loss"}
    return draw_training(histories, name_of[score], context.experiment.note)


def _record(
    context: StageContext,
    study: Study,
    parent: TrackedRun,
    metrics: Sequence[Metric],
    figures: Mapping[str, bytes],
) -> None:
    """Log to the run that stage 4 opened; no readable id leaves the workspace."""
    folder = context.folder / FOLDER
    parent.log_metrics(metrics)
    figures = {**figures, SHEET: draw_sheet(figures)}
    parent.log_figures(figures)
    tables = (PREDICTIONS_FILE, BASELINES_FILE, LESIONS_FILE, CALIBRATION_FILE)
    for name in tables:
        if not (folder / name).is_file():
            continue  # no patients were kept for calibration
        table = pd.read_parquet(folder / name)
        parent.log_table(Path(name).stem, without_names(context, table))
    for name in (SUSPECTS_FILE, WORST_FILE):
        listed = without_names(context, pd.read_csv(folder / name))
        parent.log_files({name: listed.to_csv(index=False)}, TABLES)
    others = {name: folder / name for name in (EVALUATION_FILE, DECISION_FILE)}
    parent.log_files(others, TABLES)
    describe_parent(context, study, parent, metrics, tuple(figures))


def describe_parent(
    context: StageContext,
    study: Study,
    parent: TrackedRun,
    metrics: Sequence[Metric],
    shown: Sequence[str],
    *,
    holdout: str = "",
) -> None:
    """Write the page of the run that stage 4 opened.

    Args:
        context: Of the experiment.
        study: What was split, and how.
        parent: The run.
        metrics: Of stage 5.
        shown: Names of the figures.
        holdout: What the locked holdout showed; "" while nobody looked.
    """
    facts = " ".join(_design_in_words(context, study))
    lines = parts_line(metrics), subgroups_line(metrics), holdout
    facts = "\n\n".join(filter(None, (facts, *lines)))
    own, note = network_rows(metrics), context.experiment.note
    parent.describe(parent_page(headline(metrics), facts, own, shown, note))


def _design_in_words(context: StageContext, study: Study) -> Iterator[str]:
    """Who was held out, how often, and who was not looked at."""
    spec, holdout = context.experiment.folds, study.holdout()
    rows = (row for row in study.rows if row.role is FoldRole.HELD_OUT)
    n_patients = len({row.patient_id for row in rows})
    n_folds = len(study.registered_folds())
    how = f"{counted(n_patients, 'patient')} in {n_folds} folds, split by patient."
    if spec.left_out_column:
        how = f"{how} Each fold leaves out one value of {spec.left_out_column!r}."
    yield how
    if spec.repeats > 1:
        yield (
            f"The split was drawn {spec.repeats} times; the model is of the first one."
        )
    if holdout:
        n = counted(len(holdout), "patient")
        yield f"The locked holdout of {n} was not looked at for these figures."


def headline(metrics: Sequence[Metric]) -> str:
    """The most important figures of the network, and of the baselines."""
    own = network_rows(metrics)
    shown = [m for m in own if m.metric in _HEADLINE and m.value is not None]
    said = "; ".join(_words(m) for m in shown)
    line = said or "nothing estimable, see evaluation.json"
    against = baselines_line(metrics)
    said = f"{line}; {against}" if against else line
    decided = registered_line(metrics)
    return f"{said}; {decided}" if decided else said


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
    kept = ("seed", "task", "evaluate", "note", "track")
    return {**{name: said[name] for name in kept}, "scheme": experiment.folds.scheme}


STAGE = Stage(
    number=5,
    name="evaluate",
    title="predict held-out exams and judge",
    folder=FOLDER,
    config=_config,
    inputs=_inputs,
    run=run,
)
