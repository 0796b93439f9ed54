"""Progress as events: packages report, the command line draws, logs record."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Progress:
    """One step of a task that a person waits for.

    Attributes:
        task: What is being done, e.g. "reading headers", "fold 2 of 5".
        done: Steps finished.
        total: Steps in all; None while unknown.
        values: Numbers to show beside it, e.g. {"loss": 0.31}.
    """

    task: str
    done: int
    total: int | None = None
    values: Mapping[str, float] = field(default_factory=dict)


Listener = Callable[[Progress], None]


def ignore_progress(_event: Progress) -> None:
    """Listen to nothing."""
