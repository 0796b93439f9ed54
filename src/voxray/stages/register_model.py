"""Stage 6: put the whole pipeline into one folder, register it, read it back."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import voxray
from voxray.core.files import read_json, write_json
from voxray.core.hashing import sha256_json
from voxray.core.records import (
    ExamId,
    FoldRole,
    Metric,
    PatientId,
    ScanRecord,
    Sha256,
)
from voxray.core.seen import SEEN_FILE, remember
from voxray.core.specs import (
    CleanUp,
    DecisionRule,
    Experiment,
    FoldValues,
    ModelPackage,
    ReferenceStatistics,
    Truth,
)
from voxray.evaluate import metrics_from_json
from voxray.mlflow_store import (
    AUDIT_PASSED,
    AUDIT_TAG,
    Registration,
    register_model,
)
from voxray.model import hash_files, write_package
from voxray.preprocess import learn_references
from voxray.report import ModelCard, pictures_section, render_card
from voxray.stages.evaluate import headline
from voxray.stages.evidence_files import DECISION_FILE, EVALUATION_FILE, FIGURES
from voxray.stages.frame import Stage, StageContext, StageOutcome, earlier
from voxray.stages.ingest import intake_rules
from voxray.stages.read_back import ReadBack
from voxray.stages.study import FoldName, Study, read_study
from voxray.stages.tracking import open_tracking, read_parent_key, shared_scan_id
from voxray.stages.train import VALUES_FILE, read_clean_up
from voxray.stages.workspace import stage_folder
from voxray.train import NETWORK_FILE

FOLDER = "model"
_PLACES: dict[str, bool | set[str]] = {
    "scans": True,
    "masks": True,
    "labels": {"table"},
    "overrides": True,
}


def run(context: StageContext) -> StageOutcome:
    """Build the model folder, register it as `candidate`, compare what came back."""
    folder = stage_folder(context, FOLDER)
    shutil.rmtree(folder)
    folder.mkdir()
    study = read_study(context)
    package = _package(context, study)
    for fold, file in zip(study.registered_folds(), package.networks, strict=True):
        shutil.copyfile(_trained(context, fold) / NETWORK_FILE, folder / file)
    seen = remember(_seen(study), context.pseudonymizer, _salt(folder, package))
    write_json(folder / SEEN_FILE, seen.model_dump(mode="json"))
    metrics = read_metrics(context)
    card = _card(context, study, package, metrics)
    pictures = _copy_pictures(context, folder)
    sha256 = write_package(folder, package, card + pictures)
    name = context.experiment.model_name
    back = ReadBack(context, study, package)
    about = f"{headline(metrics)}\n\n{card}"
    registration = Registration(name, about, _tags(context), back.compare)
    tracker = open_tracking(context)
    run_id = tracker.run_id(read_parent_key(context))
    version = register_model(tracker.reach(), run_id, folder, registration)
    message = f"models:/{name}/{version} is the new candidate, {sha256[:12]}…"
    return StageOutcome(
        {"version": version, "networks": len(package.networks)}, message
    )


def _copy_pictures(context: StageContext, folder: Path) -> str:
    """Put the evidence's figures beside the card; returns the section that shows them.

    The section is not part of the registry's page, which cannot show them.
    """
    there = context.folder / "evaluate" / FIGURES
    if not there.is_dir():
        return ""
    shutil.copytree(there, folder / FIGURES)
    names = sorted(path.name for path in there.iterdir())
    return pictures_section([f"{FIGURES}/{name}" for name in names])


def read_metrics(context: StageContext) -> tuple[Metric, ...]:
    """What stage 5 measured."""
    path = context.folder / "evaluate" / EVALUATION_FILE
    return metrics_from_json(read_json(path)["metrics"])


def _package(context: StageContext, study: Study) -> ModelPackage:
    experiment, plan = context.experiment, study.plan
    names = study.registered_folds()
    decision = read_json(context.folder / "evaluate" / DECISION_FILE)["decision"]
    references = {channel: _references(study, channel) for channel in plan.channels}
    return ModelPackage(
        name=experiment.model_name,
        note=experiment.note,
        voxray_version=voxray.__version__,
        experiment_sha256=_sha256_of(experiment),
        rules=intake_rules(experiment.data),
        plan=plan,
        fold_values=tuple(_values(context, name) for name in names),
        networks=tuple(f"fold_{n}.safetensors" for n in range(len(names))),
        clean_up=CleanUp.of_most([read_clean_up(_trained(context, n)) for n in names]),
        decision=DecisionRule.model_validate(decision) if decision else None,
        references=references[plan.channels[0]],
        channel_references={c: references[c] for c in plan.channels[1:]},
        truth=_truth(experiment),
        units={f"volume_ml_{name}": "mL" for name in plan.structures},
        licence=experiment.register_.licence,
        intended_use=experiment.register_.intended_use,
        files={},
    )


def _truth(experiment: Experiment) -> Truth:
    """How labelled scans are judged elsewhere. No path: it may name people."""
    labels = experiment.data.labels
    return Truth(
        task=experiment.task,
        key=labels.key if labels else None,
        by=labels.by if labels else "scan",
        patient=experiment.data.patient,
        evaluate=experiment.evaluate,
        seed=experiment.seed,
    )


def _seen(study: Study) -> list[ScanRecord]:
    """Scans of all patients but those of the holdout, who have no part in anything."""
    kept_out = {r.patient_id for r in study.rows if r.role is FoldRole.HOLDOUT}
    return [
        scan
        for scans in study.exams.values()
        for scan in scans.values()
        if scan.patient_id not in kept_out
    ]


def _salt(folder: Path, package: ModelPackage) -> str:
    """Of the weights: the same for the same model, another for every other one."""
    hashes = hash_files(folder, package.networks)
    return sha256_json([hashes, package.experiment_sha256])[:32]


def _references(study: Study, channel: str) -> ReferenceStatistics:
    exams = (study.statistics[exam_id] for exam_id in _exams_in_folds(study))
    scans = [exam[channel] for exam in exams if channel in exam]
    in_units = study.plan.normalisation[channel] == "window"
    longer = study.plan.longer_side_mm
    return learn_references(scans, in_units=in_units, longer_side_mm=longer)


def _sha256_of(experiment: Experiment) -> Sha256:
    """Hash of the whole experiment but for places, which differ between machines."""
    said = experiment.model_dump(
        mode="json",
        exclude={"track": True, "score": True, "data": _PLACES},
    )
    return sha256_json(said)


def _trained(context: StageContext, name: FoldName) -> Path:
    return context.folder / "train" / name.folder


def _values(context: StageContext, name: FoldName) -> FoldValues:
    return FoldValues.model_validate(read_json(_trained(context, name) / VALUES_FILE))


def _exams_in_folds(study: Study) -> tuple[ExamId, ...]:
    """Prepared exams of patients that some fold holds out: no holdout."""
    everyone = (study.patients(name).held_out for name in study.folds())
    return study.exams_of(frozenset[PatientId]().union(*everyone))


def _card(
    context: StageContext,
    study: Study,
    package: ModelPackage,
    metrics: Sequence[Metric],
) -> str:
    exams = _exams_in_folds(study)
    patients = {study.record(exam_id).patient_id for exam_id in exams}
    scans = [scan for exam_id in exams for scan in study.exams[exam_id].values()]
    signed = [
        (shared_scan_id(context, scan.scan_id), finding)
        for scan in scans
        for finding in scan.findings
        if finding.override
    ]
    return render_card(
        ModelCard(
            package,
            len(exams),
            len(patients),
            metrics,
            tuple(signed),
            context.experiment.register_.limits,
        )
    )


def _tags(context: StageContext) -> dict[str, str]:
    audit = read_json(context.folder / "folds" / "audit.json")
    passed = {AUDIT_TAG: AUDIT_PASSED} if audit.get("passed") is True else {}
    return {**passed, "n_patients": str(audit["n_patients"])}


def _inputs(context: StageContext) -> Mapping[str, Sha256]:
    evaluated = earlier(context, "evaluate", EVALUATION_FILE, DECISION_FILE)
    return {**earlier(context, "train"), **evaluated}


def _config(experiment: Experiment) -> Mapping[str, object]:
    said = experiment.model_dump(mode="json")
    kept = ("channels", "exam", "policy", "patient")
    data = {name: said["data"][name] for name in kept}
    labels = said["data"]["labels"] or {}
    data["labels"] = {name: labels.get(name) for name in ("key", "by")}
    names = ("name", "note", "register_", "track", "task", "evaluate", "seed")
    return {"data": data, **{name: said[name] for name in names}}


STAGE = Stage(
    number=6,
    name="register_model",
    title="register the model",
    folder=FOLDER,
    config=_config,
    inputs=_inputs,
    run=run,
)
