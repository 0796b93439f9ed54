"""Train the network of one fold."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from voxray.core.files import read_json, write_json
from voxray.core.progress import Listener, ignore_progress
from voxray.model import Compute, save_network
from voxray.train.job import EpochRow, FoldJob, FoldResult
from voxray.train.loop import SCHEDULE_FILE, Audience, Loop
from voxray.train.schedule import read_schedule
from voxray.train.stopwatch import shares

__all__ = [
    "HISTORY_FILE",
    "NETWORK_FILE",
    "SCHEDULE_FILE",
    "EpochRow",
    "FoldJob",
    "FoldResult",
    "fit_fold",
    "read_result",
]

NETWORK_FILE = "network.safetensors"
HISTORY_FILE = "history.json"


def fit_fold(
    job: FoldJob,
    compute: Compute,
    listen: Listener = ignore_progress,
    on_kept: Callable[[Sequence[EpochRow]], None] = lambda _rows: None,
    say: Callable[[str], None] = lambda _text: None,
) -> FoldResult:
    """Train to the end of the schedule and write the averaged weights.

    A killed run continues at its last checkpoint; with the same schedule the result is
    the same to the last bit on a CPU. No epoch is chosen: the last one counts. The
    checkpoint stays until `drop_state`, so that a caller can first record the result.

    When the loss is not finite or explodes, training returns to the last checkpoint and
    goes on with half the learning rate; when memory runs out, with fewer exams at once.

    Args:
        job: What to train on and how.
        compute: Device and precision.
        listen: Gets loss, validation score and steps, after each step on a CPU.
        on_kept: Gets the rows of all epochs so far at each checkpoint; no return and no
            kill undoes them.
        say: Gets what went differently than planned, in words.

    Raises:
        DatasetError: If training diverges again and again, one exam does not fit into
            the memory, the budget is far too short, or an exam holds no numbers.
    """
    loop = Loop(job, compute, Audience(listen, on_kept, say))
    loop.run()
    save_network(job.folder / NETWORK_FILE, loop.learner.average.state_dict())
    seconds, found = loop.spent_s, shares(loop.watch.seconds, loop.spent_s)
    time = {"seconds": round(seconds, 1), "shares": _rounded(found)}
    write_json(job.folder / HISTORY_FILE, {"epochs": loop.history, "time": time})
    return replace(read_result(job.folder), resumed_at_epoch=loop.resumed_at)


def _rounded(shares: dict[str, float]) -> dict[str, float]:
    return {name: round(share, 4) for name, share in shares.items()}


def read_result(folder: Path) -> FoldResult:
    """What `fit_fold` gave when it finished in this folder.

    Raises:
        ManifestError: If schedule or history is missing or broken.
    """
    said = read_json(folder / HISTORY_FILE)
    schedule = read_schedule(folder / SCHEDULE_FILE)
    time = said["time"]
    return FoldResult(
        schedule, tuple(said["epochs"]), None, time["shares"], time["seconds"]
    )
