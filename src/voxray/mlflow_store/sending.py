"""From the outbox of a run to the store: in order, each record once."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from mlflow.exceptions import MlflowException
from mlflow.utils import mlflow_tags

from voxray.core.errors import ConfigError
from voxray.core.outbox import Outbox, Record
from voxray.mlflow_store.metrics import log_points
from voxray.mlflow_store.page import RUN
from voxray.mlflow_store.runs import (
    RunHead,
    RunIds,
    find_or_start,
    log_datasets,
    log_params,
    set_status,
    set_tags,
)
from voxray.mlflow_store.store import Store, without_password


def send(store: Store, outbox: Outbox) -> int:
    """Send all that a run has waiting, its parent's first; returns how much.

    A kill between the store's answer and the deletion of a record sends that record
    again, which changes nothing there: runs are found by their key, curves are points
    with a time of their own, files replace files of the same name.

    Raises:
        ConfigError: If the store refuses a record, such as one of a deleted run.
        MachineError: If the store is away; then the rest waits.
    """
    with outbox.sending():
        waiting = outbox.waiting()
        is_there = outbox.sent() is not None
        if is_there and not waiting:
            return 0
        with _explained(store, outbox, "the start", outbox.folder):
            run = sent_ids(outbox) if is_there else _start(store, outbox)
        for record in waiting:
            with _explained(store, outbox, record.kind, record.path):
                _SENDERS[record.kind](store, run.run_id, record)
            outbox.drop(record)
        return len(waiting)


def sent_ids(outbox: Outbox) -> RunIds:
    """Where a run is in its store.

    Raises:
        ConfigError: If it is not there yet.
    """
    sent = outbox.sent()
    if sent is None:
        msg = f"run {outbox.key} is not in its store yet; run `voxray track sync`"
        raise ConfigError(msg)
    return RunIds(sent["experiment_id"], sent["run_id"])


def _start(store: Store, outbox: Outbox) -> RunIds:
    about = outbox.about()
    parent = _parent(store, outbox, about["parent"])
    head = RunHead(**about["head"])
    run = find_or_start(store, outbox.key, head, parent)
    outbox.note_sent(asdict(run))
    return run


def _parent(store: Store, outbox: Outbox, key: str | None) -> RunIds | None:
    if key is None:
        return None
    parent = Outbox(outbox.folder.with_name(key))
    send(store, parent)
    return sent_ids(parent)


@contextlib.contextmanager
def _explained(store: Store, outbox: Outbox, what: str, path: Path) -> Iterator[None]:
    try:
        yield
    except MlflowException as error:
        reason = without_password(str(error).splitlines()[0][:300])
        name = outbox.about()["head"]["name"]
        msg = (
            f"{store.label} refuses {what} of run {name!r} ({reason}); if the "
            "run was deleted in MLflow restore it there, or give the record up: delete "
            f"{path}"
        )
        raise ConfigError(msg) from error


def _send_page(store: Store, run_id: str, record: Record) -> None:
    text = str(record.value).replace(RUN, run_id)
    set_tags(store, run_id, {mlflow_tags.MLFLOW_RUN_NOTE: text})


def _send_files(store: Store, run_id: str, record: Record) -> None:
    with store.client() as client:
        folder = record.value or None
        if record.files is not None:
            client.log_artifacts(run_id, str(record.files), folder)


_SENDERS: dict[str, Callable[[Store, str, Record], None]] = {
    "params": lambda store, run_id, r: log_params(store, run_id, r.value),
    "tags": lambda store, run_id, r: set_tags(store, run_id, r.value),
    "points": lambda store, run_id, r: log_points(store, run_id, r.value),
    "datasets": lambda store, run_id, r: log_datasets(store, run_id, r.value),
    "status": lambda store, run_id, r: set_status(store, run_id, **r.value),
    "page": _send_page,
    "files": _send_files,
}
