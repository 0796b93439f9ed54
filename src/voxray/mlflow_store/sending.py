"""From the outbox of a run to the store: in order, each record once."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import (
    get_artifact_repository,
)
from mlflow.utils import mlflow_tags

from voxray.core.errors import ConfigError, MachineError, VoxrayError
from voxray.core.outbox import Outbox, Record
from voxray.mlflow_store.metrics import log_points
from voxray.mlflow_store.page import RUN
from voxray.mlflow_store.runs import (
    RunHead,
    RunIds,
    find_or_start,
    is_there,
    log_datasets,
    log_params,
    set_status,
    set_tags,
)
from voxray.mlflow_store.store import Store, store_name, without_password


def send(store: Store, outbox: Outbox, *, wait: bool = True) -> int:
    """Send all that a run has waiting, its parent's first; returns how much.

    A kill between the store's answer and the deletion of a record sends that record
    again, which changes nothing there: runs are found by their key, curves are points
    with a time of their own, files replace files of the same name.

    Args:
        store: Where to.
        outbox: Of the run.
        wait: For another process that sends the same.

    Raises:
        BlockingIOError: If another process sends the same, and `wait` is False.
        ConfigError: If there is no such run, it was recorded for another store, or was
            deleted in this one: then nothing was sent. Or if the store does not take
            some of its records: these were put aside, and all others sent.
        ManifestError: If a record cannot be read.
        MachineError: If the store is away; then the rest waits.
    """
    _check_store(store, outbox)
    with outbox.sending(wait=wait):
        waiting = outbox.waiting()
        is_there = outbox.sent() is not None
        if is_there and not waiting:
            return 0
        with _explained(store, outbox, "the start", outbox.folder):
            run = sent_ids(outbox) if is_there else _start(store, outbox, wait=wait)
        put_aside = list[str]()
        try:
            for record in waiting:
                put_aside += _send_one(store, outbox, run.run_id, record)
        except VoxrayError as error:
            raise type(error)("\n".join([*put_aside, str(error)])) from error
    if put_aside:
        raise ConfigError("\n".join(put_aside))
    return len(waiting)


def meant_store(outbox: Outbox) -> str:
    """Name of the store a run was recorded for; see `store_name`.

    Raises:
        ManifestError: If it cannot be read.
    """
    return without_password(outbox.about()["store"])  # older ones hid less


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


def _check_store(store: Store, outbox: Outbox) -> None:
    if not outbox.is_made:
        msg = (
            f"there is no run {outbox.key} in {outbox.folder.parent}; bring the folder "
            "back, or train again: --from train --force"
        )
        raise ConfigError(msg)
    meant = meant_store(outbox)
    here = store_name(store.uri, outbox.folder.parent)
    if meant != here:
        name = outbox.about()["head"]["name"]
        msg = (
            f"run {name!r} was recorded for {meant}, not for {here}; set "
            "MLFLOW_TRACKING_URI or track.uri as it was, or train again for this store:"
            " --from train --force"
        )
        raise ConfigError(msg)


def _send_one(
    store: Store, outbox: Outbox, run_id: str, record: Record
) -> tuple[str, ...]:
    """Send a record, or put one aside that can never be sent; then says why."""
    try:
        with _explained(store, outbox, record.kind, record.path):
            _sender(record)(store, run_id, record)
    except _BadRecordError as error:
        name = outbox.about()["head"]["name"]
        msg = (
            f"{store.label} does not take {record.kind} of run {name!r} ({error}); the "
            f"rest goes on without, kept in {outbox.refuse(record)}"
        )
        return (msg,)
    outbox.drop(record)
    return ()


class _BadRecordError(Exception):
    """A record that this store will never take."""


def _sender(record: Record) -> Callable[[Store, str, Record], None]:
    if record.kind not in _SENDERS:
        msg = (
            f"a record of the unknown kind {record.kind!r} waits in {record.path}; was "
            "it made by a newer voxray? update, then run `voxray track sync`"
        )
        raise ConfigError(msg)
    return _SENDERS[record.kind]


def _start(store: Store, outbox: Outbox, *, wait: bool) -> RunIds:
    about = outbox.about()
    parent = _parent(store, outbox, about["parent"], wait=wait)
    head = RunHead(**about["head"])
    run = find_or_start(store, outbox.key, head, parent)
    outbox.note_sent(asdict(run))
    return run


def _parent(
    store: Store, outbox: Outbox, key: str | None, *, wait: bool
) -> RunIds | None:
    if key is None:
        return None
    parent = Outbox(outbox.folder.with_name(key))
    if parent.sent() is None:
        send(store, parent, wait=wait)
    return sent_ids(parent)


@contextlib.contextmanager
def _explained(store: Store, outbox: Outbox, what: str, path: Path) -> Iterator[None]:
    """Every error of MLflow, and of what it loads, as one of ours."""
    try:
        yield
    except (VoxrayError, BlockingIOError, _BadRecordError):
        raise
    except MlflowException as error:
        reason = _reason(error)
        if _is_of_the_record(store, outbox, error):
            raise _BadRecordError(reason) from error
        name = outbox.about()["head"]["name"]
        msg = (
            f"{store.label} refuses {what} of run {name!r} ({reason}); if the "
            "run was deleted in MLflow restore it there, or give the record up: delete "
            f"{path}"
        )
        raise ConfigError(msg) from error
    except Exception as error:  # such as of a storage whose package is not installed
        msg = (
            f"cannot send to {store.label}: {type(error).__name__}: {_reason(error)}; "
            "nothing is lost, mend it and run `voxray track sync`"
        )
        raise MachineError(msg) from error


def _reason(error: Exception) -> str:
    return without_password((str(error).splitlines() or ["no reason given"])[0][:300])


def _is_of_the_record(store: Store, outbox: Outbox, error: MlflowException) -> bool:
    """Whether the store can take others; it says the same of a deleted run."""
    sent = outbox.sent()
    is_invalid = error.error_code == "INVALID_PARAMETER_VALUE"
    return is_invalid and sent is not None and is_there(store, sent["run_id"])


def _send_page(store: Store, run_id: str, record: Record) -> None:
    text = str(record.value).replace(RUN, run_id)
    set_tags(store, run_id, {mlflow_tags.MLFLOW_RUN_NOTE: text})


def _send_files(store: Store, run_id: str, record: Record) -> None:
    if record.files is None:
        return
    lost = [name for name in record.names if not (record.files / name).is_file()]
    if lost:
        msg = f"{len(lost)} of its files are gone from the outbox, such as {lost[0]!r}"
        raise _BadRecordError(msg)
    with store.client() as client:
        client.log_artifacts(run_id, str(record.files), record.value or None)


def _send_folder(store: Store, run_id: str, record: Record) -> None:
    """Files in place of those the folder held, where a server lets these be deleted."""
    with store.client() as client:
        there = client.list_artifacts(run_id, record.value)
        gone = [f.path for f in there if Path(f.path).name not in record.names]
        files = _files_of(client, run_id, store.address)
        for path in gone:
            with contextlib.suppress(Exception):  # the new ones count more
                files.delete_artifacts(path)  # type: ignore[no-untyped-call]
    _send_files(store, run_id, record)


def _files_of(client: MlflowClient, run_id: str, uri: str) -> ArtifactRepository:
    """MLflow's client deletes no files; what it writes them with does."""
    return get_artifact_repository(client.get_run(run_id).info.artifact_uri, uri)


def _send_params(store: Store, run_id: str, record: Record) -> None:
    try:
        log_params(store, run_id, record.value)
    except ConfigError as error:
        raise _BadRecordError(str(error)) from error


_SENDERS: dict[str, Callable[[Store, str, Record], None]] = {
    "params": _send_params,
    "tags": lambda store, run_id, r: set_tags(store, run_id, r.value),
    "points": lambda store, run_id, r: log_points(store, run_id, r.value),
    "datasets": lambda store, run_id, r: log_datasets(store, run_id, r.value),
    "status": lambda store, run_id, r: set_status(store, run_id, **r.value),
    "page": _send_page,
    "files": _send_files,
    "folder": _send_folder,
}
