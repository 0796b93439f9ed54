"""The next batches are read while the network works on this one."""

import threading
from collections.abc import Generator, Iterator
from queue import Full, Queue
from typing import TypeVar

Item = TypeVar("Item")

_DEPTH = 3  # batches that wait
_PATIENCE_S = 0.1


class _End:
    """Comes after the last item; holds the error that ended it early."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def prefetched(
    items: Iterator[Item], depth: int = _DEPTH
) -> Generator[Item, None, None]:
    """The same items in the same order, made by a thread that runs ahead.

    An error of the thread is raised here, after the items made before it. When the
    generator is closed, the thread ends with the item it is making.

    Args:
        items: Only the thread draws from it.
        depth: Items that may wait, so that memory is bounded.
    """
    queue: Queue[Item | _End] = Queue(depth)
    stopped = threading.Event()
    thread = threading.Thread(
        target=_fill, args=(items, queue, stopped), name="prefetch", daemon=True
    )
    thread.start()
    try:
        while not isinstance(item := queue.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stopped.set()
        thread.join()


def _fill(
    items: Iterator[Item], queue: "Queue[Item | _End]", stopped: threading.Event
) -> None:
    end = _End()
    try:
        for item in items:
            _put(queue, item, stopped)
            if stopped.is_set():
                return
    except BaseException as error:  # noqa: BLE001 - raised again by the caller
        end = _End(error)
    _put(queue, end, stopped)


def _put(
    queue: "Queue[Item | _End]", item: Item | _End, stopped: threading.Event
) -> None:
    while not stopped.is_set():
        try:
            queue.put(item, timeout=_PATIENCE_S)
        except Full:
            continue
        return
