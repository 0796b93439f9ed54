"""Record runs: first on disk, then in the store, which may be away."""

import contextlib
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from mlflow.exceptions import MlflowException

from voxray.core.errors import (
    ConfigError,
    DatasetError,
    MachineError,
    ManifestError,
    VoxrayError,
    joined,
)
from voxray.core.outbox import Outbox, outboxes
from voxray.mlflow_store.runs import RunIds, has_key, is_there
from voxray.mlflow_store.sending import meant_store, send, sent_ids
from voxray.mlflow_store.store import (
    Store,
    holds_password,
    open_store,
    reached,
    store_name,
)
from voxray.mlflow_store.tracked_run import NewRun, TrackedRun

_RETRY_S = 60.0
_ATTEMPTS = 5
_LATER = "`voxray track sync` sends it later"


@dataclass(frozen=True, slots=True)
class TrackingPlace:
    """Where runs are recorded.

    Attributes:
        uri: Of the store.
        artifacts: Folder for the artifacts of a database store.
        spool: Folder of the outboxes.
        asked: `track.uri` as the experiment has it, so that it is found again later.
    """

    uri: str
    artifacts: Path
    spool: Path
    asked: str | None = None

    @property
    def label(self) -> str:
        """The store's name, without a password; see `store_name`."""
        return store_name(self.uri, self.spool)


class Tracker:
    """The door to recording. It never stops what it records because a store is away.

    Attributes:
        place: Where to.
        say: Shows one line when the store goes away or comes back.
    """

    def __init__(self, place: TrackingPlace, say: Callable[[str], None]) -> None:
        self.place, self.say = place, say
        self._store: Store | None = None
        self._retry_s = 0.0
        self._is_away = False
        self._said = set[str]()

    def start(
        self, new: NewRun, parent: str | None = None, key: str | None = None
    ) -> TrackedRun:
        """Open a run.

        Args:
            new: What it is.
            parent: Key of the run it hangs under; None for one alone.
            key: Its own, 32 hexadecimal digits; None for a new one.
        """
        outbox = Outbox(self.place.spool / (key or uuid4().hex))
        run = TrackedRun(outbox, self.pass_on)
        outbox.make(self._about(new, parent))
        return self._opened(run)

    def resume(self, key: str) -> TrackedRun | None:
        """Continue a run that ended in any way.

        Returns:
            None if it was recorded in another store, or was deleted in this one: then
            start a new one.

        Raises:
            MachineError: If it is under way in another process.
        """
        outbox = Outbox(self.place.spool / key)
        if not outbox.is_made or meant_store(outbox) != self.place.label:
            return None
        if self._was_deleted(outbox):
            return None
        run = TrackedRun(outbox, self.pass_on)
        run.run_again()
        return run

    def adopt(self, ids: RunIds, experiment: str) -> TrackedRun:
        """Continue a run that was recorded without an outbox, by an older voxray."""
        outbox = Outbox(self.place.spool / ids.run_id)
        run = TrackedRun(outbox, self.pass_on)
        if not outbox.is_made:
            outbox.note_sent(asdict(ids))
            outbox.make(self._about(NewRun(experiment, experiment), None))
        run.run_again()
        return run

    def reach(self) -> Store:
        """The store itself, for the registry.

        Raises:
            ConfigError: If the URI is of no kind MLflow can use.
            MachineError: If the store does not answer.
        """
        if self._store is None:
            self._store = open_store(self.place.uri, self.place.artifacts)
        return self._store

    def run_id(self, key: str) -> str:
        """The store's id of a run; all that waits is sent first.

        Raises:
            ConfigError: If it was recorded in another store.
            MachineError: If the store does not answer.
        """
        outbox = Outbox(self.place.spool / key)
        send(self.reach(), outbox)
        return sent_ids(outbox).run_id

    def knows(self, outbox: Outbox) -> bool:
        """Whether this store has the run, under the id it was sent as.

        Raises:
            MachineError: If the store does not answer.
        """
        sent = outbox.sent()
        return sent is not None and has_key(self.reach(), sent["run_id"], outbox.key)

    def send_each(self, runs: Iterable[Outbox]) -> int:
        """Send what these runs have waiting; returns the number of records.

        Raises:
            ConfigError: If the store refused records of some; the others were sent.
            ManifestError: If records of some cannot be read; the others were sent.
            MachineError: If the store does not answer.
        """
        store = self.reach()
        n_sent, problems = 0, list[VoxrayError]()
        for outbox in sorted(runs, key=_is_below):
            try:
                n_sent += send(store, outbox)
            except VoxrayError as error:
                problems.append(error)
                if isinstance(error, MachineError) and not _answers(store):
                    break
        if problems:
            raise joined(problems)
        return n_sent

    def settle(self) -> None:
        """Send all that waits, or say that it waits."""
        patience = _ATTEMPTS if self.place.uri.startswith("sqlite") else 1
        for attempt in range(1, patience + 1):
            try:
                self.send_each(filter(self._is_mine, outboxes(self.place.spool)))
            except Exception as error:  # noqa: BLE001 - what was learned counts more
                if isinstance(error, (ConfigError, DatasetError)):
                    self._say_once(str(error))  # what was put aside is not met again
                elif attempt == patience:
                    self.say(f"not all was recorded: {error}; {_LATER}")
                time.sleep(0.1 * attempt)
            else:
                return

    def pass_on(self, outbox: Outbox) -> None:
        """Send what a run has waiting; while the store is away, try now and then."""
        began_s = time.monotonic()
        if began_s < self._retry_s:
            return
        try:
            send(self.reach(), outbox, wait=False)
        except BlockingIOError:
            return  # who sends now, or the next record, takes these along
        except Exception as error:  # noqa: BLE001 - recording stops nothing
            is_here = self._store is not None
            if is_here and isinstance(error, (ConfigError, DatasetError)):
                self._say_once(str(error))
            else:
                self.note_away(error, time.monotonic() - began_s)
        else:
            self._is_away = False

    def note_away(self, error: Exception, took_s: float) -> None:
        """Say once that the store is away; asking it takes a twentieth of the time."""
        self._retry_s = time.monotonic() + max(_RETRY_S, 20 * took_s)
        is_ours = isinstance(error, VoxrayError)
        said = str(error) if is_ours else f"{type(error).__name__}: {error}"
        if not self._is_away:
            self.say(f"recording goes on in {self.place.spool}: {said}; {_LATER}")
        self._is_away = True

    def _say_once(self, line: str) -> None:
        if line not in self._said:
            self.say(line)
        self._said.add(line)

    def _about(self, new: NewRun, parent: str | None) -> dict[str, Any]:
        asked = self.place.asked
        kept = None if asked and holds_password(asked) else asked
        place = {"store": self.place.label, "asked": kept}
        head = new.head(int(time.time() * 1000))
        return {**place, "parent": parent, "head": head}

    def _opened(self, run: TrackedRun) -> TrackedRun:
        self.pass_on(run.outbox)
        return run

    def _is_mine(self, outbox: Outbox) -> bool:
        """Whether it is for this store; one that cannot be read is to be said."""
        with contextlib.suppress(ManifestError):
            return meant_store(outbox) == self.place.label
        return True

    def _was_deleted(self, outbox: Outbox) -> bool:
        """Whether the store says so; one that is away says nothing."""
        sent = outbox.sent()
        if sent is None or time.monotonic() < self._retry_s:
            return False
        try:
            return not is_there(self.reach(), sent["run_id"])
        except (VoxrayError, MlflowException):
            return False


def _is_below(outbox: Outbox) -> bool:
    """Parents are sent before their folds, and last what cannot be read."""
    with contextlib.suppress(ManifestError):
        return outbox.about()["parent"] is not None
    return True


def _answers(store: Store) -> bool:
    try:
        reached(store)
    except MachineError:
        return False
    return True


def open_tracker(place: TrackingPlace, say: Callable[[str], None]) -> Tracker:
    """Make ready to record; a store that is away is said, and waited for.

    Raises:
        ConfigError: If the URI is of no kind MLflow can use, or the database is none.
    """
    tracker = Tracker(place, say)
    began_s = time.monotonic()
    try:
        tracker.reach()
    except MachineError as error:
        tracker.note_away(error, time.monotonic() - began_s)
    return tracker
