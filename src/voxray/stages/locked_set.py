"""Candidate and champion on the same locked labelled set, each look counted."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from voxray import mlflow_store
from voxray.core.errors import ConfigError, DatasetError
from voxray.core.files import write_json
from voxray.core.gate import Check, compare_checks, reasons
from voxray.core.ids import Pseudonymizer
from voxray.core.records import PatientId, Sha256
from voxray.core.specs.gate import CompareRule
from voxray.evaluate import (
    Pair,
    Settings,
    compare_pair,
    judged_by_patient,
    make_pair,
    make_side,
    metrics_to_json,
    write_predictions,
)
from voxray.mlflow_store import metric_values
from voxray.stages.contest import Contest, evidence_checks
from voxray.stages.elsewhere import Evaluated, Judgement, judge
from voxray.stages.elsewhere_account import seen_patients
from voxray.stages.entrants import (
    Entrant,
    entrant_checks,
    named_alike,
    read_entrants,
    seen_in_words,
)
from voxray.stages.evidence_files import EVALUATION_FILE, JUDGED_FILE
from voxray.stages.labelled import Scored, Way, score_labelled
from voxray.stages.locked_looks import look_at, may_look, take_look
from voxray.stages.truth import LabelledScans

FOLDER = "gate"


def judge_on_locked(contest: Contest, given: LabelledScans) -> Iterator[Check]:
    """Score both models, count the look, then judge.

    Whoever may not look is told before anything is scored. The look is counted once
    nothing is wrong with set and settings, and before any figure is computed.
    """
    entrants = read_entrants(contest)
    first = list(entrant_checks(entrants))
    yield from first
    if reasons(first):
        return
    look = look_at(contest, given, [one.sha256 for one in entrants])
    if (allowed := may_look(contest, look)).passed is False:
        yield allowed
        return
    ids = Pseudonymizer(contest.session.key)
    scored = [_score(contest, one, given, ids) for one in entrants]
    yield (taken := take_look(contest, look))
    if taken.passed is False:
        return
    lists = [one.seen for one in entrants if one.seen is not None]
    parts = (seen_patients(s, lists, ids) for s in scored)
    excluded = frozenset[PatientId]().union(*parts)
    said = seen_in_words(entrants, len(excluded), ids)
    yield Check("seen", "left out and counted", said, passed=None)
    how = Judgement(
        excluded,
        ids,
        subgroups=tuple(dict.fromkeys(f.column for f in contest.gate.subgroups)),
        level=contest.gate.compare.level,
    )
    try:
        judged = [judge(s, how) for s in scored]
    except DatasetError as error:
        yield Check("locked", "labelled exams", str(error), passed=False)
        return
    yield from _judged(contest, judged, entrants[0].sha256)


def _judged(
    contest: Contest, judged: Sequence[Evaluated], sha256: Sha256
) -> Iterator[Check]:
    own, *champion = judged
    counts = own.account.counts
    said = (
        f"{counts['exams_judged']} exams of {counts['patients_judged']} patients; "
        f"{counts['exams_not_scored']} more got no answer; "
        f"intervals at {contest.gate.compare.level:.2%}"
    )
    yield Check("locked", "exams that are judged", said, passed=None)
    if champion:
        yield from _against(contest, own, champion[0])
    else:
        said = "no champion yet: floors only"
        yield Check("compare", "nothing", said, passed=None)
    yield from evidence_checks(contest, own.metrics, metric_values(own.metrics))
    _keep(contest, own, sha256)


def _score(
    contest: Contest, entrant: Entrant, given: LabelledScans, ids: Pseudonymizer
) -> Scored:
    """Below the workspace, by model: a champion that was scored before is read."""
    session = contest.session
    session.say(f"scoring the locked set with {entrant.version}")
    out = _folder(contest, entrant.sha256)
    way = Way(out, ids, session.workers, session.listen)
    with mlflow_store.fetched(contest.store, entrant.version) as folder:
        return score_labelled(folder, given, way)


def _folder(contest: Contest, sha256: Sha256) -> Path:
    locked = contest.gate.locked
    name = locked.name if locked else ""
    root = contest.session.workspace / FOLDER / contest.version.name
    return root / name / sha256[:12]


def _against(contest: Contest, own: Evaluated, champion: Evaluated) -> Iterator[Check]:
    rule = contest.gate.compare
    exams = own.scored.exams, champion.scored.exams
    rows = named_alike(own.predictions, *exams)
    try:
        sides = [
            make_side(
                letter,
                str(version),
                predictions,
                one.scored.package.decision if one.task.classify else None,
                judged_by_patient(one.task.classify, one.evaluate),
            )
            for letter, version, one, predictions in (
                ("A", contest.version, own, rows),
                ("B", contest.champion, champion, champion.predictions),
            )
        ]
        pair = make_pair(*sides, common=True)
    except (ConfigError, DatasetError) as error:
        yield Check("compare", "the same exams and classes", str(error), passed=False)
        return
    yield _answers(rule, pair)
    spec = own.evaluate.model_copy(update={"level": rule.level})
    settings = Settings(spec, own.scored.truth.seed)
    figures = compare_pair(pair, settings, rule.margin or None)
    yield from compare_checks(rule, figures)


def _answers(rule: CompareRule, pair: Pair) -> Check:
    """A candidate that refuses what is hard would look better on the rest."""
    n_both, n_lost = len(pair.second.predictions), pair.left_out[1]
    share = n_lost / (n_both + n_lost)
    found = (
        f"{n_lost} of {n_both + n_lost} exams of the champion have no answer of it; "
        f"{pair.left_out[0]} that the champion has not"
    )
    asked = f"no answer to at most {rule.may_refuse:.0%}"
    return Check("compare.may_refuse", asked, found, passed=share <= rule.may_refuse)


def _keep(contest: Contest, own: Evaluated, sha256: Sha256) -> None:
    """Figures of the version beside its scores, so that a reason can be followed up."""
    out = _folder(contest, sha256)
    write_predictions(own.predictions, out / JUDGED_FILE)
    metrics = metrics_to_json(own.metrics)
    said = {"account": dict(own.account.counts), "metrics": metrics}
    write_json(out / EVALUATION_FILE, said)
