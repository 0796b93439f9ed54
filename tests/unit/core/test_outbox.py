import signal
import subprocess
import sys

import pytest

from voxray.core.errors import MachineError
from voxray.core.outbox import Outbox, has_abandoned, outboxes

_KILLED = """
import os, signal, sys
from pathlib import Path
from voxray.core.outbox import Outbox
box = Outbox(Path(sys.argv[1]))
alive = box.occupy()
box.make({})
box.put("tags", {"a": "b"})
os.kill(os.getpid(), signal.SIGKILL)
"""


def leave_by_kill(box):
    done = subprocess.run([sys.executable, "-c", _KILLED, str(box.folder)], check=False)
    assert done.returncode == -signal.SIGKILL


@pytest.fixture
def box(tmp_path):
    return Outbox(tmp_path / "spool" / "run")


@pytest.fixture
def alive(box):
    """The run is under way in this process."""
    with box.occupy() as alive:
        box.make({"name": "fold 0"})
        yield alive


@pytest.mark.usefixtures("alive")
def test_records_wait_in_order_until_they_are_dropped(box):
    box.put("tags", {"a": "1"})
    box.put("files", "folder", {"x/y.txt": "text", "z.bin": b"bytes"})
    box.put("tags", {"a": "2"})

    first, second, third = box.waiting()
    assert (first.kind, first.value, first.files) == ("tags", {"a": "1"}, None)
    assert (second.files / "x" / "y.txt").read_text() == "text"
    box.drop(first)
    box.drop(second)
    assert box.waiting() == [third]
    box.put("tags", {"a": "3"})
    assert [r.value["a"] for r in box.waiting()] == ["2", "3"]


@pytest.mark.usefixtures("alive")
def test_only_the_owner_may_enter(box):
    assert box.folder.stat().st_mode & 0o777 == 0o700
    assert box.folder.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.usefixtures("alive")
def test_a_file_that_is_not_there_leaves_no_record(box, tmp_path):
    with pytest.raises(FileNotFoundError, match="gone"):
        box.put("files", "", {"a": tmp_path / "gone"})

    assert box.waiting() == []


def test_what_a_kill_left_without_its_record_is_deleted(box, alive):
    (box.folder / "000001").mkdir()
    box.put("files", "", {"a": "b"})
    box.leave(alive)

    with box.occupy():
        assert not (box.folder / "000001").exists()
        assert (box.folder / "000002").is_dir()


@pytest.mark.usefixtures("alive")
def test_a_run_is_under_way_in_one_process(box):
    with pytest.raises(MachineError, match="another process records into run run"):
        box.occupy()


def test_a_run_that_lives_or_ended_is_not_abandoned(box, alive):
    spool = box.folder.parent
    assert not has_abandoned(spool)
    with box.abandoned() as last_s:
        assert last_s is None
    box.leave(alive)
    assert not has_abandoned(spool)
    with box.abandoned() as last_s:
        assert last_s is None


def test_a_run_whose_process_was_killed_is_abandoned_once(box):
    leave_by_kill(box)

    assert has_abandoned(box.folder.parent)
    with box.abandoned() as last_s:
        assert last_s == (box.folder / "alive").stat().st_mtime
    assert not has_abandoned(box.folder.parent)
    assert [record.kind for record in box.waiting()] == ["tags"]


def test_a_run_that_was_never_made_is_not_listed(box, tmp_path):
    box.occupy().close()

    assert outboxes(box.folder.parent) == []
    assert not has_abandoned(box.folder.parent)
    assert not has_abandoned(tmp_path / "nowhere")


@pytest.mark.usefixtures("alive")
def test_where_a_run_is_in_the_store_is_kept(box):
    assert box.sent() is None
    box.note_sent({"run_id": "a"})
    assert box.sent()["run_id"] == "a"
    assert (box.key, box.is_made, box.about()["name"]) == ("run", True, "fold 0")
