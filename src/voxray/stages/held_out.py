"""Every exam predicted by the network that never saw its patient, a fold at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxray.core.errors import ManifestError
from voxray.core.files import read_json, write_json
from voxray.core.hashing import sha256_file, sha256_json
from voxray.core.progress import Progress
from voxray.core.records import ExamId, OutOfFoldPrediction, Sha256
from voxray.core.specs import CleanUp, FoldValues
from voxray.evaluate import (
    Lesion,
    read_lesions,
    read_predictions,
    write_lesions,
    write_predictions,
)
from voxray.model import (
    Compute,
    Member,
    Probabilities,
    choose_compute,
    load_network,
    predict_ensemble,
)
from voxray.preprocess import clean, labels_on_source, slabs_on
from voxray.scan_io import read_mask, write_label_map
from voxray.stages.fingerprint import code_hash
from voxray.stages.frame import StageContext, earlier
from voxray.stages.measured import lesions_of, with_masks
from voxray.stages.study import FoldName, Study, mask_source
from voxray.stages.targets import class_name, labels_of
from voxray.stages.train import CLEAN_UP_FILE, VALUES_FILE, read_clean_up
from voxray.train import NETWORK_FILE

Array = NDArray[Any]

MASKS = "oof_masks"
FOLDS = "oof_folds"


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What networks say about the exams they never saw.

    Attributes:
        predictions: One per exam and repeat.
        lesions: Drawn and predicted, of the structures of `evaluate.lesions`.
    """

    predictions: tuple[OutOfFoldPrediction, ...] = ()
    lesions: tuple[Lesion, ...] = ()

    def __add__(self, other: "HeldOut") -> "HeldOut":
        """Both together."""
        return HeldOut(
            self.predictions + other.predictions, self.lesions + other.lesions
        )


def predict_held_out(context: StageContext, study: Study, folder: Path) -> HeldOut:
    """Predict every exam once a repeat; masks are written below `folder`.

    A fold that the same networks predicted before is read: what is judged, and how, may
    change without asking a network again, and a run that was stopped goes on.
    """
    inputs = inputs_sha256(context, study.folds())
    compute = choose_compute(context.experiment.train.device)
    todo = {
        name: study.exams_of(study.patients(name).held_out) for name in study.folds()
    }
    total = sum(map(len, todo.values()))
    found, files = HeldOut(), set[Path]()
    for name, exams in todo.items():
        kept = _Kept(folder, name, inputs)
        of_fold = kept.read()
        if of_fold is None:
            judge = _judge(context, study, name, folder, compute)
            of_fold = HeldOut()
            for exam_id in exams:
                of_fold += judge.predict(exam_id)
                done = len(found.predictions) + len(of_fold.predictions)
                context.listen(Progress("predicting held-out exams", done, total))
            kept.write(of_fold)
        found += of_fold
        files |= kept.files(of_fold.predictions)
    _drop_strays(folder, files)
    return found


def inputs_sha256(context: StageContext, folds: Sequence[FoldName]) -> Sha256:
    """Hash of all that decides what the networks say, and how masks are measured.

    Of training what is used: not in which run of which store it was recorded.
    """
    evaluate = context.experiment.evaluate
    used = (NETWORK_FILE, VALUES_FILE, CLEAN_UP_FILE)
    trained = [f"{name.folder}/{file}" for name in folds for file in used]
    return sha256_json(
        [
            earlier(context, "ingest", "manifest.csv"),
            earlier(context, "preprocess"),
            earlier(context, "train", *trained),
            sha256_file(context.folder / "folds" / "folds.csv"),
            context.experiment.task.model_dump(mode="json"),
            [evaluate.lesions, evaluate.lesion_iou],
            code_hash(),
        ]
    )


@dataclass(frozen=True, slots=True)
class _Kept:
    """The predictions of one fold on disk, with what they were made from."""

    folder: Path
    name: FoldName
    inputs: Sha256

    def read(self) -> HeldOut | None:
        """What is known of a fold whose files are as they were written."""
        try:
            said = read_json(self._record)
            rows = read_predictions(self._table)
            lesions = read_lesions(self._lesions)
        except ManifestError:
            return None
        known = {**said, "inputs": self.inputs, "files": self._hashes(rows)}
        return HeldOut(rows, lesions) if said == known else None

    def write(self, found: HeldOut) -> None:
        """Write the tables, then the record that makes them count."""
        rows = found.predictions
        write_predictions(rows, self._table)
        write_lesions(found.lesions, self._lesions)
        write_json(self._record, {"inputs": self.inputs, "files": self._hashes(rows)})

    def files(self, rows: Sequence[OutOfFoldPrediction]) -> set[Path]:
        """All that was written for these rows."""
        drawn = [row for row in rows if row.dice]
        masks = {mask_file(self.folder, row.repeat, row.exam_id) for row in drawn}
        return {self._table, self._lesions, self._record, *masks}

    def _hashes(self, rows: Sequence[OutOfFoldPrediction]) -> dict[str, Sha256]:
        files = [f for f in self.files(rows) if f != self._record and f.is_file()]
        return {str(path.relative_to(self.folder)): sha256_file(path) for path in files}

    @property
    def _table(self) -> Path:
        return self.folder / FOLDS / f"{self.name.folder}.parquet"

    @property
    def _lesions(self) -> Path:
        return self._table.with_suffix(".lesions.parquet")

    @property
    def _record(self) -> Path:
        return self._table.with_suffix(".json")


def mask_file(folder: Path, repeat: int, exam_id: ExamId) -> Path:
    """Where the predicted mask of a held-out exam is, below the folder of stage 5."""
    return _masks(folder, repeat) / _mask_name(exam_id)


def _masks(folder: Path, repeat: int) -> Path:
    return folder / MASKS / (f"repeat_{repeat}" if repeat else "")


def _mask_name(exam_id: ExamId) -> str:
    return f"{exam_id}.nii.gz"


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
class Judge:
    """Networks that are asked, as one, about exams they never saw.

    Attributes:
        name: Of the fold whose network it is.
        members: The network of a fold, or those of an ensemble.
        masks: Folder for the masks.
    """

    context: StageContext
    study: Study
    name: FoldName
    members: tuple[Member, ...]
    clean_up: CleanUp
    masks: Path
    compute: Compute

    def predict(self, exam_id: ExamId) -> HeldOut:
        """Prediction and lesions of one exam; its mask is written."""
        plan, record = self.study.plan, self.study.record(exam_id)
        classify = self.context.experiment.task.classify
        image = np.asarray(self.study.cached[exam_id].read_image())
        said, _ = predict_ensemble(self.members, image, plan, self.compute)
        row = OutOfFoldPrediction(
            repeat=self.name.repeat,
            fold=self.name.fold,
            exam_id=exam_id,
            patient_id=record.patient_id,
            label=class_name(record, classify),
            labels=labels_of(record, classify),
            probabilities=(
                {} if said.classes is None else named(plan.classes, said.classes)
            ),
        )
        mask = mask_source(record, self.context.experiment)
        segment = self.context.experiment.task.segment
        if said.masks is None or mask is None or segment is None:
            return HeldOut((row,))
        labels = self._write_mask(exam_id, said.masks)
        masks = labels, read_mask(mask).voxels
        measured = with_masks(row, masks, record.grid, plan, segment)
        evaluate = self.context.experiment.evaluate
        shares = partial(self._shares, exam_id, said)
        lesions = lesions_of(row, masks, record.grid, plan, evaluate, shares)
        return HeldOut((measured,), lesions)

    def _write_mask(self, exam_id: ExamId, shares: Array) -> NDArray[np.uint16]:
        """The mask on the grid of the scan as it came, without what is cleaned out."""
        grid, cached = self.study.record(exam_id).grid, self.study.cached[exam_id]
        labels = labels_on_source(shares, cached.grid, grid, self.study.plan)
        labels = clean(labels, grid, self.study.plan, self.clean_up)
        write_label_map(self.masks / _mask_name(exam_id), labels, grid)
        return labels

    def _shares(
        self, exam_id: ExamId, said: Probabilities, place: int
    ) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Probability of one structure on the grid of the scan, some planes a time."""
        if said.masks is not None:
            grid, cached = self.study.record(exam_id).grid, self.study.cached[exam_id]
            own = said.masks[1 + place : 2 + place]
            for planes, slab in slabs_on(own, cached.grid, grid):
                yield planes, slab[0]


def _judge(
    context: StageContext, study: Study, name: FoldName, folder: Path, compute: Compute
) -> Judge:
    member = fold_member(context, study, name, compute)
    rules = read_clean_up(context.folder / "train" / name.folder)
    masks = _masks(folder, name.repeat)
    return Judge(context, study, name, (member,), rules, masks, compute)


def fold_member(
    context: StageContext, study: Study, name: FoldName, compute: Compute
) -> Member:
    """Network of a fold, and what the fold learned from values."""
    trained = context.folder / "train" / name.folder
    values = FoldValues.model_validate(read_json(trained / VALUES_FILE))
    return load_network(trained / NETWORK_FILE, study.plan, compute), values


def named(names: Sequence[str], shares: np.ndarray) -> dict[str, float]:
    """Probabilities by class."""
    return {name: float(p) for name, p in zip(names, shares, strict=True)}
