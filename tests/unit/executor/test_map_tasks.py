import os
import signal
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import pytest

from tests.unit.executor.tasks import (
    Item,
    double,
    fail,
    live_or_die,
    process_id,
    refuse_odd,
)
from voxray.core.errors import ScanError, UnreadableScanError
from voxray.core.progress import Progress
from voxray.executor import get_ready, map_tasks

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _workers_find_the_tests(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_results_come_in_the_order_of_the_items(workers):
    results = list(map_tasks(double, range(20), workers=workers))

    assert results == [(n, 2 * n) for n in range(20)]


@pytest.mark.parametrize("workers", [1, 2])
def test_getting_ready_changes_no_result(workers):
    get_ready(double, workers)

    assert list(map_tasks(double, [3], workers=workers)) == [(3, 6)]


@pytest.mark.parametrize("workers", [1, 2])
def test_scan_error_takes_the_place_of_its_result(workers):
    results = dict(map_tasks(refuse_odd, [0, 1, 2], workers=workers))

    assert (results[0], results[2]) == (0, 2)
    assert isinstance(results[1], UnreadableScanError)
    assert str(results[1]) == "scan 's1': odd"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_bug_in_the_work_is_raised(workers):
    with pytest.raises(RuntimeError, match="bug at 0"):
        list(map_tasks(fail, [0, 1], workers=workers))


def test_one_worker_is_this_process():
    assert list(map_tasks(process_id, ["a"], workers=1)) == [("a", os.getpid())]


def test_two_workers_are_other_processes():
    ((_, pid),) = map_tasks(process_id, ["a"], workers=2)

    assert pid != os.getpid()


@pytest.mark.parametrize("workers", [1, 2])
def test_endless_items_stream_and_closing_stops(workers):
    items = count()
    results = map_tasks(double, items, workers=workers)

    first = [next(results) for _ in range(3)]
    results.close()

    assert first == [(0, 0), (1, 2), (2, 4)]
    assert next(items) <= 3 + 3 * workers


@pytest.mark.parametrize("workers", [1, 2])
def test_items_sent_together_have_their_own_results(workers):
    results = list(map_tasks(refuse_odd, range(10), workers=workers, chunk=4))

    assert [item for item, _ in results] == list(range(10))
    odd = [n for n, result in results if isinstance(result, UnreadableScanError)]
    assert odd == [1, 3, 5, 7, 9]


@pytest.mark.parametrize("chunk", [1, 5])
def test_item_whose_worker_died_once_succeeds_at_the_second_try(tmp_path, chunk):
    items = [Item(f"s{n}", tmp_path, dies=int(n == 1)) for n in range(12)]

    results = list(map_tasks(live_or_die, items, workers=2, chunk=chunk))

    assert [result for _, result in results] == [item.scan_id for item in items]


def test_item_that_kills_its_worker_twice_is_the_only_one_lost(tmp_path):
    items = [Item(f"s{n}", tmp_path, dies=9 * (n == 4)) for n in range(12)]

    results = [result for _, result in map_tasks(live_or_die, items, workers=2)]

    lost = results.pop(4)
    assert isinstance(lost, ScanError)
    assert str(lost).startswith("scan 's4': its worker process died twice")
    assert results == [item.scan_id for item in items if item.scan_id != "s4"]
    assert len((tmp_path / "s4").read_bytes()) == 2


@pytest.mark.parametrize("workers", [1, 2])
def test_progress_counts_every_item(workers):
    events: list[Progress] = []

    list(
        map_tasks(
            double,
            [5, 6],
            workers=workers,
            task="t",
            listen=events.append,
        )
    )

    assert [(e.task, e.done, e.total) for e in events] == [
        ("t", 0, 2),
        ("t", 1, 2),
        ("t", 2, 2),
    ]


def test_total_is_counted_where_items_have_a_length():
    events: list[Progress] = []

    list(map_tasks(double, [1], workers=1, listen=events.append))

    assert [event.total for event in events] == [1, 1]


def test_no_items_give_no_results():
    assert list(map_tasks(double, [], workers=2)) == []


KILLED_PARENT = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from tests.unit.executor.tasks import process_id
from voxray.executor import get_ready, map_tasks

if __name__ == "__main__":
    for _, pid in map_tasks(process_id, range(9), workers=2):
        print(pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_workers_end_when_their_parent_was_killed(tmp_path):
    script = tmp_path / "killed.py"
    script.write_text(KILLED_PARENT)

    run = subprocess.run(
        [sys.executable, script, ROOT], capture_output=True, text=True, check=False
    )

    assert run.returncode == -signal.SIGKILL
    assert _ends(int(run.stdout))


def _ends(pid, seconds=5.0):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False
