"""Score every volume in a folder."""

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from voxray.core.errors import ConfigError, ScanError
from voxray.core.files import (
    alone,
    fsync_append,
    machine_errors,
    private_folder,
    write_json,
    write_text,
)
from voxray.core.findings import FindingCode
from voxray.core.hashing import sha256_json
from voxray.core.ids import Pseudonymizer
from voxray.core.progress import Listener, Progress, ignore_progress
from voxray.core.records import (
    ExamId,
    QuarantineRow,
    ScanId,
    ScanRecord,
    ScoreRow,
    ScoreStatus,
    exams_of,
)
from voxray.ingest import INDEX_FILE, Intake, ingest_folder, write_intake
from voxray.model import Compute, choose_compute, load_model
from voxray.score.exam import MASK_FOLDER, FoundExam, Scorer, score_exam, unscored
from voxray.score.request import ScoreRequest, intake_options
from voxray.score.table import ScoreColumns, append_scores, read_scores, write_scores

SCORES_FILE = "scores.csv"
STATUS_FILE = "status.jsonl"
SUMMARY_FILE = "summary.json"
SOURCES_FILE = "sources.json"
PRIVATE_FOLDER = "private"
LOCK_FILE = ".lock"

_FILE_CODES = {
    FindingCode.NOT_AN_IMAGE,
    FindingCode.UNREADABLE_FILE,
    FindingCode.LINK_OUTSIDE_FOLDER,
    FindingCode.UNSAFE_ARCHIVE,
}
"""Said of a file, which is no volume and gets no row."""


@dataclass(frozen=True, slots=True)
class ScoreSummary:
    """What came of it.

    Attributes:
        rows: One per volume found, sorted by scan.
        intake: What was found in the folder.
        n_resumed: Rows that an earlier, killed run had finished.
        n_left: Accepted volumes that `limit` left for another run.
        files: Number of files by what became of them.
    """

    rows: tuple[ScoreRow, ...]
    intake: Intake
    n_resumed: int
    n_left: int
    files: Mapping[str, int]

    @property
    def counts(self) -> dict[str, int]:
        """Volumes by status; every status is there."""
        found = Counter(row.status for row in self.rows)
        return {str(status): found[status] for status in ScoreStatus}

    @property
    def n_exams(self) -> int:
        """Exams that were scored: volumes, where every volume is an exam."""
        scored = (row for row in self.rows if row.status is ScoreStatus.SCORED)
        return len({row.exam_id for row in scored})


def score_folder(
    request: ScoreRequest,
    pseudonymizer: Pseudonymizer,
    listen: Listener = ignore_progress,
    compute: Compute | None = None,
) -> ScoreSummary:
    """Score a folder of scans; write `scores.csv`, `masks/` and the private linkage.

    The same scans, model and machine give the same bytes; times stand in
    `status.jsonl`. A volume that fails is a row, never the end.

    Raises:
        ConfigError: If the folder holds no scan, or `out` holds results of another
            model.
        ManifestError: If the model folder was changed.
        MachineError: If `out` cannot be written, or another process writes into it.
    """
    compute = compute or choose_compute()
    model = load_model(request.model, compute)
    _check_out(request.out, model.sha256)
    index = request.out / PRIVATE_FOLDER / INDEX_FILE
    options = intake_options(request, model.package.rules, index)
    intake = ingest_folder(options, pseudonymizer, listen)
    with machine_errors(request.out):
        request.out.mkdir(parents=True, exist_ok=True)
    private = private_folder(request.out / PRIVATE_FOLDER)
    scorer = Scorer(model, compute, model.package.name, request.out)
    with alone(private / LOCK_FILE, f"scores into {str(request.out)!r}"):
        _check_out(request.out, model.sha256)  # another process may have scored
        _claim(request.out, model.sha256)
        write_intake(intake, private)
        return _score_found(intake, scorer, request, listen)


def _score_found(
    intake: Intake, scorer: Scorer, request: ScoreRequest, listen: Listener
) -> ScoreSummary:
    """Score what is not scored yet; write all but the private tables of intake."""
    columns = ScoreColumns.of(scorer.model.package.plan)
    done = _done(request.out, columns, intake)
    rows = list(done.values())
    if (request.out / SCORES_FILE).is_file():  # without a row torn by a kill
        write_scores(request.out / SCORES_FILE, rows, columns)
    for scored in _score_rest(intake, scorer, done, request, listen):
        append_scores(request.out / SCORES_FILE, scored, columns)
        rows += scored
    rows += _refused(intake, scorer)
    write_scores(request.out / SCORES_FILE, rows, columns)
    _drop_masks_without_row(request.out, rows)
    with_row = {row.scan_id for row in rows}
    n_left = sum(record.scan_id not in with_row for record in intake.records)
    summary = ScoreSummary(tuple(rows), intake, len(done), n_left, _files(intake))
    _write_summary(request.out, summary, scorer.model.sha256)
    return summary


def _check_out(out: Path, model_sha256: str) -> None:
    """Refuse a folder that holds something else; writes nothing."""
    if out.exists() and not out.is_dir():
        msg = f"{str(out)!r} is a file, a folder is needed for the scores"
        raise ConfigError(msg)
    found = sorted(p.name for p in out.iterdir()) if out.is_dir() else []
    if found == [PRIVATE_FOLDER] and _only_index(out / PRIVATE_FOLDER):
        return  # a run that was killed before it scored anything
    if found and STATUS_FILE not in found:
        msg = (
            f"the folder {str(out)!r} holds files that are no scores, e.g. "
            f"{found[0]!r}; choose an empty or a new one"
        )
        raise ConfigError(msg)
    before = scored_model(out)
    if before not in {None, model_sha256}:
        msg = (
            f"the folder {str(out)!r} holds scores of another model "
            f"({str(before)[:12]}…, now {model_sha256[:12]}…); choose a new folder"
        )
        raise ConfigError(msg)


def _only_index(folder: Path) -> bool:
    names = (path.name for path in folder.iterdir())
    return all(name == LOCK_FILE or name.startswith(INDEX_FILE) for name in names)


def _claim(out: Path, model_sha256: str) -> None:
    """Say whose scores these are, or continue in it."""
    if (out / STATUS_FILE).is_file():  # the next event must not be glued to a torn one
        write_text(out / STATUS_FILE, "".join(_whole_lines(out / STATUS_FILE)))
    if scored_model(out) is None:
        _note(out, {"event": "started", "model_sha256": model_sha256})


def scored_model(out: Path) -> str | None:
    """Hash of the model whose scores a folder holds; None without scores."""
    started = (e["model_sha256"] for e in _events(out) if "model_sha256" in e)
    return next(started, None)


def _events(out: Path) -> list[dict[str, str]]:
    path = out / STATUS_FILE
    return [json.loads(x) for x in _whole_lines(path)] if path.is_file() else []


def _whole_lines(path: Path) -> list[str]:
    """Lines of a log; not the last one if a killed run left it unfinished."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [line for line in lines if line.endswith("\n")]


def _note(out: Path, event: Mapping[str, object]) -> None:
    """Append to `status.jsonl`, the only file with times."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    fsync_append(out / STATUS_FILE, json.dumps({"time": now, **event}) + "\n")


def _done(out: Path, columns: ScoreColumns, intake: Intake) -> dict[ScanId, ScoreRow]:
    """Rows of an earlier run that still hold: same scan, mask still there.

    An exam is kept whole or not at all.
    """
    known = {e["scan_id"]: e.get("sha256_scan") for e in _events(out) if "scan_id" in e}
    records = {record.scan_id: record for record in intake.records}
    kept = {}
    for row in read_scores(out / SCORES_FILE, columns):
        record = records.get(row.scan_id)
        if record is None or row.status is ScoreStatus.FAILED:
            continue
        same = known.get(row.scan_id) == _sha256(record)
        if same and (row.mask is None or (out / row.mask).is_file()):
            kept[row.scan_id] = row
    whole = {
        record.scan_id
        for exam in exams_of(intake.records).values()
        if all(r.scan_id in kept and kept[r.scan_id].exam_id == r.exam_id for r in exam)
        for record in exam
    }
    return {scan_id: row for scan_id, row in kept.items() if scan_id in whole}


def _sha256(record: ScanRecord) -> str:
    """Of all that an answer rests on: a header that was put right changes no pixel."""
    affine = record.grid.affine.tolist()
    return sha256_json([record.sha256_pixels, affine, record.modality])


def _score_rest(
    intake: Intake,
    scorer: Scorer,
    done: Mapping[ScanId, ScoreRow],
    request: ScoreRequest,
    listen: Listener,
) -> Iterator[tuple[ScoreRow, ...]]:
    todo = [e for e in _exams(intake, scorer) if e.records[0].scan_id not in done]
    total = len(todo) if request.limit is None else min(request.limit, len(todo))
    for number, exam in enumerate(todo[:total], start=1):
        began_s = time.monotonic()
        rows = _score_one(exam, scorer)
        seconds = round(time.monotonic() - began_s, 3)
        yield rows
        for record, row in zip(exam.records, rows, strict=True):
            event = {
                "scan_id": record.scan_id,
                "status": str(row.status),
                "seconds": seconds,
                "sha256_pixels": record.sha256_pixels,
                "sha256_scan": _sha256(record),
            }
            _note(scorer.out, event)
        listen(Progress("scoring", number, total))


def _exams(intake: Intake, scorer: Scorer) -> list[FoundExam]:
    """Accepted exams, scans in the order of the model's channels."""
    channels = scorer.model.package.plan.channels
    found = []
    for exam in exams_of(intake.records).values():
        records = sorted(exam, key=lambda r: channels.index(r.channel))
        scans = {r.channel: (r, intake.sources[r.scan_id]) for r in records}
        looks = {r.channel: intake.traits[r.scan_id].look for r in records}
        found.append(FoundExam(scans, looks))
    return found


def _score_one(exam: FoundExam, scorer: Scorer) -> tuple[ScoreRow, ...]:
    try:
        return score_exam(exam, scorer)
    except (ScanError, ArithmeticError, ValueError, RuntimeError, MemoryError) as error:
        reason = error.problem if isinstance(error, ScanError) else type(error).__name__
        code = FindingCode.PROCESSING_FAILED
        return unscored(exam, ScoreStatus.FAILED, code, reason, scorer)


def _refused(intake: Intake, scorer: Scorer) -> list[ScoreRow]:
    """A row for each volume that intake did not accept; the first reason counts."""
    rows: dict[ScanId, ScoreRow] = {}
    for item in intake.quarantine:
        if item.scan_id in rows or not _is_volume(item):
            continue
        chosen = item.code is not FindingCode.NOT_SELECTED
        rows[item.scan_id] = ScoreRow(
            exam_id=intake.exams.get(item.scan_id, ExamId(item.scan_id)),
            scan_id=item.scan_id,
            patient_id=None,
            status=ScoreStatus.REFUSED if chosen else ScoreStatus.NOT_SELECTED,
            reason_code=item.code,
            reason=item.detail,
            model=scorer.name,
            model_sha256=scorer.model.sha256,
        )
    return list(rows.values())


def _drop_masks_without_row(out: Path, rows: Sequence[ScoreRow]) -> None:
    """Remove masks of scans that are gone, or that had another id in an earlier run."""
    named = {row.mask for row in rows}
    for file in sorted((out / MASK_FOLDER).glob("*.nii.gz")):
        if f"{MASK_FOLDER}/{file.name}" not in named:
            file.unlink()


def _is_volume(item: QuarantineRow) -> bool:
    return item.code not in _FILE_CODES


def _files(intake: Intake) -> dict[str, int]:
    return dict(sorted(Counter(str(f.disposition) for f in intake.files).items()))


def _write_summary(out: Path, summary: ScoreSummary, model_sha256: str) -> None:
    reasons = Counter(str(r.reason_code) for r in summary.rows if r.reason_code)
    sources = {
        scan_id: {
            "format": str(s.format),
            "files": [str(f) for f in s.files],
            "frames": list(s.frames),
            "volume": s.volume,
            "repairs": [str(code) for code in s.repairs],
        }
        for scan_id, s in sorted(summary.intake.sources.items())
    }
    write_json(out / PRIVATE_FOLDER / SOURCES_FILE, {"sources": sources})
    write_json(
        out / SUMMARY_FILE,
        {
            "volumes": len(summary.rows) + summary.n_left,
            "left_by_limit": summary.n_left,
            "status": summary.counts,
            "exams_scored": summary.n_exams,
            "reasons": dict(sorted(reasons.items())),
            "files": dict(summary.files),
            "model_sha256": model_sha256,
        },
    )
