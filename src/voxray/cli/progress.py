"""Progress events as bars on a terminal, and as a few lines anywhere else."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from voxray.cli import wording
from voxray.core.progress import Progress

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

Clock = Callable[[], float]

LINE_EVERY_S = 10.0


class Drawing(Protocol):
    """Draws progress events."""

    def listen(self, event: Progress) -> None:
        """Show one event."""

    def close(self) -> None:
        """Show nothing more."""


@dataclass(slots=True)
class _Seen:
    """When a task began, when it was last shown, and from where its pace counts.

    The pace counts from the first step that was done: before it, workers started. A
    resumed task counts from where it began.
    """

    began: float
    shown: float
    paced: float
    paced_done: int

    def left(self, event: Progress, now: float) -> str:
        """Time left at the pace so far."""
        done = event.done - self.paced_done
        if event.total is None or done <= 0:
            return ""
        seconds = (now - self.paced) / done * (event.total - event.done)
        return f"{wording.duration(seconds)} left"


class Lines:
    """One line when a task begins and ends, and at most one in ten seconds between."""

    def __init__(
        self, write: Callable[[str], None], clock: Clock = time.monotonic
    ) -> None:
        self._write = write
        self._clock = clock
        self._seen: dict[str, _Seen] = {}

    def listen(self, event: Progress) -> None:
        """Show one event, or leave it out."""
        now = self._clock()
        seen = self._seen.get(event.task)
        if is_finished(event):
            began = seen.began if seen else now
            self._seen.pop(event.task, None)
            self._write(finished_line(event, now - began))
        elif seen is None:
            self._seen[event.task] = _Seen(now, now, now, event.done)
            self._write(_line(event, ""))
        else:
            self._go_on(seen, event, now)

    def close(self) -> None:
        """Nothing is left on the screen."""

    def _go_on(self, seen: _Seen, event: Progress, now: float) -> None:
        if seen.paced_done == 0:
            seen.paced, seen.paced_done = now, event.done
        if now - seen.shown >= LINE_EVERY_S:
            seen.shown = now
            self._write(_line(event, seen.left(event, now)))


class LiveBars:
    """One bar a task, while it runs."""

    def __init__(self, console: "Console", *, above_stdout: bool) -> None:
        self._console = console
        self._above_stdout = above_stdout
        self._bars: Bars | None = None
        self._ids: dict[str, TaskID] = {}

    def listen(self, event: Progress) -> None:
        """Move the bar of a task; a finished one becomes a line."""
        bars = self._bars = self._bars or self._start()
        if event.task not in self._ids:
            self._ids[event.task] = bars.add_task(event.task, values="")
        bars.update(
            self._ids[event.task],
            completed=event.done,
            total=event.total,
            values=wording.values(event.values),
        )
        if is_finished(event):
            self._finish(bars, event)

    def close(self) -> None:
        """Take the bars off the screen."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None
            self._ids.clear()

    def _finish(self, bars: "Bars", event: Progress) -> None:
        done = self._ids.pop(event.task)
        elapsed_s = bars.tasks[bars.task_ids.index(done)].elapsed or 0.0
        bars.remove_task(done)
        line = finished_line(event, elapsed_s)
        bars.console.print(line, markup=False, highlight=False)

    def _start(self) -> "Bars":
        from rich import progress

        bars = progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TextColumn("{task.fields[values]}", markup=False),
            progress.TimeRemainingColumn(compact=True),
            console=self._console,
            transient=True,
            redirect_stdout=self._above_stdout,
        )
        bars.start()
        return bars


def is_finished(event: Progress) -> bool:
    """Whether this is a task's last event."""
    return event.total is not None and event.done >= event.total


def finished_line(event: Progress, elapsed_s: float) -> str:
    """What stays on the screen of a finished task."""
    parts = [f"{event.done} in {wording.duration(elapsed_s)}"]
    return f"  {event.task}: {', '.join([*parts, *_numbers(event)])}"


def _line(event: Progress, left: str) -> str:
    total = "" if event.total is None else f"/{event.total}"
    parts = [f"{event.done}{total}", *_numbers(event), *([left] if left else [])]
    return f"  {event.task}: {', '.join(parts)}"


def _numbers(event: Progress) -> list[str]:
    shown = wording.values(event.values)
    return [shown] if shown else []
