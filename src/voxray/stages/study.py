"""What earlier stages left on disk, read back as records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from voxray.core.files import read_json
from voxray.core.records import (
    ExamId,
    FoldRow,
    PatientId,
    ScanId,
    ScanRecord,
    ScanSource,
)
from voxray.core.specs import FoldValues, Plan
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
        records: By exam.
        statistics: By exam.
        cached: By exam.
    """

    records: Mapping[ExamId, ScanRecord]
    statistics: Mapping[ExamId, ScanStatistics]
    cached: Mapping[ExamId, CachedExam]
    plan: Plan
    rows: Sequence[FoldRow]

    def folds(self) -> tuple[FoldName, ...]:
        """Every fold of every repeat, in order."""
        found = {(row.repeat, row.fold) for row in self.rows}
        return tuple(FoldName(repeat, fold) for repeat, fold in sorted(found))

    def patients(self, name: FoldName) -> FoldPatients:
        """Who is trained on, watched and predicted."""
        records = tuple(self.records.values())
        return training_patients(self.rows, records, name.repeat, name.fold)

    def exams_of(self, patients: frozenset[PatientId]) -> tuple[ExamId, ...]:
        """Exams of these patients that were preprocessed, sorted."""
        ids = (e for e, r in self.records.items() if r.patient_id in patients)
        return tuple(sorted(exam_id for exam_id in ids if exam_id in self.cached))

    def fold_values(self, name: FoldName, context: StageContext) -> FoldValues:
        """What this fold learns from its training patients' values, and no other's."""
        exams = self.exams_of(self.patients(name).train)
        labels = [class_name(self.records[e], context) for e in exams]
        return learn_fold_values(
            self.plan,
            [self.statistics[e] for e in exams],
            [label for label in labels if label is not None],
        )


def read_study(context: StageContext) -> Study:
    """Read manifest, plan, arrays and folds of an experiment."""
    records = read_manifest(context.folder / "ingest" / "manifest.csv")
    folder = context.folder / "preprocess"
    statistics = read_statistics(folder / STATISTICS_FILE)
    exam_of = {record.scan_id: record.exam_id for record in records}
    return Study(
        {record.exam_id: record for record in records},
        {exam_of[row.scan_id]: row for row in statistics},
        read_index(folder),
        read_plan(folder / PLAN_FILE),
        read_folds(context.folder / "folds" / "folds.csv"),
    )


def read_plan(path: Path) -> Plan:
    """Read `plan.json`."""
    return Plan.model_validate(read_json(path))


def read_scan_sources(
    context: StageContext, records: Sequence[ScanRecord]
) -> Mapping[ScanId, ScanSource]:
    """Files of each scan, in slice order."""
    scans = context.experiment.data.scans
    return read_sources(context.folder / "ingest", scans, records)


def class_name(record: ScanRecord, context: StageContext) -> str | None:
    """The class a person gave this scan; None without classification or label."""
    spec = context.experiment.task.classify
    if spec is None or spec.column not in record.labels:
        return None
    return spec.class_of(record.labels[spec.column])
