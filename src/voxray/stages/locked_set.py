"""Candidate and champion on the same locked labelled set, each look counted."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from voxray import mlflow_store
from voxray.core.errors import ConfigError, DatasetError
from voxray.core.files import write_json
from voxray.core.gate import Check, compare_checks
from voxray.core.hashing import sha256_file, sha256_json
from voxray.core.ids import Pseudonymizer
from voxray.core.records import PatientId
from voxray.core.specs.gate import CompareRule
from voxray.evaluate import (
    Pair,
    Settings,
    compare_pair,
    make_pair,
    make_side,
    metrics_to_json,
    write_predictions,
)
from voxray.mlflow_store import Look, ModelVersionRef, metric_values
from voxray.model import PACKAGE_FILE
from voxray.stages.contest import Contest, evidence_checks
from voxray.stages.elsewhere import Evaluated, Judgement, judge
from voxray.stages.elsewhere_account import seen_patients
from voxray.stages.evidence_files import EVALUATION_FILE
from voxray.stages.fingerprint import table_hash
from voxray.stages.labelled import Scored, Way, score_labelled
from voxray.stages.truth import LabelledScans

FOLDER = "gate"


def judge_on_locked(contest: Contest, given: LabelledScans) -> Iterator[Check]:
    """Count the look, then score both models, then judge.

    A look is counted before anything is seen; the same pair of models again is no
    further look, since it shows the same.
    """
    yield (look := _count_look(contest, given))
    if look.passed is False:
        return
    versions = [v for v in (contest.version, contest.champion) if v is not None]
    ids = Pseudonymizer(contest.session.key)
    scored = [_score(contest, version, given, ids) for version in versions]
    unknown = [str(v) for v, s in zip(versions, scored, strict=True) if s.seen is None]
    if unknown:
        found = f"{', '.join(unknown)} does not say what it has seen; register it again"
        yield Check("seen", "patients that either has seen", found, passed=False)
        return
    lists = [s.seen for s in scored if s.seen is not None]
    parts = (seen_patients(s, lists, ids) for s in scored)
    excluded = frozenset[PatientId]().union(*parts)
    said = f"{len(excluded)} patients that either model has seen are left out"
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
    yield from _judged(contest, judged)


def _judged(contest: Contest, judged: Sequence[Evaluated]) -> Iterator[Check]:
    own, *champion = judged
    counts = own.account.counts
    said = (
        f"{counts['exams_judged']} exams of {counts['patients_judged']} patients; "
        f"intervals at {contest.gate.compare.level:.2%}"
    )
    yield Check("locked", "exams that are judged", said, passed=None)
    if champion:
        yield from _against(contest, own, champion[0])
    else:
        said = "no champion yet: floors only"
        yield Check("compare", "nothing", said, passed=None)
    yield from evidence_checks(contest, own.metrics, metric_values(own.metrics))
    _keep(contest, own)


def _count_look(contest: Contest, given: LabelledScans) -> Check:
    locked, rule = contest.gate.locked, contest.gate.compare
    assert locked is not None
    labels = str(table_hash(given.labels)) if given.labels else ""
    packages = [_sha256(contest, v) for v in (contest.version, contest.champion) if v]
    look = Look(
        locked.name,
        sha256_json(packages)[:12],
        {
            "version": str(contest.version),
            "champion": str(contest.champion or "none"),
            "labels_sha256": labels,
        },
    )
    looks = mlflow_store.note_look(contest.store, contest.version.name, look)
    number = [one.pair for one in looks].index(look.pair) + 1
    changed = len({one.said.get("labels_sha256") for one in looks}) > 1
    found = f"look {number} of {rule.looks} planned at {locked.name!r}"
    if changed:
        found += "; its labels changed since an earlier look: give it another name"
    if number > rule.looks:
        found += "; it is used up: plan a new set"
    asked = f"at most {rule.looks} looks, alpha {rule.alpha:g} / {rule.looks} each"
    return Check("looks", asked, found, passed=number <= rule.looks and not changed)


def _sha256(contest: Contest, version: ModelVersionRef) -> str:
    with mlflow_store.fetched(contest.store, version) as folder:
        return str(sha256_file(folder / PACKAGE_FILE))


def _score(
    contest: Contest, version: ModelVersionRef, given: LabelledScans, ids: Pseudonymizer
) -> Scored:
    """Below the workspace, by model: a champion that was scored before is read."""
    session = contest.session
    session.say(f"scoring the locked set with {version}")
    out = _folder(contest) / _sha256(contest, version)[:12]
    way = Way(out, ids, session.workers, session.listen)
    with mlflow_store.fetched(contest.store, version) as folder:
        return score_labelled(folder, given, way)


def _folder(contest: Contest) -> Path:
    locked = contest.gate.locked
    name = locked.name if locked else ""
    return contest.session.workspace / FOLDER / contest.version.name / name


def _against(contest: Contest, own: Evaluated, champion: Evaluated) -> Iterator[Check]:
    rule = contest.gate.compare
    try:
        sides = [
            make_side(
                letter,
                str(version),
                one.predictions,
                one.scored.package.decision if one.task.classify else None,
            )
            for letter, version, one in (
                ("A", contest.version, own),
                ("B", contest.champion, champion),
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


def _keep(contest: Contest, own: Evaluated) -> None:
    """Figures of the version beside its scores, so that a reason can be followed up."""
    out = _folder(contest) / _sha256(contest, contest.version)[:12]
    write_predictions(own.predictions, out / "predictions.parquet")
    metrics = metrics_to_json(own.metrics)
    said = {"account": dict(own.account.counts), "metrics": metrics}
    write_json(out / EVALUATION_FILE, said)
