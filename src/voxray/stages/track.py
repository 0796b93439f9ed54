"""Send what runs still have to tell their store; close runs whose process is gone."""

from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path

from voxray.core.errors import ConfigError, VoxrayError, joined
from voxray.core.outbox import Outbox, outboxes
from voxray.core.wording import counted
from voxray.mlflow_store import (
    RunStatus,
    Tracker,
    TrackingPlace,
    meant_store,
    store_name,
)
from voxray.stages.environment import artifact_root, spool_folder, tracking_uri

Say = Callable[[str], None]


def tracking_place(workspace: Path, asked: str | None) -> TrackingPlace:
    """Where an experiment with this `track.uri` is recorded."""
    return TrackingPlace(
        tracking_uri(workspace, asked),
        artifact_root(workspace),
        spool_folder(workspace),
        asked,
    )


def asked_stores(workspace: Path) -> list[str]:
    """Each `track.uri` that a run of this workspace was recorded with."""
    boxes = outboxes(spool_folder(workspace))
    return sorted({box.about()["asked"] for box in boxes if box.about()["asked"]})


def close_abandoned(workspace: Path, say: Say) -> int:
    """Mark runs as FAILED whose process is gone, such as after `kill -9`.

    A store that is away gets it later.

    Returns:
        How many there were.
    """
    closed = [box for box in outboxes(spool_folder(workspace)) if _close(box, say)]
    if closed:
        say(f"{counted(len(closed), 'run')} left by a process that is gone: FAILED now")
        _send_quietly(workspace, closed, say)
    return len(closed)


def sync(workspace: Path, say: Say) -> int:
    """Send all that waits in a workspace; says what was sent.

    Returns:
        How many records were sent.

    Raises:
        ConfigError: If a store refuses a record, or is not the one that is named now.
        ManifestError: If an outbox cannot be read; the others were sent.
        MachineError: If a store does not answer.
    """
    boxes = [box for box in outboxes(spool_folder(workspace)) if _waits(box)]
    n_sent, problems = _send(workspace, boxes)
    say(f"sent {counted(n_sent, 'record')} of {counted(len(boxes), 'run')}")
    if problems:
        raise joined(problems)
    return n_sent


def take_moved(workspace: Path, old: str, say: Say) -> int:
    """Let runs of a store that has another address now belong to it there.

    Args:
        workspace: With the runs.
        old: URI it had. MLFLOW_TRACKING_URI names the new one.
        say: Shows one line.

    Returns:
        How many runs there are.

    Raises:
        ConfigError: If no run was recorded there, or the new store has none of them.
        MachineError: If the new store does not answer.
    """
    spool = spool_folder(workspace)
    name = store_name(old, spool)
    boxes = [box for box in outboxes(spool) if meant_store(box) == name]
    place = tracking_place(workspace, None)
    if not boxes:
        known = sorted({meant_store(box) for box in outboxes(spool)})
        msg = f"no run was recorded in {name}, only in: {', '.join(known) or 'nothing'}"
        raise ConfigError(msg)
    tracker = Tracker(place, say)
    if not any(map(tracker.knows, boxes)):
        msg = (
            f"{place.label} has none of the {counted(len(boxes), 'run')} of {name}: it "
            "is another store; set MLFLOW_TRACKING_URI to where it is now"
        )
        raise ConfigError(msg)
    for box in boxes:
        box.make({**box.about(), "store": place.label, "asked": None})
    say(f"{counted(len(boxes), 'run')} of {name} belong to {place.label} now")
    return len(boxes)


def _close(box: Outbox, say: Say) -> bool:
    try:
        with box.abandoned() as last_s:
            if last_s is None:
                return False
            at_ms = int(last_s * 1000)
            box.put("status", {"status": RunStatus.FAILED.value, "at_ms": at_ms})
    except VoxrayError as error:  # of one run; the command and the others go on
        say(f"cannot close run {box.key}: {error}")
        return False
    return True


def _send_quietly(workspace: Path, boxes: Sequence[Outbox], say: Say) -> None:
    for problem in _send(workspace, boxes)[1]:
        say(f"not sent yet: {problem}")


def _send(workspace: Path, boxes: Sequence[Outbox]) -> tuple[int, list[VoxrayError]]:
    """Number of records sent, and what went wrong, by store."""
    n_sent, problems = 0, list[VoxrayError]()
    stores = dict[Outbox, tuple[str, str]]()
    for box in boxes:
        try:
            stores[box] = _store(box)
        except VoxrayError as error:
            problems.append(error)
    of = stores.__getitem__
    for (label, asked), group in groupby(sorted(stores, key=of), key=of):
        try:
            n_sent += _tracker(workspace, label, asked or None).send_each(list(group))
        except VoxrayError as error:
            problems.append(error)
    return n_sent, problems


def _tracker(workspace: Path, label: str, asked: str | None) -> Tracker:
    place = tracking_place(workspace, asked)
    if place.label != label:
        msg = (
            f"runs wait for the store {label}, but {place.label} is named now; set "
            "MLFLOW_TRACKING_URI as it was, then run `voxray track sync`"
        )
        raise ConfigError(msg)
    return Tracker(place, lambda _line: None)


def _store(box: Outbox) -> tuple[str, str]:
    return meant_store(box), box.about()["asked"] or ""


def _waits(box: Outbox) -> bool:
    return box.has_waiting or not box.is_sent
