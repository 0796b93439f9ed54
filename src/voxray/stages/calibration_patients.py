"""What the registered ensemble says of the patients that no network ever saw."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from voxray.core.errors import DatasetError, LeakageError, ManifestError
from voxray.core.files import read_json, write_json
from voxray.core.hashing import sha256_file, sha256_json
from voxray.core.progress import Progress
from voxray.core.records import (
    ExamId,
    FoldRole,
    FoldRow,
    OutOfFoldPrediction,
    PatientId,
    Sha256,
)
from voxray.evaluate import in_parts, read_predictions, write_predictions
from voxray.model import Compute, Member, choose_compute, predict_ensemble
from voxray.stages.evidence_files import CALIBRATION_FILE
from voxray.stages.frame import StageContext
from voxray.stages.held_out import fold_member, inputs_sha256, named
from voxray.stages.study import Study
from voxray.stages.targets import class_name, labels_of


def predict_calibration(
    context: StageContext, study: Study, folder: Path
) -> tuple[OutOfFoldPrediction, ...]:
    """Ask all fold networks together, as scoring does, about the calibration patients.

    `fold` of a prediction is the part of the cross-fitting. What the same networks said
    before is read.

    Returns:
        Nothing when `folds.csv` has no such patient; then nothing is left on disk.

    Raises:
        DatasetError: If none of these patients has a prepared exam.
        LeakageError: If such a patient has another role in a fold.
    """
    table, record = folder / CALIBRATION_FILE, _record(folder)
    patients = calibration_patients(study.rows)
    classify = context.experiment.task.classify
    if not patients or classify is None:
        table.unlink(missing_ok=True)
        record.unlink(missing_ok=True)
        return ()
    exams = study.exams_of(patients)
    if not exams:
        msg = (
            f"none of the {len(patients)} patients of folds.calibration has a prepared "
            "exam; see preprocess/ for why, or take a larger fraction"
        )
        raise DatasetError(msg)
    made_from = sha256_json(
        [inputs_sha256(context, study.registered_folds()), context.experiment.seed]
    )
    known = {"inputs": made_from}
    if _holds(table, record, known):
        return read_predictions(table)
    rows = in_parts(_predict(context, study, exams), classify, context.experiment.seed)
    write_predictions(rows, table)
    write_json(record, {**known, "file": sha256_file(table)})
    return rows


def calibration_patients(rows: Sequence[FoldRow]) -> frozenset[PatientId]:
    """Patients whose only role, in every fold, is calibration.

    Raises:
        LeakageError: If one is trained on, watched or held out in a fold.
    """
    folds = {(row.repeat, row.fold) for row in rows}
    kept = {(r.repeat, r.fold, r.patient_id) for r in rows if _is_calibration(r)}
    found = frozenset(patient for *_, patient in kept)
    lacking = {(*fold, patient) for fold in folds for patient in found} - kept
    other = {(r.repeat, r.fold, r.patient_id) for r in rows if not _is_calibration(r)}
    if leaks := sorted(lacking | (other & kept)):
        repeat, fold, patient = leaks[0]
        msg = (
            f"calibration patient {patient!r} has another role in fold {fold} of "
            f"repeat {repeat}; split again with stage 3"
        )
        raise LeakageError(msg)
    return found


def _is_calibration(row: FoldRow) -> bool:
    return row.role is FoldRole.CALIBRATION


def _record(folder: Path) -> Path:
    return (folder / CALIBRATION_FILE).with_suffix(".json")


def _holds(table: Path, record: Path, known: Mapping[str, Sha256]) -> bool:
    try:
        said = read_json(record)
    except ManifestError:
        return False
    return table.is_file() and said == {**said, **known, "file": sha256_file(table)}


def _predict(
    context: StageContext, study: Study, exams: Sequence[ExamId]
) -> list[OutOfFoldPrediction]:
    compute = choose_compute(context.experiment.train.device)
    members = [
        fold_member(context, study, name, compute) for name in study.registered_folds()
    ]
    rows = []
    for number, exam_id in enumerate(exams, start=1):
        rows.append(_row(context, study, exam_id, members, compute))
        context.listen(Progress("predicting calibration exams", number, len(exams)))
    return rows


def _row(
    context: StageContext,
    study: Study,
    exam_id: ExamId,
    members: Sequence[Member],
    compute: Compute,
) -> OutOfFoldPrediction:
    record, classify = study.record(exam_id), context.experiment.task.classify
    image = np.asarray(study.cached[exam_id].read_image())
    said, _ = predict_ensemble(members, image, study.plan, compute)
    assert said.classes is not None  # the task has classes
    return OutOfFoldPrediction(
        repeat=0,
        fold=0,
        exam_id=exam_id,
        patient_id=record.patient_id,
        label=class_name(record, classify),
        labels=labels_of(record, classify),
        probabilities=named(study.plan.classes, said.classes),
    )
