"""Who is champion: looks at the locked set, the decision, the change, the way back.

Whether a version may be champion is decided elsewhere; here it is recorded and done.
"""

import contextlib
import json
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from voxray.core.errors import ConfigError, GateError, MachineError, ManifestError
from voxray.mlflow_store.package_files import file_problems
from voxray.mlflow_store.refs import (
    ModelVersionRef,
    fetched,
    registered_model,
    version_numbers,
)
from voxray.mlflow_store.store import Store

CHAMPION = "champion"
AUDIT_TAG = "audit"
AUDIT_PASSED = "passed"
HISTORY_TAG = "champion_history"
_LONGEST_HISTORY = 100
_MOST_CHARACTERS = 4000  # of a tag, in every store
_CLAIM, _LOOK = "gate_claim.", "gate_look."
_CLAIM_HOLDS_S = 600.0
_ATTEMPTS = 40
_GONE = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}


@dataclass(frozen=True, slots=True)
class Look:
    """One comparison on a locked set.

    Attributes:
        locked: Name of the set.
        pair: What was compared; the same pair again is no further look.
        said: More about it, e.g. versions and time.
    """

    locked: str
    pair: str
    said: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class GateRecord:
    """A decision about a version.

    Attributes:
        reasons: What spoke against it; empty when it was passed.
        tags: More about it, as tags of the version.
        files: Name and text of what is kept with the run that made the version.
    """

    reasons: Sequence[str]
    tags: Mapping[str, str]
    files: Mapping[str, str]


def find_champion(store: Store, name: str) -> ModelVersionRef | None:
    """The champion now; None without one.

    Raises:
        ConfigError: If there is no model of that name.
        MachineError: If the store is away.
    """
    with store.client() as client:
        now, _ = _champions(client, store, name)
    return None if now is None else ModelVersionRef(name, now)


def earlier_champions(store: Store, name: str) -> tuple[ModelVersionRef, ...]:
    """Versions that `rollback` can go back to, oldest first.

    Raises:
        ConfigError: If there is no model of that name.
        MachineError: If the store is away.
    """
    with store.client() as client:
        now, history = _champions(client, store, name)
        there = version_numbers(client, name)
    return tuple(ModelVersionRef(name, v) for v in history if v != now and v in there)


def looks_at(store: Store, name: str, locked: str) -> tuple[Look, ...]:
    """All looks at a locked set, by time.

    Raises:
        ConfigError: If there is no model of that name.
        MachineError: If the store is away.
    """
    prefix = f"{_LOOK}{locked}."
    with store.client() as client:
        tags = registered_model(client, store, name).tags
    found = [
        Look(locked, tag.removeprefix(prefix), json.loads(said))
        for tag, said in tags.items()
        if tag.startswith(prefix)
    ]
    return tuple(sorted(found, key=lambda one: (one.said["time"], one.pair)))


def note_look(store: Store, name: str, look: Look) -> tuple[Look, ...]:
    """Count a look; returns all looks at that set, by time.

    Every look is a tag of its own, so that two at once are both counted.

    Raises:
        ConfigError: If there is no model of that name.
        MachineError: If the store is away.
    """
    key = f"{_LOOK}{look.locked}.{look.pair}"
    with store.client() as client:
        if key not in registered_model(client, store, name).tags:
            said = json.dumps({**look.said, "time": _now("microseconds")})
            client.set_registered_model_tag(name, key, said)
    return looks_at(store, name, look.locked)


def record_decision(store: Store, found: ModelVersionRef, record: GateRecord) -> None:
    """Keep a decision: as tags of the version, and as files of the run that made it.

    Raises:
        MachineError: If the store is away.
    """
    tags = {
        "gate_decision": "refused" if record.reasons else "passed",
        "gate_reasons": _as_tag(record.reasons),
        "gate_time": _now(),
        **record.tags,
    }
    with store.client() as client:
        for key, value in tags.items():
            client.set_model_version_tag(found.name, str(found.version), key, value)
        run_id = client.get_model_version(found.name, str(found.version)).run_id
        if run_id is None:
            return
        for name, text in record.files.items():
            with _unless_deleted():
                client.log_text(run_id, text, f"gate/version_{found.version}/{name}")


def _as_tag(reasons: Sequence[str]) -> str:
    """As many as a tag holds, as JSON; the files have all."""
    said, n = json.dumps(list(reasons)), len(reasons)
    while len(said) > _MOST_CHARACTERS:
        n -= 1
        more = f"{len(reasons) - n} more: see gate/ of the run"
        said = json.dumps([*reasons[:n], more])
    return said


def crown(
    store: Store, found: ModelVersionRef, against: ModelVersionRef | None
) -> None:
    """Make a version the champion, unless another one became it meanwhile.

    Args:
        store: Where.
        found: Was judged, and may be champion.
        against: The champion it was compared with; None without one.

    Raises:
        GateError: If the champion is another one now: the decision does not hold.
        MachineError: If the store is away, or others change the champion all the time.
    """
    with store.client() as client, _alone(client, store, found.name):
        now, history = _champions(client, store, found.name)
        was = None if against is None else against.version
        if now != was:
            then = "none" if was is None else f"version {was}"
            msg = (
                f"the champion of {found.name!r} was {then} when {found} was judged, "
                f"and is version {now} now: somebody else was first; judge it again"
            )
            raise GateError(msg)
        if now == found.version:
            return
        # History first: a process that is killed in between leaves a valid champion.
        if now is not None and history[-1:] != [now]:
            _write_history(client, found.name, [*history, now])
        client.set_registered_model_alias(found.name, CHAMPION, str(found.version))


def rollback(store: Store, name: str) -> ModelVersionRef:
    """Make the champion before this one champion again; both versions say so.

    Raises:
        ConfigError: If there is no model of that name, or no champion before.
        GateError: If the files of that version are not what was registered.
        MachineError: If the store is away.
    """
    with store.client() as client, _alone(client, store, name):
        now, history = _champions(client, store, name)
        there = version_numbers(client, name)
        earlier = [v for v in history if v != now and v in there]
        if not earlier:
            msg = f"model {name!r} has no earlier {CHAMPION} to go back to"
            raise ConfigError(msg)
        target = ModelVersionRef(name, earlier[-1])
        if problems := version_problems(store, target):
            msg = f"cannot go back to {target}: {'; '.join(problems)}"
            raise GateError(msg)
        client.set_registered_model_alias(name, CHAMPION, str(target.version))
        last = len(history) - 1 - history[::-1].index(target.version)
        _write_history(client, name, history[:last])
        _log_rollback(client, target, now)
    return target


def version_problems(store: Store, found: ModelVersionRef) -> tuple[str, ...]:
    """What is wrong with the files of a version; empty when nothing is.

    Raises:
        MachineError: If the store is away.
    """
    try:
        with fetched(store, found) as folder:
            return file_problems(folder)
    except (ConfigError, ManifestError) as error:
        return (str(error),)


def _log_rollback(
    client: MlflowClient, target: ModelVersionRef, now: int | None
) -> None:
    name, at = target.name, _now()
    said = {str(target.version): ("rolled_back_to", at)}
    if now is not None:
        said[str(now)] = ("rolled_back_from", at)
    for version, (key, value) in said.items():
        client.set_model_version_tag(name, version, key, value)


@contextlib.contextmanager
def _alone(client: MlflowClient, store: Store, name: str) -> Iterator[None]:
    """Be the only one who changes the champion.

    MLflow has no lock, and setting an alias asks no question. So everybody puts a claim
    of its own beside the others, then looks: who sees another claim takes his back and
    tries again. Of two who both go on each must have looked before the other claimed,
    and claimed before it looked, which cannot be. A claim of a process that is gone
    ends after ten minutes.

    Raises:
        ConfigError: If there is no model of that name.
        MachineError: If others are in the way all the time.
    """
    registered_model(client, store, name)  # says which there are, if it is none
    own = f"{_CLAIM}{uuid4().hex}"
    for _attempt in range(_ATTEMPTS):
        client.set_registered_model_tag(name, own, str(time.time()))
        if not _others(client, store, name, own):
            break
        client.delete_registered_model_tag(name, own)
        time.sleep(random.uniform(0.05, 0.5))
    else:
        msg = f"others change the champion of {name!r} at this moment; run again"
        raise MachineError(msg)
    try:
        yield
    finally:
        client.delete_registered_model_tag(name, own)


def _others(client: MlflowClient, store: Store, name: str, own: str) -> list[str]:
    """Claims of others that still hold; older ones are removed."""
    tags = registered_model(client, store, name).tags
    claims = {k: float(v) for k, v in tags.items() if k.startswith(_CLAIM) and k != own}
    holding = [k for k, at in claims.items() if time.time() - at < _CLAIM_HOLDS_S]
    for key in claims.keys() - set(holding):
        client.delete_registered_model_tag(name, key)
    return holding


@contextlib.contextmanager
def _unless_deleted() -> Iterator[None]:
    """A run that was deleted for good keeps no files; the tags remain."""
    try:
        yield
    except MlflowException as error:
        if error.error_code not in _GONE:
            raise


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


def _now(precision: str = "seconds") -> str:
    return datetime.now(UTC).isoformat(timespec=precision)
