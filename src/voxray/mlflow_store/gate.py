"""The gate: `champion` is a decision of the team's policy, recorded either way."""

import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import yaml
from mlflow import MlflowClient
from pydantic import Field

from voxray.core.errors import ConfigError, GateError
from voxray.core.hashing import sha256_json
from voxray.core.specs import Spec
from voxray.mlflow_store.catalogue import ModelDescription, describe_model
from voxray.mlflow_store.package_files import CARD_FILE, file_problems
from voxray.mlflow_store.refs import (
    ModelVersionRef,
    fetch_version,
    find_version,
    is_registered,
    registered_model,
    version_numbers,
)
from voxray.mlflow_store.store import Store

CHAMPION = "champion"
AUDIT_TAG = "audit"
AUDIT_PASSED = "passed"
HISTORY_TAG = "champion_history"
_LONGEST_HISTORY = 100


class ModelGate(Spec):
    """What one model must reach, by metric name as in the run (`auc`, `dice_lesion`).

    Attributes:
        minimum_low: Least lower interval end.
        maximum_high: Greatest upper interval end, for errors and distances.
    """

    minimum_low: dict[str, float | None] = Field(default={})
    maximum_high: dict[str, float | None] = Field(default={})


class GatePolicy(Spec):
    """The gate of all models. No figure has a default: the team states them.

    Attributes:
        models: By registered name.
    """

    schema_version: Literal[1] = 1
    models: dict[str, ModelGate] = Field(default={})


def read_policy(path: Path) -> GatePolicy:
    """Read the policy file.

    Raises:
        ConfigError: If it is missing or wrong.
    """
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        return GatePolicy.model_validate(found)
    except (OSError, ValueError, yaml.YAMLError) as error:
        msg = f"cannot read the gate policy {str(path)!r}: {error}"
        raise ConfigError(msg) from error


def promote(store: Store, ref: str, policy: GatePolicy) -> ModelVersionRef:
    """Make a version the champion, if the policy allows it.

    The decision, its reasons and the hash of the policy are tags of the version,
    whatever the decision is. The champion before it stays in the model's history.

    Raises:
        GateError: If the policy says no; gives every reason.
        ConfigError: If there is no such registered version.
        MachineError: If the store is away.
    """
    if not is_registered(ref):
        msg = f"only a registered version can be promoted, not {ref!r}; register it"
        raise ConfigError(msg)
    found = find_version(store, ref)
    reasons = gate_reasons(store, found, policy)
    _record(store, found, policy, reasons)
    if reasons:
        msg = f"{found} does not become {CHAMPION}: {'; '.join(reasons)}"
        raise GateError(msg)
    _crown(store, found)
    return found


def rollback(store: Store, name: str) -> ModelVersionRef:
    """Make the champion before this one champion again.

    Raises:
        ConfigError: If there is no model of that name, or no champion before.
        GateError: If the files of that version are not what was registered.
        MachineError: If the store is away.
    """
    with store.client() as client:
        now, history = _champions(client, store, name)
        there = version_numbers(client, name)
    earlier = [v for v in history if v != now and v in there]
    if not earlier:
        msg = f"model {name!r} has no earlier {CHAMPION} to go back to"
        raise ConfigError(msg)
    target = ModelVersionRef(name, earlier[-1])
    problems = _file_reasons(store, target)
    if problems:
        msg = f"cannot go back to {target}: {'; '.join(problems)}"
        raise GateError(msg)
    with store.client() as client:
        client.set_registered_model_alias(name, CHAMPION, str(target.version))
        last = len(history) - 1 - history[::-1].index(target.version)
        _write_history(client, name, history[:last])
    return target


def gate_reasons(
    store: Store, found: ModelVersionRef, policy: GatePolicy
) -> tuple[str, ...]:
    """Why a version may not become champion; empty when it may.

    Raises:
        ConfigError: If there is no such version.
        MachineError: If the store is away.
    """
    described = describe_model(store, str(found))
    gate = policy.models.get(found.name, ModelGate())
    return (
        *_audit_reasons(described),
        *_file_reasons(store, found),
        *_figure_reasons(described, gate),
    )


def _audit_reasons(described: ModelDescription) -> list[str]:
    said = described.tags.get(AUDIT_TAG)
    if said == AUDIT_PASSED:
        return []
    return [f"the leakage audit is {said or 'absent'}, not {AUDIT_PASSED}"]


def _file_reasons(store: Store, found: ModelVersionRef) -> list[str]:
    with tempfile.TemporaryDirectory() as cache:
        try:
            folder = fetch_version(store, found, Path(cache))
        except ConfigError as error:
            return [str(error)]
        reasons = list(file_problems(folder))
        if not (folder / CARD_FILE).is_file():
            reasons.append(f"the model has no {CARD_FILE}")
    return reasons


def _figure_reasons(described: ModelDescription, gate: ModelGate) -> list[str]:
    stated = {**gate.minimum_low, **gate.maximum_high}
    prefix = f"models.{described.name}"
    if not stated:
        known = [m for m in described.metrics if f"{m}_low" in described.metrics]
        msg = (
            f"the gate policy states no figure for this model; set {prefix}.minimum_low"
            f" for the metrics that matter, of: {', '.join(sorted(known)) or 'none'}"
        )
        return [msg]
    unset = [
        f"{prefix}.{part}.{metric} is not set in the gate policy"
        for part in ("minimum_low", "maximum_high")
        for metric, figure in getattr(gate, part).items()
        if figure is None
    ]
    return unset + _too_low(described, gate) + _too_high(described, gate)


def _too_low(described: ModelDescription, gate: ModelGate) -> list[str]:
    reasons = []
    for metric, least in gate.minimum_low.items():
        found = described.metrics.get(f"{metric}_low")
        if found is None:
            reasons.append(f"its run has no lower interval end of {metric}")
        elif least is not None and not found >= least:
            reasons.append(f"lower end of {metric} is {found:.3f}, below {least:.3f}")
    return reasons


def _too_high(described: ModelDescription, gate: ModelGate) -> list[str]:
    reasons = []
    for metric, most in gate.maximum_high.items():
        found = described.metrics.get(f"{metric}_high")
        if found is None:
            reasons.append(f"its run has no upper interval end of {metric}")
        elif most is not None and not found <= most:
            reasons.append(f"upper end of {metric} is {found:.3f}, above {most:.3f}")
    return reasons


def _record(
    store: Store,
    found: ModelVersionRef,
    policy: GatePolicy,
    reasons: tuple[str, ...],
) -> None:
    tags = {
        "gate_decision": "refused" if reasons else "passed",
        "gate_reasons": json.dumps(reasons),
        "gate_policy_sha256": sha256_json(policy.model_dump(mode="json")),
        "gate_time": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    with store.client() as client:
        for key, value in tags.items():
            client.set_model_version_tag(found.name, str(found.version), key, value)


def _crown(store: Store, found: ModelVersionRef) -> None:
    """History first: a process killed in between leaves a valid champion."""
    with store.client() as client:
        now, history = _champions(client, store, found.name)
        if now == found.version:
            return
        if now is not None and history[-1:] != [now]:
            _write_history(client, found.name, [*history, now])
        client.set_registered_model_alias(found.name, CHAMPION, str(found.version))


def _champions(
    client: MlflowClient, store: Store, name: str
) -> tuple[int | None, list[int]]:
    """The champion now (None without one), and those before it, oldest first."""
    model = registered_model(client, store, name)
    now = model.aliases.get(CHAMPION)
    history = json.loads(model.tags.get(HISTORY_TAG, "[]"))
    return (None if now is None else int(now)), [int(v) for v in history]


def _write_history(client: MlflowClient, name: str, history: list[int]) -> None:
    kept = json.dumps(history[-_LONGEST_HISTORY:])
    client.set_registered_model_tag(name, HISTORY_TAG, kept)
