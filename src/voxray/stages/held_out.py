"""Every exam predicted by the network that never saw its patient, a fold at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voxray.core.errors import ManifestError
from voxray.core.files import read_json, write_json
from voxray.core.hashing import sha256_file, sha256_json
from voxray.core.progress import Progress
from voxray.core.records import ExamId, OutOfFoldPrediction, Sha256
from voxray.core.specs import CleanUp, FoldValues
from voxray.evaluate import dice_per_class, read_predictions, write_predictions
from voxray.model import (
    Compute,
    Member,
    Probabilities,
    choose_compute,
    load_network,
    predict_ensemble,
)
from voxray.preprocess import clean, labels_on_source, volumes_ml
from voxray.scan_io import read_mask, write_label_map
from voxray.stages.fingerprint import code_hash
from voxray.stages.frame import StageContext, earlier
from voxray.stages.study import FoldName, Study, mask_source
from voxray.stages.targets import class_name, labels_of
from voxray.stages.train import VALUES_FILE, read_clean_up
from voxray.train import NETWORK_FILE

MASKS = "oof_masks"
FOLDS = "oof_folds"


def predict_held_out(
    context: StageContext, study: Study, folder: Path
) -> tuple[OutOfFoldPrediction, ...]:
    """Predict every exam once a repeat; masks are written below `folder`.

    A fold that the same networks predicted before is read: what is judged, and how, may
    change without asking a network again, and a run that was stopped goes on.
    """
    inputs = _inputs_sha256(context)
    compute = choose_compute(context.experiment.train.device)
    todo = {
        name: study.exams_of(study.patients(name).held_out) for name in study.folds()
    }
    total = sum(map(len, todo.values()))
    predictions, files = list[OutOfFoldPrediction](), set[Path]()
    for name, exams in todo.items():
        kept = _Kept(folder, name, inputs)
        rows = kept.read()
        if rows is None:
            judge = _judge(context, study, name, folder, compute)
            rows = []
            for exam_id in exams:
                rows.append(judge.predict(exam_id))
                done = len(predictions) + len(rows)
                context.listen(Progress("predicting held-out exams", done, total))
            kept.write(rows)
        predictions += rows
        files |= kept.files(rows)
    _drop_strays(folder, files)
    return tuple(predictions)


def _inputs_sha256(context: StageContext) -> Sha256:
    """Of all that decides what the networks say."""
    return sha256_json(
        [
            earlier(context, "ingest", "manifest.csv"),
            earlier(context, "preprocess"),
            earlier(context, "train"),
            sha256_file(context.folder / "folds" / "folds.csv"),
            context.experiment.task.model_dump(mode="json"),
            code_hash(),
        ]
    )


@dataclass(frozen=True, slots=True)
class _Kept:
    """The predictions of one fold on disk, with what they were made from."""

    folder: Path
    name: FoldName
    inputs: Sha256

    def read(self) -> Sequence[OutOfFoldPrediction] | None:
        """Rows of a fold whose table and masks are as they were written."""
        try:
            said = read_json(self._record)
            rows = read_predictions(self._table)
        except ManifestError:
            return None
        known = {**said, "inputs": self.inputs, "files": self._hashes(rows)}
        return rows if said == known else None

    def write(self, rows: Sequence[OutOfFoldPrediction]) -> None:
        """Write the table, then the record that makes it count."""
        write_predictions(rows, self._table)
        write_json(self._record, {"inputs": self.inputs, "files": self._hashes(rows)})

    def files(self, rows: Sequence[OutOfFoldPrediction]) -> set[Path]:
        """All that was written for these rows."""
        drawn = [row for row in rows if row.dice]
        masks = {_mask_file(self.folder, row.repeat, row.exam_id) for row in drawn}
        return {self._table, self._record, *masks}

    def _hashes(self, rows: Sequence[OutOfFoldPrediction]) -> dict[str, Sha256]:
        files = [f for f in self.files(rows) if f != self._record and f.is_file()]
        return {str(path.relative_to(self.folder)): sha256_file(path) for path in files}

    @property
    def _table(self) -> Path:
        return self.folder / FOLDS / f"{self.name.folder}.parquet"

    @property
    def _record(self) -> Path:
        return self._table.with_suffix(".json")


def _mask_file(folder: Path, repeat: int, exam_id: ExamId) -> Path:
    below = f"repeat_{repeat}" if repeat else ""
    return folder / MASKS / below / f"{exam_id}.nii.gz"


def _drop_strays(folder: Path, wanted: set[Path]) -> None:
    """Remove masks and folds of an earlier state of the experiment."""
    for top in (folder / MASKS, folder / FOLDS):
        inside_first = sorted((top, *top.rglob("*")), reverse=True)
        for path in inside_first:
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()
            elif path.is_file() and path not in wanted:
                path.unlink()


@dataclass(frozen=True, slots=True, eq=False)
class _Judge:
    """The network of one fold, asked about that fold's held-out exams."""

    context: StageContext
    study: Study
    name: FoldName
    member: Member
    clean_up: CleanUp
    folder: Path
    compute: Compute

    def predict(self, exam_id: ExamId) -> OutOfFoldPrediction:
        plan, record = self.study.plan, self.study.record(exam_id)
        classify = self.context.experiment.task.classify
        image = np.asarray(self.study.cached[exam_id].read_image())
        said, _ = predict_ensemble([self.member], image, plan, self.compute)
        shares = {} if said.classes is None else _named(plan.classes, said.classes)
        dice, volume, true_volume = self._judge_mask(exam_id, said)
        return OutOfFoldPrediction(
            repeat=self.name.repeat,
            fold=self.name.fold,
            exam_id=exam_id,
            patient_id=record.patient_id,
            label=class_name(record, classify),
            labels=labels_of(record, classify),
            probabilities=shares,
            dice=dice,
            volume_ml=volume,
            true_volume_ml=true_volume,
        )

    def _judge_mask(
        self, exam_id: ExamId, said: Probabilities
    ) -> tuple[Mapping[str, float | None], Mapping[str, float], Mapping[str, float]]:
        """Write the mask; Dice and volumes on the grid of the scan as it came."""
        record, plan = self.study.record(exam_id), self.study.plan
        mask = mask_source(record, self.context.experiment)
        if said.masks is None or mask is None:
            return {}, {}, {}
        cached = self.study.cached[exam_id]
        labels = labels_on_source(said.masks, cached.grid, record.grid, plan)
        labels = clean(labels, record.grid, plan, self.clean_up)
        path = _mask_file(self.folder, self.name.repeat, exam_id)
        write_label_map(path, labels, record.grid)
        drawn = read_mask(mask)
        values = dict(zip(plan.structures, plan.mask_values, strict=True))
        return (
            dict(dice_per_class(labels, drawn.voxels, values)),
            volumes_ml(labels, record.grid, plan),
            volumes_ml(drawn.voxels, record.grid, plan),
        )


def _judge(
    context: StageContext, study: Study, name: FoldName, folder: Path, compute: Compute
) -> _Judge:
    trained = context.folder / "train" / name.folder
    values = FoldValues.model_validate(read_json(trained / VALUES_FILE))
    network = load_network(trained / NETWORK_FILE, study.plan, compute)
    member, rules = (network, values), read_clean_up(trained)
    return _Judge(context, study, name, member, rules, folder, compute)


def _named(names: Sequence[str], shares: np.ndarray) -> dict[str, float]:
    return {name: float(p) for name, p in zip(names, shares, strict=True)}
