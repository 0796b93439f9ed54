"""What earlier stages left on disk, read back as records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from voxray.core.files import read_json
from voxray.core.records import (
    ExamId,
    FoldRole,
    FoldRow,
    MaskSource,
    PatientId,
    ScanId,
    ScanRecord,
    ScanSource,
    exams_of,
)
from voxray.core.specs import Experiment, FoldValues, Plan, SegmentSpec
from voxray.folds import FoldPatients, read_folds, training_patients
from voxray.manifest import read_manifest, read_sources
from voxray.preprocess import (
    CachedExam,
    ScanStatistics,
    learn_fold_values,
    read_index,
    read_statistics,
)
from voxray.stages.frame import StageContext
from voxray.stages.targets import class_target

PLAN_FILE = "plan.json"
STATISTICS_FILE = "statistics.parquet"


@dataclass(frozen=True, slots=True)
class FoldName:
    """One fold of one repeat."""

    repeat: int
    fold: int

    @property
    def folder(self) -> str:
        """Below `train/`: fold_k, and with repeats repeat_r/fold_k for r > 0."""
        name = f"fold_{self.fold}"
        return name if self.repeat == 0 else f"repeat_{self.repeat}/{name}"


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """All that training and evaluation read.

    Attributes:
        exams: Scans by exam, then by channel; the first channel is always there, and
            comes first.
        statistics: By exam, then by channel.
        cached: By exam.
    """

    exams: Mapping[ExamId, Mapping[str, ScanRecord]]
    statistics: Mapping[ExamId, Mapping[str, ScanStatistics]]
    cached: Mapping[ExamId, CachedExam]
    plan: Plan
    rows: Sequence[FoldRow]

    def folds(self) -> tuple[FoldName, ...]:
        """Every fold of every repeat, in order."""
        found = {(row.repeat, row.fold) for row in self.rows}
        return tuple(FoldName(repeat, fold) for repeat, fold in sorted(found))

    def registered_folds(self) -> tuple[FoldName, ...]:
        """Folds whose networks are the model: those of the first repeat.

        Further repeats tell how figures vary from one split to another. They change no
        model: it is the same with one repeat, and scoring takes no longer.
        """
        return tuple(name for name in self.folds() if name.repeat == 0)

    def holdout(self) -> frozenset[PatientId]:
        """Patients that no fold uses."""
        return frozenset(r.patient_id for r in self.rows if r.role is FoldRole.HOLDOUT)

    def record(self, exam_id: ExamId) -> ScanRecord:
        """The exam's scan of the first channel: its grid, mask, label and patient."""
        return self.exams[exam_id][self.plan.channels[0]]

    def patients(self, name: FoldName) -> FoldPatients:
        """Who is trained on, watched and predicted."""
        records = tuple(map(self.record, self.exams))
        return training_patients(self.rows, records, name.repeat, name.fold)

    def exams_of(self, patients: frozenset[PatientId]) -> tuple[ExamId, ...]:
        """Exams of these patients that were preprocessed, sorted."""
        return tuple(
            exam_id
            for exam_id in sorted(self.exams)
            if exam_id in self.cached and self.record(exam_id).patient_id in patients
        )

    def fold_values(self, name: FoldName, context: StageContext) -> FoldValues:
        """What this fold learns from its training patients' values, and no other's."""
        exams = self.exams_of(self.patients(name).train)
        classify = context.experiment.task.classify
        targets = [class_target(self.record(e), classify) for e in exams]
        return learn_fold_values(
            self.plan,
            [self.statistics[e] for e in exams],
            [target for target in targets if target is not None],
        )


def read_study(context: StageContext) -> Study:
    """Read manifest, plan, arrays and folds of an experiment."""
    records = read_manifest(context.folder / "ingest" / "manifest.csv")
    folder = context.folder / "preprocess"
    plan = read_plan(folder / PLAN_FILE)
    exams = by_channel(records, plan.channels)
    rows = {row.scan_id: row for row in read_statistics(folder / STATISTICS_FILE)}
    return Study(
        exams,
        {
            exam_id: {c: rows[s.scan_id] for c, s in scans.items() if s.scan_id in rows}
            for exam_id, scans in exams.items()
        },
        read_index(folder),
        plan,
        read_folds(context.folder / "folds" / "folds.csv"),
    )


def by_channel(
    records: Sequence[ScanRecord], channels: Sequence[str]
) -> dict[ExamId, dict[str, ScanRecord]]:
    """Scans by exam, then by channel in this order."""
    exams = {}
    for exam_id, scans in exams_of(records).items():
        found = {scan.channel: scan for scan in scans}
        exams[exam_id] = {c: found[c] for c in channels if c in found}
    return exams


def read_plan(path: Path) -> Plan:
    """Read `plan.json`."""
    return Plan.model_validate(read_json(path))


def read_scan_sources(
    context: StageContext, records: Sequence[ScanRecord]
) -> Mapping[ScanId, ScanSource]:
    """Files of each scan, in slice order."""
    scans = context.experiment.data.scans
    return read_sources(context.folder / "ingest", scans, records)


def mask_source(record: ScanRecord, experiment: Experiment) -> MaskSource | None:
    """The drawn mask of an exam, by its scan of the first channel; None without one."""
    return drawn_mask(record, experiment.data.masks, experiment.task.segment)


def drawn_mask(
    record: ScanRecord, masks: Path | None, segment: SegmentSpec | None
) -> MaskSource | None:
    """The same of a folder of masks; `segment` says which structures are wanted."""
    if masks is None or record.mask_path is None:
        return None
    classes = segment.classes.items() if segment else ()
    values = {name: spec.value for name, spec in classes}
    return MaskSource(
        record.scan_id,
        masks / record.mask_path,
        record.grid,
        values,
        tuple(finding.code for finding in record.findings),
    )
