"""Stage 7 and `voxray score`: new scans through a registered model."""

import shutil
from collections.abc import Mapping

from voxray.core.hashing import sha256_file
from voxray.core.ids import Pseudonymizer
from voxray.core.records import Sha256
from voxray.core.specs import Experiment
from voxray.model import PACKAGE_FILE
from voxray.score import ScoreRequest as FolderRequest
from voxray.score import ScoreSummary, score_folder, scored_model
from voxray.stages.fingerprint import folder_hash
from voxray.stages.frame import Stage, StageContext, StageOutcome, earlier
from voxray.stages.models import find_model
from voxray.stages.report import score_content, write_report
from voxray.stages.run import ScoreRequest, Session
from voxray.stages.workspace import check_outside, stage_folder

FOLDER = "score"


def run(context: StageContext) -> StageOutcome:
    """Score `score.scans` with the model that stage 6 registered."""
    folder = stage_folder(context, FOLDER)
    scans = context.experiment.score.scans
    if scans is None:
        return StageOutcome({}, "nothing to score: score.scans is not set")
    model = context.folder / "model"
    if scored_model(folder) not in {None, sha256_file(model / PACKAGE_FILE)}:
        shutil.rmtree(folder)
        stage_folder(context, FOLDER)
    request = FolderRequest(scans, model, folder, context.workers)
    summary = score_folder(request, context.pseudonymizer, context.listen)
    if summary.n_resumed:
        context.say(f"score: {summary.n_resumed} volumes were scored before")
    return _outcome(summary)


def _outcome(summary: ScoreSummary) -> StageOutcome:
    counts = summary.counts
    unused = counts["refused"] + counts["not_selected"]
    return StageOutcome(
        counts, in_words(summary), n_unused=unused, n_failed=counts["failed"]
    )


def in_words(summary: ScoreSummary) -> str:
    """Counts of a scored folder, for a person."""
    counts = summary.counts
    said = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in counts.items())
    left = f", {summary.n_left} left by --limit" if summary.n_left else ""
    n_exams = summary.n_exams
    exams = f" ({n_exams} exams)" if n_exams < counts["scored"] else ""
    return f"{len(summary.rows) + summary.n_left} volumes found: {said}{left}{exams}"


def score_command(request: ScoreRequest, session: Session) -> int:
    """Score a folder with any model and write a report beside the scores.

    Returns:
        Exit code: 4 when a volume failed, or with `--strict` when one was not scored.

    Raises:
        ConfigError: If the scores would lie in the scan folder, or there is no such
            model.
    """
    check_outside(request.out, request.scans)
    model = find_model(session.workspace, request.model)
    pseudonymizer = Pseudonymizer(session.key, readable=request.readable_ids)
    summary = score_folder(
        FolderRequest(
            request.scans, model, request.out, session.workers, request.limit
        ),
        pseudonymizer,
        session.listen,
    )
    if summary.n_resumed:
        session.say(f"{summary.n_resumed} volumes were scored before and are kept")
    page = write_report(
        request.out / "report", score_content(request.out, model, request.model)
    )
    session.say(f"report: {page}")
    session.say(f"{in_words(summary)}; see {request.out / 'scores.csv'}")
    outcome = _outcome(summary)
    failed = outcome.n_failed or (session.strict and outcome.n_unused)
    return 4 if failed else 0


def _inputs(context: StageContext) -> Mapping[str, Sha256]:
    scans = context.experiment.score.scans
    listing = {} if scans is None else {"score.scans": folder_hash(scans)}
    return {**earlier(context, "model", PACKAGE_FILE), **listing}


def _config(experiment: Experiment) -> Mapping[str, object]:
    return {"ids": experiment.data.ids, "scans": str(experiment.score.scans)}


STAGE = Stage(
    number=7,
    name="score",
    title="score new scans",
    folder=FOLDER,
    config=_config,
    inputs=_inputs,
    run=run,
)
