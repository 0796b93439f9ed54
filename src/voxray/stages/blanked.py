"""The network on blanked images, as part of stage 5: what the crop gives away."""

import shutil
from pathlib import Path

import numpy as np

from voxray.core.errors import DatasetError, ManifestError
from voxray.core.files import read_json, write_json
from voxray.core.hashing import sha256_json
from voxray.core.records import ExamId
from voxray.core.specs import FoldValues
from voxray.evaluate import Rival
from voxray.model import Compute, load_network
from voxray.stages.fingerprint import code_hash
from voxray.stages.frame import StageContext, earlier
from voxray.stages.rivals import Rivals, Shares
from voxray.stages.study import FoldName
from voxray.train import (
    NETWORK_FILE,
    SCHEDULE_FILE,
    FoldJob,
    FoldSeed,
    TrainingExam,
    drop_state,
    fit_fold,
)
from voxray.train.baselines import (
    BlankedExam,
    blanked_steps,
    classes_only,
    extent_pattern,
    predict_blanked,
)

FOLDER = "blanked"
_PREDICTIONS_FILE = "predictions.json"
_ALL_EQUAL = "all blanked inputs are equal"


def blanked_rival(rivals: Rivals, folder: Path, compute: Compute) -> Rival | None:
    """Train the network of each fold on blanked images, and let it predict.

    Image content is one constant inside the scan and another beyond it. Nothing is
    trained when all inputs are equal then: every exam gets its class's share.

    Args:
        rivals: The study.
        folder: Of stage 5; what is finished there is not trained again.
        compute: Device and precision.

    Returns:
        None when `evaluate.blanked_share` is 0, or when training cannot be done, which
        is said.
    """
    share = rivals.context.experiment.evaluate.blanked_share
    if not share:
        shutil.rmtree(folder / FOLDER, ignore_errors=True)
        return None
    how = (
        f"the network on images without content, {100 * share:g} % of the fold's steps "
        "and at most 500"
    )
    if _all_equal(rivals):
        shutil.rmtree(folder / FOLDER, ignore_errors=True)
        rows = rivals.of_classes(lambda name: _class_shares(rivals, name))
        return Rival("baseline:blanked", rows, how, by_construction=_ALL_EQUAL)
    blanked = _Blanked(rivals, folder / FOLDER, compute)
    try:
        rows = rivals.of_classes(blanked.predict)
    except DatasetError as error:  # that of the network itself is worth more
        rivals.context.say(f"warning: no network on blanked images: {error}")
        return None
    return Rival("baseline:blanked", rows, how)


def _all_equal(rivals: Rivals) -> bool:
    """Whether the network's input is cut from every scan in the same way."""
    study = rivals.study
    seen: set[tuple[bytes, tuple[str, ...]]] = set()
    for exam in rivals.exams:
        grid = study.cached[exam].grid
        pattern = extent_pattern(grid, study.record(exam).grid, study.plan.input_shape)
        seen.add((np.packbits(pattern).tobytes(), tuple(study.exams[exam])))
        if len(seen) > 1:
            return False
    return True


def _class_shares(rivals: Rivals, name: FoldName) -> Shares:
    targets = rivals.targets_of(rivals.training(name))
    stated = np.isfinite(targets).sum(axis=0)
    shares = np.nansum(targets, axis=0) / np.maximum(stated, 1)
    return dict.fromkeys(rivals.held_out(name), shares)


class _Blanked:
    """Trains and asks the network of one fold after another."""

    def __init__(self, rivals: Rivals, folder: Path, compute: Compute) -> None:
        self.rivals, self.folder, self.compute = rivals, folder, compute
        context = rivals.context
        labels = earlier(context, "ingest", "manifest.csv")
        networks = earlier(context, "train")
        self.inputs_sha256 = sha256_json([labels, networks, code_hash()])

    def predict(self, name: FoldName) -> Shares:
        """Shares of the fold's held-out exams; those of an earlier run if there are."""
        job = self._job(name)
        known = _read(job.folder / _PREDICTIONS_FILE, job.sha256)
        if known is not None:
            return known
        job.folder.mkdir(parents=True, exist_ok=True)
        fit_fold(job, self.compute, self.rivals.context.listen)
        path = job.folder / NETWORK_FILE
        network = load_network(path, job.plan, self.compute)
        exams = [self._exam(e, job.values) for e in self.rivals.held_out(name)]
        said = predict_blanked((network, job.values), exams, job.plan, self.compute)
        _write(job.folder / _PREDICTIONS_FILE, job.sha256, said)
        drop_state(job.folder)
        path.unlink()
        return said

    def _job(self, name: FoldName) -> FoldJob:
        study, experiment = self.rivals.study, self.rivals.context.experiment
        values = study.fold_values(name, self.rivals.context)
        steps = blanked_steps(
            _steps(self.rivals.context, name), experiment.evaluate.blanked_share
        )
        return FoldJob(
            plan=classes_only(study.plan),
            spec=experiment.train.model_copy(update={"steps": steps, "epochs": None}),
            seed=FoldSeed(experiment.seed, name.repeat, name.fold),
            training=[self._training(e, values) for e in self.rivals.training(name)],
            validation=[],
            values=values,
            folder=self.folder / name.folder,
            inputs_sha256=self.inputs_sha256,
            name=f"blanked images, fold {name.fold}",
        )

    def _training(self, exam: ExamId, values: FoldValues) -> TrainingExam:
        return TrainingExam(
            exam,
            self.rivals.study.record(exam).patient_id,
            self._exam(exam, values),
            self.rivals.target_of(exam),
        )

    def _exam(self, exam: ExamId, values: FoldValues) -> BlankedExam:
        study = self.rivals.study
        return BlankedExam.of(
            study.cached[exam],
            study.record(exam).grid,
            study.plan,
            values,
            tuple(study.exams[exam]),
        )


def _steps(context: StageContext, name: FoldName) -> int:
    path = context.folder / "train" / name.folder / SCHEDULE_FILE
    return int(read_json(path)["steps"])


def _read(path: Path, job_sha256: str) -> Shares | None:
    try:
        said = read_json(path)
    except ManifestError:
        return None
    if said["job_sha256"] != job_sha256:
        return None
    return {ExamId(exam): np.array(own) for exam, own in said["shares"].items()}


def _write(path: Path, job_sha256: str, shares: Shares) -> None:
    said = {exam: [float(p) for p in own] for exam, own in shares.items()}
    write_json(path, {"job_sha256": job_sha256, "shares": said})
