"""`voxray models promote`: a version is judged by the policy, and becomes champion."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from voxray import mlflow_store
from voxray.core.errors import ConfigError, GateError
from voxray.core.gate import Check, reasons
from voxray.core.hashing import sha256_json
from voxray.core.specs.gate import GatePolicy
from voxray.mlflow_store import GateRecord, ModelVersionRef, Store
from voxray.stages.config import gate_policy_file
from voxray.stages.contest import Contest, evidence_checks, run_figures
from voxray.stages.gate_policy import locked_scans, read_policy
from voxray.stages.locked_set import judge_on_locked
from voxray.stages.models import existing_store
from voxray.stages.own_checks import own_checks
from voxray.stages.run import Session
from voxray.stages.truth import LabelledScans

_PLACES = {"scans", "labels", "masks"}
"""Of the locked set: paths may name people, and are not for the store."""
_HEADER = ("", "rule", "asked", "found")
_VERDICTS = {True: "yes", False: "NO", None: "-"}


@dataclass(frozen=True, slots=True)
class PromoteRequest:
    """What a person asks.

    Attributes:
        ref: `models:/NAME@ALIAS` or `models:/NAME/VERSION`.
        policy: Gate policy; None for the shipped one.
        given: Where the locked set lies on this machine; None as the policy says.
    """

    ref: str
    policy: Path | None = None
    given: LabelledScans | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    """The decision.

    Attributes:
        version: What was judged.
        against: The champion it was judged against; None without one.
        checks: Every rule, and what was found.
    """

    version: ModelVersionRef
    against: ModelVersionRef | None
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether it became champion."""
        return not self.reasons

    @property
    def reasons(self) -> list[str]:
        """What speaks against it."""
        return reasons(self.checks)

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Verdict and rule, then what was found, for a terminal."""
        return [
            (f"{_VERDICTS[c.passed]:4}{c.rule}", f"{c.found} (asked: {c.asked})")
            for c in self.checks
        ]

    @property
    def sentence(self) -> str:
        """The decision in a line, with counts."""
        n = len(self.checks)
        if self.passed:
            return f"{self.version} is the champion now; {n} rules looked at, all hold"
        against = len(self.reasons)
        return f"{self.version} does not become champion; {against} of {n} rules say no"


def promote(request: PromoteRequest, session: Session) -> Decided:
    """Judge a version by the policy; make it champion if every rule holds.

    The decision and every reason are kept either way: as tags of the version, and as
    files of the run that made it.

    Raises:
        ConfigError: If there is no such version or policy, it is the champion already,
            the champion was deleted and there is one to go back to, or the policy
            states no margin, or names no locked set to compare with the champion on.
        GateError: If somebody else changed the champion meanwhile.
        MachineError: If the store is away.
    """
    path = request.policy or gate_policy_file()
    policy = read_policy(path)
    if not mlflow_store.is_registered(request.ref):
        msg = f"only a registered version can be promoted, not {request.ref!r}"
        raise ConfigError(msg)
    store = existing_store(session.workspace)
    version = mlflow_store.find_version(store, request.ref)
    champion = mlflow_store.find_champion(store, version.name)
    if champion is None:
        _check_never(store, version.name)
    if champion == version:
        msg = f"{version} is the champion already; there is nothing to decide"
        raise ConfigError(msg)
    gate = policy.models.get(version.name)
    if gate is None:
        checks: tuple[Check, ...] = (_unnamed(version),)
    else:
        given = locked_scans(gate, path, request.given)
        if given is None and champion is not None:
            msg = (
                f"{champion} is champion, and models.{version.name}.locked names no "
                "labelled set to compare on; state its name, scans and labels"
            )
            raise ConfigError(msg)
        contest = Contest(store, version, champion, gate, given, session)
        checks = tuple(_checks(contest))
    decided = Decided(version, champion, checks)
    _settle(store, decided, policy)
    return decided


def _check_never(store: Store, name: str) -> None:
    """Without a champion nothing is compared: that is for the first one only."""
    before = mlflow_store.earlier_champions(store, name)
    if before:
        msg = (
            f"{name!r} has no champion now, its alias or version was deleted, but "
            f"{before[-1]} was one; go back to it first, so that there is something to "
            f"compare with: voxray models rollback {name}"
        )
        raise ConfigError(msg)


def _checks(contest: Contest) -> Iterator[Check]:
    """Cheap rules first: a version that fails them is not worth a look."""
    first = list(own_checks(contest))
    yield from first
    if reasons(first):
        said = "not looked at, since the rules above fail"
        yield Check("locked", "nothing", said, passed=None)
    elif contest.given is not None:
        yield from judge_on_locked(contest, contest.given)
    else:
        yield Check("locked", "nothing", "none: figures are out of fold", passed=None)
        metrics, values = run_figures(contest)
        yield from evidence_checks(contest, metrics, values)


def _unnamed(version: ModelVersionRef) -> Check:
    key = f"models.{version.name}"
    found = f"the gate policy says nothing of this model; set {key}.compare and floors"
    return Check("policy", f"figures for {key}", found, passed=False)


def _settle(store: Store, decided: Decided, policy: GatePolicy) -> None:
    """Record, then crown; somebody else who was first is a reason like any other."""
    _record(store, decided, policy)
    if not decided.passed:
        return
    try:
        mlflow_store.crown(store, decided.version, decided.against)
    except GateError as error:
        late = Check("champion", "the one it was judged against", str(error), False)  # noqa: FBT003
        _record(store, replace(decided, checks=(*decided.checks, late)), policy)
        raise


def _record(store: Store, decided: Decided, policy: GatePolicy) -> None:
    against = str(decided.against) if decided.against else "none"
    sha256 = sha256_json(policy.model_dump(mode="json"))
    gate = policy.models.get(decided.version.name)
    said = {
        "version": str(decided.version),
        "champion": against,
        "passed": decided.passed,
        "policy_sha256": sha256,
        "policy": gate and gate.model_dump(mode="json", exclude={"locked": _PLACES}),
        "checks": [asdict(check) for check in decided.checks],
    }
    record = GateRecord(
        decided.reasons,
        {"gate_policy_sha256": sha256, "gate_champion": against},
        {
            "decision.json": json.dumps(said, indent=2) + "\n",
            "decision.md": _markdown(decided),
        },
    )
    mlflow_store.record_decision(store, decided.version, record)


def _markdown(decided: Decided) -> str:
    found = [(_VERDICTS[c.passed], c.rule, c.asked, c.found) for c in decided.checks]
    rows = [_HEADER, ("---",) * len(_HEADER), *found]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"# {decided.sentence}\n\nChampion before: {decided.against}\n\n{table}\n"
