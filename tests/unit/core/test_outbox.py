import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from voxray.core.errors import MachineError, ManifestError
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


def test_a_run_that_ends_while_it_is_looked_at_is_not_abandoned(box):
    """The look must not make the file whose absence says that the run ended."""
    ends = threading.Event()

    def live_and_end():
        for _ in range(300):
            box.leave(box.occupy())
        ends.set()

    def patiently():  # the look itself holds the lock for a moment
        while not ends.is_set():
            try:
                live_and_end()
            except MachineError:
                continue

    found = []
    process = threading.Thread(target=patiently)
    process.start()
    while not ends.is_set():
        with box.abandoned() as last_s:
            found.append(last_s)
    process.join()
    assert not (box.folder / "alive").exists()
    assert set(found) == {None}


@pytest.mark.usefixtures("alive")
def test_no_number_is_used_twice(box):
    for _ in range(2):
        box.put("files", "", {"a": "b"})
        (record,) = box.waiting()
        box.drop(record)
    box.put("tags", {})
    (record,) = box.waiting()
    box.refuse(record)
    box.put("tags", {})

    assert [r.path.name for r in box.waiting()] == ["000004.json"]


@pytest.mark.usefixtures("alive")
def test_a_record_without_files_deletes_none(box):
    box.put("tags", {"a": "1"})
    (record,) = box.waiting()
    (box.folder / "000001").mkdir()

    box.drop(record)

    assert (box.folder / "000001").is_dir()


@pytest.mark.usefixtures("alive")
def test_a_refused_record_is_put_aside_with_its_files(box):
    box.put("files", "", {"a.txt": "text"})
    (record,) = box.waiting()

    aside = box.refuse(record)

    assert box.waiting() == []
    assert json.loads(aside.read_text())["files"] == ["a.txt"]
    assert (aside.with_suffix("") / "a.txt").read_text() == "text"


@pytest.mark.usefixtures("alive")
def test_a_torn_record_is_named_with_its_path(box):
    box.put("tags", {"a": "1"})
    (box.folder / "000001.json").write_text("{")

    with pytest.raises(ManifestError, match=r"it is .*spool/run/000001\.json: restore"):
        box.waiting()


@pytest.mark.usefixtures("alive")
def test_one_who_does_not_wait_is_told_that_another_sends(box):
    with (
        box.sending(),
        pytest.raises(BlockingIOError, match="unavailable"),
        box.sending(wait=False),
    ):
        pass
    with box.sending(wait=False):
        pass


@pytest.mark.usefixtures("alive")
def test_files_are_on_the_disk_before_their_record(box, monkeypatch):
    forced = []
    really = os.fsync

    def noted(descriptor):
        forced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        really(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    box.put("files", "", {"x/y.txt": "text"})

    shown = [str(path.relative_to(box.folder.parent)) for path in forced]
    *files, record, folder = shown
    assert set(files) == {"run/000001", "run/000001/x", "run/000001/x/y.txt"}
    assert record.endswith("-000001.json")
    assert folder == "run"
