"""Stage 2: per-scan statistics, the plan, cached arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from voxray.core.errors import ScanError, VoxrayError
from voxray.core.files import write_json
from voxray.core.findings import FindingCode
from voxray.core.records import (
    ExamId,
    MaskSource,
    ScanId,
    ScanRecord,
    ScanSource,
    Sha256,
)
from voxray.core.specs import Experiment, Plan
from voxray.executor import map_tasks
from voxray.folds import choose_holdout
from voxray.manifest import read_manifest
from voxray.model import choose_compute
from voxray.preprocess import (
    CachedExam,
    ScanGeometry,
    ScanStatistics,
    SeenValues,
    are_coloured,
    are_hounsfield,
    make_plan,
    plan_in_words,
    prepare_exam,
    scan_statistics,
    this_machine,
    write_exam,
    write_index,
    write_statistics,
)
from voxray.scan_io import read_mask, read_volume
from voxray.stages.fingerprint import folder_hash
from voxray.stages.frame import Stage, StageContext, StageOutcome, earlier
from voxray.stages.ingest import read_links
from voxray.stages.study import (
    PLAN_FILE,
    STATISTICS_FILE,
    by_channel,
    mask_source,
    read_scan_sources,
)
from voxray.stages.workspace import stage_folder

FOLDER = "preprocess"
_WORTH_WORKERS = 300  # exams; a worker needs seconds to load the libraries


@dataclass(frozen=True, slots=True)
class _Exam:
    """One exam, ready to be sent to a worker.

    Attributes:
        scans: Record and files by channel; the first channel comes first.
    """

    exam_id: ExamId
    scans: Mapping[str, tuple[ScanRecord, ScanSource]]
    mask: MaskSource | None


def run(context: StageContext) -> StageOutcome:
    """Plan from the geometry of the scans; measure each and write the exams' arrays."""
    folder = stage_folder(context, FOLDER)
    records = read_manifest(context.folder / "ingest" / "manifest.csv")
    plan = _plan(context, records)
    write_json(folder / PLAN_FILE, plan.model_dump(mode="json"))
    context.say("the plan, made from the geometry of the scans:")
    for line in plan_in_words(plan):
        context.say(f"  {line}")
    prepared, n_failed = _prepare(context, _exams(context, records), plan)
    rows = [row for of_exam, _ in prepared for row in of_exam]
    write_statistics(rows, folder / STATISTICS_FILE)
    write_index(folder, [exam for _, exam in prepared])
    counts = {"exams": len(prepared), "failed": n_failed}
    message = f"{len(prepared)} exams prepared, {n_failed} failed"
    return StageOutcome(counts, message, n_failed=n_failed)


def _exams(context: StageContext, records: Sequence[ScanRecord]) -> list[_Exam]:
    sources = read_scan_sources(context, records)
    exams = by_channel(records, list(context.experiment.data.channels))
    return [
        _Exam(
            exam_id,
            {name: (record, sources[record.scan_id]) for name, record in scans.items()},
            mask_source(next(iter(scans.values())), context.experiment),
        )
        for exam_id, scans in exams.items()
    ]


_Prepared = tuple[list[ScanStatistics], CachedExam]


@dataclass(frozen=True, slots=True)
class _PrepareExam:
    """Picklable work: statistics and arrays of one exam."""

    plan: Plan
    folder: Path

    def __call__(self, exam: _Exam) -> _Prepared:
        """One bad exam never stops the others, whatever library it upsets."""
        try:
            return self._prepare(exam)
        except (ArithmeticError, ValueError, RuntimeError, MemoryError) as error:
            first, _ = next(iter(exam.scans.values()))
            problem = f"preparing it failed: {type(error).__name__}"
            raise ScanError(first.scan_id, problem) from error

    def _prepare(self, exam: _Exam) -> _Prepared:
        rows = [self._measured(name, exam) for name in exam.scans]
        sources = {name: source for name, (_, source) in exam.scans.items()}
        prepared = prepare_exam(sources, exam.mask, self.plan)
        return rows, write_exam(self.folder, exam.exam_id, prepared)

    def _measured(self, channel: str, exam: _Exam) -> ScanStatistics:
        """Statistics of one scan; the mask lies on the first channel's grid alone."""
        record, source = exam.scans[channel]
        mask = None
        if exam.mask is not None and channel == self.plan.channels[0]:
            mask = read_mask(exam.mask)
        return scan_statistics(
            record.scan_id,
            record.modality,
            read_volume(source),
            mask,
            self.plan.mask_values,
        )


def _prepare(
    context: StageContext, exams: Sequence[_Exam], plan: Plan
) -> tuple[list[_Prepared], int]:
    """Statistics and arrays; an exam that fails is said and counted."""
    results = map_tasks(
        _PrepareExam(plan, context.folder / FOLDER),
        exams,
        workers=context.workers if len(exams) >= _WORTH_WORKERS else 1,
        task="preparing scans",
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
    kept: list[ScanRecord] = []
    used: dict[str, list[ScanGeometry]] = {name: [] for name in spec.data.channels}
    for record in records:
        if record.patient_id not in holdout:
            geometry = ScanGeometry.of(record.grid, record.modality)
            used[record.channel].append(geometry)
            kept.append(record)
    machine = this_machine(choose_compute(spec.train.device))
    sources = read_scan_sources(context, kept)
    seen = SeenValues(
        _hounsfield(spec, kept, sources), coloured=_coloured(spec, kept, sources)
    )
    return make_plan(used, spec.task, spec.train, machine, seen)


def _coloured(
    spec: Experiment,
    records: Sequence[ScanRecord],
    sources: Mapping[ScanId, ScanSource],
) -> bool:
    """Whether the one channel is of pictures in colour."""
    if len(spec.data.channels) > 1:
        return False
    codes = {finding.code for record in records for finding in record.findings}
    if spec.train.colour is not None or FindingCode.COLOUR_TO_GREY not in codes:
        return False
    return are_coloured([sources[record.scan_id] for record in records])


def _hounsfield(
    spec: Experiment,
    records: Sequence[ScanRecord],
    sources: Mapping[ScanId, ScanSource],
) -> frozenset[str]:
    """Channels whose rule or values say that scans without a modality are CT."""
    found = set()
    for name, rules in spec.data.channels.items():
        scans = [r for r in records if r.channel == name]
        unknown = [sources[r.scan_id] for r in scans if not r.modality]
        others = {r.modality for r in scans} - {"", "CT"}
        if name in spec.train.normalisation or others or not unknown:
            continue
        if rules.modality == ("CT",) or are_hounsfield(unknown):
            found.add(name)
    return frozenset(found)


def _config(experiment: Experiment) -> Mapping[str, object]:
    said = experiment.model_dump(mode="json")
    train = (
        "spacing_mm",
        "input_shape",
        "input_mm",
        "padding",
        "normalisation",
        "colour",
        "features",
        "strides",
        "kernels",
        "mirror_axes",
        "test_time_augmentation",
        "mixup",
        "class_from",
        "memory_gb",
        "batch_size",
        "device",
    )
    channels = experiment.data.channels.items()
    return {
        "seed": said["seed"],
        "task": experiment.task.learned(),
        "holdout": said["folds"]["holdout"],
        "channels": [[name, list(rules.modality)] for name, rules in channels],
        "train": {name: said["train"][name] for name in train},
    }


def _inputs(context: StageContext) -> Mapping[str, Sha256]:
    """Masks too: no table of stage 1 tells that one was drawn anew in its place."""
    masks = context.experiment.data.masks
    drawn = {} if masks is None else {"masks": folder_hash(masks)}
    tables = ("manifest.csv", "files.parquet", "summary.json")
    return {**earlier(context, "ingest", *tables), **drawn}


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
