"""A run while it is recorded: what it says goes to its outbox, then to the store."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import pandas as pd
from mlflow.utils import mlflow_tags

from voxray.core.outbox import Files, Outbox
from voxray.core.records import Metric
from voxray.mlflow_store.metrics import epoch_points, metric_values
from voxray.mlflow_store.run_files import table_files
from voxray.mlflow_store.runs import RUNNING, RunHead, RunStatus, flatten
from voxray.mlflow_store.stamps import stamped

_EPOCHS_EVERY_S = 3.0


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run to be started.

    Attributes:
        experiment: Name of the MLflow experiment.
        name: Shown in the run list.
        description: Markdown on the run's page.
        tags: Shown beside the run.
    """

    experiment: str
    name: str
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    def head(self, began_ms: int) -> dict[str, Any]:
        """What the store is told first."""
        note = {mlflow_tags.MLFLOW_RUN_NOTE: self.description}
        tags = {**(note if self.description else {}), **self.tags}
        return asdict(RunHead(self.experiment, self.name, began_ms, tags))


@dataclass(frozen=True, slots=True)
class DataUsed:
    """One part of the data of a run. No paths: they may name people.

    Attributes:
        name: Of the data set, e.g. the experiment's name.
        part: What it was used for, e.g. "scans" or "split".
        sha256: Of that part.
        counts: How much it holds, e.g. {"patients": 20}.
    """

    name: str
    part: str
    sha256: str
    counts: Mapping[str, int]


class TrackedRun:
    """A run that is under way in this process. Made by `Tracker`.

    Attributes:
        outbox: Keeps what the store does not have yet.
    """

    def __init__(self, outbox: Outbox, pass_on: Callable[[Outbox], None]) -> None:
        self.outbox = outbox
        self._pass_on = pass_on
        self._alive = outbox.occupy()
        self._n_epochs, self._next_s = 0, 0.0

    @property
    def key(self) -> str:
        """Finds the run again: `Tracker.resume`."""
        return self.outbox.key

    def run_again(self) -> None:
        """Say that a run that had ended goes on."""
        self._put("status", {"status": RUNNING, "at_ms": _now_ms()})

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Record settings, which never change; nested ones are named with dots."""
        self._put("params", flatten(params))

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags; older values of the same names are replaced."""
        self._put("tags", dict(tags))

    def describe(self, description: str) -> None:
        """Write the Markdown text on the run's page, in place of what stood there."""
        self._put("page", description)

    def log_values(self, values: Mapping[str, float]) -> None:
        """Record plain numbers by name; what is not finite is left out."""
        kept = {n: float(v) for n, v in values.items() if math.isfinite(v)}
        path = self.outbox.folder / "values.json"
        self._put("points", stamped(path, kept, _now_ms(), whole=False))

    def log_metrics(self, metrics: Sequence[Metric]) -> None:
        """Record evaluated figures as `auc`, `auc_low`, `auc_high`, `dice_anterior`.

        What is not estimable is left out; the description says why. A figure of an
        earlier evaluation that this one has not becomes NaN: MLflow can delete none.
        """
        path = self.outbox.folder / "metrics.json"
        values = metric_values(metrics)
        self._put("points", stamped(path, values, _now_ms(), whole=True))

    def log_epochs(
        self, history: Sequence[Mapping[str, float]], *, now: bool = False
    ) -> None:
        """Record training curves, as far as they are not yet; see `epoch_points`.

        Small epochs come faster than a store writes: rows are taken every 3 s, and so
        that recording takes a hundredth of the time.

        Args:
            history: All rows so far that nothing will undo.
            now: Whether to take them at once.
        """
        began_s = time.monotonic()
        if not now and began_s < self._next_s:
            return
        began_ms = self.outbox.about()["head"]["began_ms"]
        points = epoch_points(history, began_ms, self._n_epochs)
        self._n_epochs = len(history)
        if points:
            self._put("points", points)
        took_s = time.monotonic() - began_s
        self._next_s = time.monotonic() + max(_EPOCHS_EVERY_S, 100 * took_s)

    def log_files(self, files: Files, folder: str = "") -> None:
        """Put files on the run's page; a file of the same name is replaced.

        Args:
            files: Content, or a file to copy, per name; a name may hold folders.
            folder: Artifact folder they go into.

        Raises:
            FileNotFoundError: If a file to copy is not there.
        """
        self._put("files", folder, files)

    def log_figures(self, figures: Mapping[str, bytes]) -> None:
        """Put pictures (PNG bytes per file name) into the folder `figures`.

        Those that were there and are not among them are deleted.
        """
        self._put("folder", "figures", figures)

    def log_table(self, name: str, table: pd.DataFrame) -> None:
        """Put a table into the folder `tables`; see `table_files`."""
        self.log_files(table_files(name, table), "tables")

    def log_data(self, datasets: Sequence[DataUsed]) -> None:
        """Say which data the run used: as MLflow data sets, and the hashes as tags."""
        self._put("datasets", [asdict(dataset) for dataset in datasets])
        self.set_tags({f"sha256.{d.part}": d.sha256 for d in datasets})

    def finish(self, status: RunStatus = RunStatus.FINISHED) -> None:
        """Close the run; it can be resumed.

        It has ended before it is sent, which takes seconds: a kill in them must not
        look like one in the middle of the run.
        """
        self.outbox.put("status", {"status": status.value, "at_ms": _now_ms()})
        self.outbox.leave(self._alive)
        self._pass_on(self.outbox)

    @contextlib.contextmanager
    def under_way(self) -> Iterator[Self]:
        """Close the run by how the block ended."""
        try:
            yield self
        except KeyboardInterrupt:
            self.finish(RunStatus.KILLED)
            raise
        except BaseException:
            self.finish(RunStatus.FAILED)
            raise
        self.finish()

    def _put(self, kind: str, value: object, files: Files | None = None) -> None:
        self.outbox.put(kind, value, files)
        self._pass_on(self.outbox)


def _now_ms() -> int:
    return int(time.time() * 1000)
