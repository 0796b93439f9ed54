"""Stage 2: per-scan statistics, the plan, cached arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from voxray.core.errors import ScanError, VoxrayError
from voxray.core.files import write_json
from voxray.core.records import FileFormat, ScanRecord, ScanSource, Sha256
from voxray.core.specs import Experiment, Plan
from voxray.executor import map_tasks
from voxray.folds import choose_holdout
from voxray.manifest import read_manifest
from voxray.preprocess import (
    CachedExam,
    ScanGeometry,
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
from voxray.stages.ingest import read_links
from voxray.stages.study import PLAN_FILE, STATISTICS_FILE, read_scan_sources
from voxray.stages.workspace import stage_folder

FOLDER = "preprocess"
_WORTH_WORKERS = 300  # scans; a worker needs seconds to load the libraries


@dataclass(frozen=True, slots=True)
class _Scan:
    """One scan, ready to be sent to a worker."""

    record: ScanRecord
    source: ScanSource
    mask: ScanSource | None


def run(context: StageContext) -> StageOutcome:
    """Plan from the geometry of the scans; measure each and write its arrays."""
    folder = stage_folder(context, FOLDER)
    records = read_manifest(context.folder / "ingest" / "manifest.csv")
    plan = _plan(context, records)
    write_json(folder / PLAN_FILE, plan.model_dump(mode="json"))
    for name, reason in plan.reasons.items():
        context.say(f"plan: {name} {_said(plan, name)}: {reason}")
    prepared, n_failed = _prepare(context, _scans(context, records), plan)
    write_statistics([row for row, _ in prepared], folder / STATISTICS_FILE)
    write_index(folder, [exam for _, exam in prepared])
    counts = {"exams": len(prepared), "failed": n_failed}
    message = f"{len(prepared)} exams prepared, {n_failed} failed"
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


_Prepared = tuple[ScanStatistics, CachedExam]


@dataclass(frozen=True, slots=True)
class _PrepareScan:
    """Picklable work: statistics and arrays of one scan."""

    plan: Plan
    folder: Path

    def __call__(self, scan: _Scan) -> _Prepared:
        """One bad scan never stops the others, whatever library it upsets."""
        try:
            return self._prepare(scan)
        except (ArithmeticError, ValueError, RuntimeError, MemoryError) as error:
            problem = f"preparing it failed: {type(error).__name__}"
            raise ScanError(scan.record.scan_id, problem) from error

    def _prepare(self, scan: _Scan) -> _Prepared:
        record = scan.record
        volume = read_volume(scan.source)
        mask = None
        if scan.mask is not None:
            mask = read_label_map(scan.mask.files[0], record.scan_id)
        row = scan_statistics(
            record.scan_id, record.modality, volume, mask, self.plan.mask_values
        )
        prepared = prepare_scan(scan.source, scan.mask, self.plan)
        return row, write_exam(self.folder, record.exam_id, prepared)


def _prepare(
    context: StageContext, scans: Sequence[_Scan], plan: Plan
) -> tuple[list[_Prepared], int]:
    """Statistics and arrays; a scan that fails is said and counted."""
    results = map_tasks(
        _PrepareScan(plan, context.folder / FOLDER),
        scans,
        workers=context.workers if len(scans) >= _WORTH_WORKERS else 1,
        task="preparing scans",
        total=len(scans),
        listen=context.listen,
    )
    prepared: list[_Prepared] = []
    n_failed = 0
    for _, result in results:
        if isinstance(result, ScanError):
            context.say(f"warning: {result}")
            n_failed += 1
        elif isinstance(result, VoxrayError):
            raise result
        else:
            prepared.append(result)
    return prepared, n_failed


def _plan(context: StageContext, records: Sequence[ScanRecord]) -> Plan:
    """Plan without the scans that are held out for good."""
    spec = context.experiment
    linked = read_links(context.folder / "ingest")
    holdout = choose_holdout(records, spec.folds, spec.seed, linked)
    used = [
        ScanGeometry.of(record.grid, record.modality)
        for record in records
        if record.patient_id not in holdout
    ]
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
    return earlier(context, "ingest", "manifest.csv", "files.parquet", "summary.json")


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
