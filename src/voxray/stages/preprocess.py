"""Stage 2: per-scan statistics, the plan, cached arrays."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from voxray.core.errors import ScanError, VoxrayError
from voxray.core.files import write_json
from voxray.core.records import FileFormat, ScanRecord, ScanSource, Sha256
from voxray.core.specs import Experiment, Plan
from voxray.executor import map_tasks
from voxray.folds import choose_holdout
from voxray.manifest import read_manifest
from voxray.preprocess import (
    CachedExam,
    ScanStatistics,
    make_plan,
    prepare_scan,
    scan_statistics,
    write_exam,
    write_index,
    write_statistics,
)
from voxray.scan_io import read_label_map, read_volume
from voxray.stages.frame import Stage, StageContext, StageOutcome, earlier
from voxray.stages.study import PLAN_FILE, STATISTICS_FILE, read_scan_sources
from voxray.stages.workspace import stage_folder

FOLDER = "preprocess"


@dataclass(frozen=True, slots=True)
class _Scan:
    """One scan, ready to be sent to a worker."""

    record: ScanRecord
    source: ScanSource
    mask: ScanSource | None


def run(context: StageContext) -> StageOutcome:
    """Measure every scan, plan from their geometry, write the arrays."""
    folder = stage_folder(context, FOLDER)
    records = read_manifest(context.folder / "ingest" / "manifest.csv")
    scans = _scans(context, records)
    statistics, unmeasured = _measure(context, scans)
    write_statistics(statistics, folder / STATISTICS_FILE)
    plan = _plan(context, records, statistics)
    write_json(folder / PLAN_FILE, plan.model_dump(mode="json"))
    for name, reason in plan.reasons.items():
        context.say(f"plan: {name} {_said(plan, name)}: {reason}")
    exams, failed = _cache(context, scans, plan)
    write_index(folder, exams)
    n_failed = len({*unmeasured, *failed})
    counts = {"exams": len(exams), "failed": n_failed}
    message = f"{len(exams)} exams prepared, {n_failed} failed"
    return StageOutcome(counts, message, n_failed=n_failed)


def _scans(context: StageContext, records: Sequence[ScanRecord]) -> list[_Scan]:
    sources = read_scan_sources(context, records)
    masks = context.experiment.data.masks
    scans = []
    for record in records:
        mask = None
        if masks is not None and record.mask_path is not None:
            file = masks / record.mask_path
            mask = ScanSource(record.scan_id, FileFormat.NIFTI, (file,))
        scans.append(_Scan(record, sources[record.scan_id], mask))
    return scans


@dataclass(frozen=True, slots=True)
class _MeasureScan:
    """Picklable work: statistics of one scan."""

    mask_values: tuple[int, ...]

    def __call__(self, scan: _Scan) -> ScanStatistics:
        volume = read_volume(scan.source)
        mask = None
        if scan.mask is not None:
            mask = read_label_map(scan.mask.files[0], scan.record.scan_id)
        record = scan.record
        return scan_statistics(
            record.scan_id, record.modality, volume, mask, self.mask_values
        )


@dataclass(frozen=True, slots=True)
class _PrepareScan:
    """Picklable work: arrays of one scan."""

    plan: Plan
    folder: Path

    def __call__(self, scan: _Scan) -> CachedExam:
        prepared = prepare_scan(scan.source, scan.mask, self.plan)
        return write_exam(self.folder, scan.record.exam_id, prepared)


def _measure(
    context: StageContext, scans: Sequence[_Scan]
) -> tuple[list[ScanStatistics], list[str]]:
    segment = context.experiment.task.segment
    values = tuple(c.value for c in segment.classes.values()) if segment else ()
    results = map_tasks(
        _MeasureScan(values),
        scans,
        workers=context.workers,
        task="measuring scans",
        total=len(scans),
        listen=context.listen,
    )
    return _split(context, results)


def _cache(
    context: StageContext, scans: Sequence[_Scan], plan: Plan
) -> tuple[list[CachedExam], list[str]]:
    results = map_tasks(
        _PrepareScan(plan, context.folder / FOLDER),
        scans,
        workers=1,
        task="preparing arrays",
        total=len(scans),
        listen=context.listen,
    )
    return _split(context, results)


Result = TypeVar("Result", ScanStatistics, CachedExam)


def _split(
    context: StageContext, results: Iterable[tuple[_Scan, Result | VoxrayError]]
) -> tuple[list[Result], list[str]]:
    """Good results, and ids of scans that failed; each failure is said."""
    good: list[Result] = []
    failed: list[str] = []
    for scan, result in results:
        if isinstance(result, ScanError):
            context.say(f"warning: {result}")
            failed.append(scan.record.scan_id)
        elif isinstance(result, VoxrayError):
            raise result
        else:
            good.append(result)
    return good, failed


def _plan(
    context: StageContext,
    records: Sequence[ScanRecord],
    statistics: Sequence[ScanStatistics],
) -> Plan:
    """Plan without the scans that are held out for good."""
    spec = context.experiment
    holdout = choose_holdout(records, spec.folds, spec.seed)
    kept = {r.scan_id for r in records if r.patient_id not in holdout}
    used = [row for row in statistics if row.scan_id in kept]
    return make_plan(used, spec.task, spec.data.channel, spec.train)


def _said(plan: Plan, name: str) -> str:
    value = plan.network.features if name == "network" else getattr(plan, name)
    if isinstance(value, tuple):
        return " x ".join(f"{v:g}" for v in value)
    if isinstance(value, dict):
        return ", ".join(f"{k} {v}" for k, v in value.items())
    return str(value)


def _config(experiment: Experiment) -> Mapping[str, object]:
    said = experiment.model_dump(mode="json")
    train = ("spacing_mm", "input_shape", "batch_size")
    return {
        "seed": said["seed"],
        "task": said["task"],
        "holdout": said["folds"]["holdout"],
        "train": {name: said["train"][name] for name in train},
    }


def _inputs(context: StageContext) -> Mapping[str, Sha256]:
    return earlier(context, "ingest", "manifest.csv", "files.parquet")


STAGE = Stage(
    number=2,
    name="preprocess",
    title="measure the scans, plan, write arrays",
    folder=FOLDER,
    config=_config,
    inputs=_inputs,
    run=run,
    caches=("arrays",),
)
