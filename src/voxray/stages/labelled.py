"""What a registered model says of scans whose truth is known."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from voxray.core.errors import ScanError
from voxray.core.files import read_json
from voxray.core.ids import Pseudonymizer
from voxray.core.progress import Listener, Progress
from voxray.core.records import (
    ExamId,
    OutOfFoldPrediction,
    ScanRecord,
    ScoreRow,
    ScoreStatus,
    exams_of,
)
from voxray.core.seen import SEEN_FILE
from voxray.core.specs import LabelsSpec, ModelPackage, SeenScans, Truth
from voxray.model import read_package
from voxray.scan_io import read_label_map, read_mask
from voxray.score import (
    SCORES_FILE,
    Known,
    ScoreColumns,
    ScoreRequest,
    ScoreSummary,
    read_scores,
    score_folder,
)
from voxray.stages.held_out import HeldOut
from voxray.stages.measured import lesions_of, with_masks
from voxray.stages.study import drawn_mask
from voxray.stages.targets import class_name, labels_of
from voxray.stages.truth import LabelledScans, wanted_truth


@dataclass(frozen=True, slots=True)
class Way:
    """How scans are read and scored.

    Attributes:
        out: Folder for the scores; a run that was killed there is continued.
        pseudonymizer: Makes ids.
        workers: Processes that read files.
        listen: Gets progress events.
    """

    out: Path
    pseudonymizer: Pseudonymizer
    workers: int
    listen: Listener


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """One model on labelled scans.

    Attributes:
        package: The model.
        truth: What is judged, and how.
        seen: What the model has seen; None of a model that does not say.
        summary: What became of every volume.
        exams: Scans of all accepted exams; that of the first channel comes first.
        said: One prediction per scored exam, all in one fold, and the lesions of their
            masks, which have no score.
        failed: Exams whose drawn mask could not be read.
    """

    package: ModelPackage
    truth: Truth
    seen: SeenScans | None
    summary: ScoreSummary
    exams: Mapping[ExamId, tuple[ScanRecord, ...]]
    said: HeldOut
    failed: tuple[ExamId, ...]


def score_labelled(model: Path, given: LabelledScans, way: Way) -> Scored:
    """Score labelled scans as the model is registered, and put the truth beside.

    Scans without label or mask are refused, and not scored.

    Raises:
        ConfigError: If a folder, the table or a column is missing, there is no scan, or
            nothing to judge by.
        DatasetError: If no patient is known, or no label fits any scan.
        ManifestError: If the model folder was changed.
        MachineError: If `way.out` cannot be written.
    """
    package = read_package(model)
    truth = wanted_truth(package, given)
    request = ScoreRequest(
        given.scans, model, way.out, way.workers, known=_known(truth, given)
    )
    summary = score_folder(request, way.pseudonymizer, way.listen)
    records = summary.intake.records
    first = package.plan.channels[0]
    exams = {
        exam_id: tuple(sorted(scans, key=lambda scan: scan.channel != first))
        for exam_id, scans in exams_of(records).items()
    }
    truths = _Truths(package, truth, given.masks, way.out)
    # as they are written, so that a resumed run gives the same figures
    rows = read_scores(way.out / SCORES_FILE, ScoreColumns.of(package.plan))
    firsts = {scans[0].scan_id: scans[0] for scans in exams.values()}
    said = [r for r in rows if r.status is ScoreStatus.SCORED and r.scan_id in firsts]
    found, failed = HeldOut(), list[ExamId]()
    for number, row in enumerate(said, start=1):
        try:
            found += truths.beside(row, firsts[row.scan_id])
        except ScanError:
            failed.append(row.exam_id)
        way.listen(Progress("comparing with the truth", number, len(said)))
    seen = read_seen(model)
    return Scored(package, truth, seen, summary, exams, found, tuple(failed))


def _known(truth: Truth, given: LabelledScans) -> Known:
    labels = None
    if given.labels is not None and truth.key is not None:
        labels = LabelsSpec(table=given.labels, key=truth.key, by=truth.by)
    return Known(truth.task, truth.patient, labels, given.masks)


@dataclass(frozen=True, slots=True, eq=False)
class _Truths:
    """Puts the truth beside what the model says.

    Attributes:
        masks: Folder with drawn masks; None without.
        out: Folder with the scores and predicted masks.
    """

    package: ModelPackage
    truth: Truth
    masks: Path | None
    out: Path

    def beside(self, row: ScoreRow, record: ScanRecord) -> HeldOut:
        """One row of predictions, and lesions where they are counted.

        Raises:
            ScanError: If a mask cannot be read.
        """
        classify, segment = self.truth.task.classify, self.truth.task.segment
        found = OutOfFoldPrediction(
            repeat=0,
            fold=0,
            exam_id=record.exam_id,
            patient_id=record.patient_id,
            label=class_name(record, classify),
            labels=labels_of(record, classify),
            probabilities=row.probabilities if classify else {},
        )
        drawn = drawn_mask(record, self.masks, segment)
        if segment is None or drawn is None or row.mask is None:
            return HeldOut((found,))
        predicted = read_label_map(self.out / row.mask, row.scan_id).voxels
        masks, plan = (predicted, read_mask(drawn).voxels), self.package.plan
        measured = with_masks(found, masks, record.grid, plan, segment)
        lesions = lesions_of(found, masks, record.grid, plan, self.truth.evaluate)
        return HeldOut((measured,), lesions)


def read_seen(model: Path) -> SeenScans | None:
    """What a model has seen; None of one that does not say.

    Raises:
        ManifestError: If the list is broken.
    """
    path = model / SEEN_FILE
    return SeenScans.model_validate(read_json(path)) if path.is_file() else None
