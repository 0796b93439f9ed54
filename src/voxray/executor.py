"""Run one function over many things, in this process or in several.

Other packages never see a pool: they give work and items, and get results in the order
of the items, with the error of an item in the place of its result.
"""

import contextlib
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sized
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import islice
from multiprocessing import (
    forkserver,
    get_all_start_methods,
    get_context,
    parent_process,
)
from typing import Generic, TypeVar

from threadpoolctl import threadpool_limits

from voxray.core.errors import ScanError, VoxrayError
from voxray.core.progress import Listener, Progress, ignore_progress

T = TypeVar("T")
R = TypeVar("R")

Results = Generator[tuple[T, R | VoxrayError], None, None]
"""Items with their results; `close` it to stop early."""

Settled = Future[list[R | VoxrayError]]

_IN_FLIGHT_PER_WORKER = 3
_BY_SERVER = "forkserver"
_START = _BY_SERVER if _BY_SERVER in get_all_start_methods() else "spawn"
"""Workers are copies of one clean process that has loaded the readers once; it starts
with the first pool and serves all. A plain fork would copy threads and their locks."""


def map_tasks(
    work: Callable[[T], R],
    items: Iterable[T],
    *,
    workers: int,
    task: str = "",
    listen: Listener = ignore_progress,
    chunk: int = 1,
) -> Results[T, R]:
    """Call `work` on every item and yield (item, result) in the order of the items.

    Items are taken as results are consumed: at most a few per worker are under way, so
    that a long input streams. Closing the generator, or interrupting it, drops what has
    not started and waits for the calls that run.

    Args:
        work: With more than one worker it, the items and the results are pickled.
        items: What to call it with.
        workers: Processes that share nothing with this one. One or less: this process.
        task: Named in progress events.
        listen: Told before the first and after each item.
        chunk: Items sent to a process at once: many, where one takes a millisecond.

    Yields:
        The item with its result, or with the `VoxrayError` that `work` raised. An item
        whose process died is tried once more, alone; if that process dies too, its
        result is a `ScanError`.

    Raises:
        Exception: Whatever else `work` raises: a bug.
    """
    total = len(items) if isinstance(items, Sized) else None
    chunks = _chunks(items, chunk)
    results = _spread(work, chunks, workers) if workers > 1 else _here(work, items)
    listen(Progress(task, 0, total))
    with contextlib.closing(results):
        for done, (item, result) in enumerate(results, start=1):
            listen(Progress(task, done, total))
            yield item, result


def get_ready(work: Callable[[T], R], workers: int) -> None:
    """Load in the background what workers need; `map_tasks` then starts at once."""
    if workers > 1 and _START == _BY_SERVER:
        forkserver.set_forkserver_preload([_module_of(work)])
        forkserver.ensure_running()


def _here(work: Callable[[T], R], items: Iterable[T]) -> Results[T, R]:
    for item in items:
        yield item, _settled(partial(work, item))


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    remaining = iter(items)
    while chunk := list(islice(remaining, size)):
        yield chunk


def _spread(
    work: Callable[[T], R], chunks: Iterator[list[T]], workers: int
) -> Results[T, R]:
    waiting: deque[tuple[list[T], Settled[R]]] = deque()
    with contextlib.closing(_Pool(work, workers)) as pool:
        while True:
            free = workers * _IN_FLIGHT_PER_WORKER - len(waiting)
            waiting.extend(
                (chunk, pool.submit(chunk)) for chunk in islice(chunks, free)
            )
            if not waiting:
                return
            chunk, future = waiting.popleft()
            if _died(future):
                yield from pool.retry_alone([(chunk, future), *waiting])
                waiting.clear()
            else:
                yield from zip(chunk, future.result(), strict=True)


def _died(future: "Settled[R]") -> bool:
    return isinstance(future.exception(), BrokenProcessPool)


def _settle_all(work: Callable[[T], R], chunk: list[T]) -> list[R | VoxrayError]:
    return [_settled(partial(work, item)) for item in chunk]


def _settled(call: Callable[[], R]) -> R | VoxrayError:
    try:
        return call()
    except VoxrayError as error:
        return error


class _Pool(Generic[T, R]):
    """The one door to worker processes; makes new ones when one died."""

    def __init__(self, work: Callable[[T], R], workers: int) -> None:
        self._work = work
        self._workers = workers
        self._pool = self._start()

    def submit(self, chunk: list[T]) -> "Settled[R]":
        """Start the calls; a pool that broke meanwhile is told by the future."""
        try:
            return self._pool.submit(_settle_all, self._work, chunk)
        except BrokenProcessPool as error:
            failed: Settled[R] = Future()
            failed.set_exception(error)
            return failed

    def retry_alone(
        self, suspects: list[tuple[list[T], "Settled[R]"]]
    ) -> Results[T, R]:
        """Settle the calls that were under way when a process died.

        Which of them killed it is not known, so each unfinished one runs once more with
        nothing beside it: an innocent one then succeeds, also when memory was short.
        """
        self._restart()
        for chunk, first in suspects:
            if not _died(first):
                yield from zip(chunk, first.result(), strict=True)
                continue
            for item in chunk:
                yield item, self._alone(item)

    def _alone(self, item: T) -> R | VoxrayError:
        future = self.submit([item])
        if not _died(future):
            return future.result()[0]
        self._restart()
        problem = "its worker process died twice; it may need too much memory"
        return ScanError(_name(item), problem)

    def close(self) -> None:
        """Drop what has not started and wait for the rest."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _restart(self) -> None:
        self.close()
        self._pool = self._start()

    def _start(self) -> ProcessPoolExecutor:
        context = get_context(_START)
        if _START == _BY_SERVER:
            forkserver.set_forkserver_preload([_module_of(self._work)])
        return ProcessPoolExecutor(
            self._workers, mp_context=context, initializer=_prepare_worker
        )


def _module_of(work: Callable[[T], R]) -> str:
    inner = work.func if isinstance(work, partial) else work
    return str(inner.__module__)


def _prepare_worker() -> None:
    """Let the parent alone answer Ctrl-C, which a terminal sends to every process.

    Libraries of linear algebra would start threads that wait for each other.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threadpool_limits(limits=1)  # there is a worker per processor already
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End when the parent was killed: nobody else would tell this process."""
    if parent := parent_process():
        parent.join()
        os._exit(1)


def _name(item: object) -> str:
    """Scan id of an item that has one; never a path, which may name a patient."""
    return str(getattr(item, "scan_id", "-"))
