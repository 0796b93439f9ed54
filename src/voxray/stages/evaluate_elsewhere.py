"""`voxray evaluate`: a registered model on labelled scans that it never saw."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from voxray import mlflow_store
from voxray.core.errors import ConfigError, MachineError
from voxray.core.files import atomic_path, write_json
from voxray.core.hashing import sha256_file
from voxray.core.ids import Pseudonymizer
from voxray.evaluate import metrics_to_json, write_lesions, write_predictions
from voxray.model import PACKAGE_FILE
from voxray.report import ReportFigure
from voxray.stages.elsewhere import (
    Evaluated,
    Judgement,
    draw,
    headline,
    judge,
    local_sentences,
)
from voxray.stages.elsewhere_account import seen_patients
from voxray.stages.elsewhere_record import record_evaluation
from voxray.stages.evidence_files import (
    EVALUATION_FILE,
    FIGURES,
    JUDGED_FILE,
    LESIONS_FILE,
)
from voxray.stages.labelled import Way, score_labelled
from voxray.stages.models import existing_store, find_model
from voxray.stages.report import score_content, write_report
from voxray.stages.run import Session
from voxray.stages.truth import LabelledScans
from voxray.stages.workspace import check_outside

_REPORT = "report"

_CAPTIONS = {
    "roc.png": "ROC curve of the registered model on these exams.",
    "precision_recall.png": "Precision against recall on the same exams; a random "
    "order lies on the line of the prevalence.",
    "reliability.png": "Of exams with about the same probability, the share that is "
    "positive: on the dotted line the probabilities are right here.",
    "decision_curve.png": "What acting on the probability is worth here, in true "
    "positives per exam (Vickers and Elkin 2006).",
    "confusion.png": "True against decided classes, at the registered threshold.",
    "dice.png": "Dice of every exam, with the mean over patients.",
    "bland_altman.png": "Predicted less drawn volume of every exam against the mean of "
    "both: bias (solid) and limits of agreement (dashed), with intervals.",
    "subgroups.png": "Figures of each subgroup with their intervals, and of all exams "
    "(dashed).",
}


@dataclass(frozen=True, slots=True)
class EvaluateRequest:
    """What `voxray evaluate` is asked for.

    Attributes:
        model: `models:/NAME@ALIAS`, `models:/NAME/VERSION` or a model folder.
        given: The labelled scans.
        out: Where everything goes.
        precision: Half of the width that the share at a local threshold may have.
        readable_ids: Whether ids are file names: public data only.
    """

    model: str
    given: LabelledScans
    out: Path
    precision: float = 0.05
    readable_ids: bool = False


def evaluate_command(request: EvaluateRequest, session: Session) -> int:
    """Score, judge, draw, record; the last line has counts.

    Returns:
        Exit code: 4 when an accepted scan failed, or with `--strict` when a volume or a
        row of the label table was not used.

    Raises:
        ConfigError: If there is no such model, folder, table or column, or the results
            would lie in the scan folder.
        DatasetError: If no patient is known, no label fits, or no exam is left.
    """
    _check(request)
    model = find_model(session.workspace, request.model)
    ids = Pseudonymizer(session.key, readable=request.readable_ids)
    way = Way(request.out, ids, session.workers, session.listen)
    scored = score_labelled(model, request.given, way)
    lists = [] if scored.seen is None else [scored.seen]
    excluded = seen_patients(scored, lists, ids)
    found = judge(scored, Judgement(excluded, ids, request.precision))
    figures = draw(found)
    _write(found, figures, request, model)
    for line in (*found.account.shown, *local_sentences(found.metrics)):
        session.say(line)
    session.say(f"report: {_report(found, figures, request, model)}")
    if mlflow_store.is_registered(request.model):
        _record(found, figures, request, session)
    session.say(_closing(found, request.out))
    return _exit_code(found, strict=session.strict)


def _check(request: EvaluateRequest) -> None:
    check_outside(request.out, request.given.scans)
    given = request.given
    if not 0 < request.precision < 0.5:  # noqa: PLR2004
        msg = f"--precision must lie between 0 and 0.5, got {request.precision:g}"
        raise ConfigError(msg)
    named = {"SCANS": given.scans, "--labels": given.labels, "--masks": given.masks}
    for what, path in named.items():
        if path is not None and not path.exists():
            msg = f"{what}: {str(path)!r} does not exist"
            raise ConfigError(msg)


def _write(
    found: Evaluated,
    figures: Mapping[str, bytes],
    request: EvaluateRequest,
    model: Path,
) -> None:
    out = request.out
    write_predictions(found.predictions, out / JUDGED_FILE)
    write_lesions(found.lesions, out / LESIONS_FILE)
    said = {
        "model": request.model,
        "model_sha256": str(sha256_file(model / PACKAGE_FILE)),
        "precision": request.precision,
        "account": {
            **found.account.counts,
            "excluded_patients": list(found.account.excluded),
            "sentences": list(found.account.shown),
        },
        "metrics": metrics_to_json(found.metrics),
    }
    write_json(out / EVALUATION_FILE, said)
    shutil.rmtree(out / FIGURES, ignore_errors=True)
    for name, png in figures.items():
        with atomic_path(out / FIGURES / name) as temporary:
            temporary.write_bytes(png)


def _report(
    found: Evaluated,
    figures: Mapping[str, bytes],
    request: EvaluateRequest,
    model: Path,
) -> Path:
    content = score_content(request.out, model, request.model)
    shown = tuple(
        ReportFigure(name.removesuffix(".png"), caption, figures[name])
        for name, caption in _CAPTIONS.items()
        if name in figures
    )
    content = replace(
        content,
        title=f"{found.scored.package.name}: judged on labelled scans",
        evidence=found.metrics,
        account=(*found.account.shown, *local_sentences(found.metrics)),
        figures=shown,
    )
    return write_report(request.out / _REPORT, content)


def _record(
    found: Evaluated,
    figures: Mapping[str, bytes],
    request: EvaluateRequest,
    session: Session,
) -> None:
    """An evaluation of that version; a store that is away gets it later."""
    try:
        store = existing_store(session.workspace)
        version = mlflow_store.find_version(store, request.model)
    except MachineError as error:
        session.say(f"not recorded as an evaluation of {request.model}: {error}")
        return
    ids = Pseudonymizer(session.key, readable=request.readable_ids)
    record_evaluation(found, figures, version, (request.out, ids), session)


def _closing(found: Evaluated, out: Path) -> str:
    counts = found.account.counts
    return (
        f"{headline(found.metrics)}; {counts['exams_judged']} exams of "
        f"{counts['patients_judged']} patients judged, {counts['exams_failed']} "
        f"failed; see {out / EVALUATION_FILE}"
    )


def _exit_code(found: Evaluated, *, strict: bool) -> int:
    counts, volumes = found.account.counts, found.scored.summary.counts
    unused = volumes["refused"] + volumes["not_selected"]
    unused += counts["exams_of_seen_patients"] + counts["label_rows_without_scan"]
    failed = counts["exams_failed"] or (strict and unused > 0)
    return 4 if failed else 0
