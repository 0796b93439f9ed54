"""Downloading over connections that break, from servers that misbehave."""

import fcntl
import shutil
from collections import namedtuple

import pytest

from tests.unit.datasets.makers import AT_ONCE, Answer, serve
from voxray.core.errors import DatasetError, MachineError
from voxray.core.progress import Progress, ignore_progress
from voxray.datasets.cards import RemoteFile
from voxray.datasets.download import Patience, download

CONTENT = bytes(range(256)) * 400
OTHER = CONTENT[::-1]
CUT = Answer(CONTENT, cut=40_000)
WHOLE = Answer(CONTENT)


def get(server, folder, content=CONTENT, patience=AT_ONCE, listen=ignore_progress):
    return download(server.file(content), folder, listen, patience)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_comes_whole_and_nothing_else_is_left(tmp_path):
    with serve(WHOLE) as server:
        file = get(server, tmp_path / "new")
    assert file.read_bytes() == CONTENT
    assert names(tmp_path / "new") == ["tiny.npz"]


def test_a_cut_connection_is_continued_where_it_broke(tmp_path):
    with serve(CUT, WHOLE) as server:
        assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=40000-"]


def test_a_connection_that_breaks_again_and_again_ends_as_long_as_bytes_come(tmp_path):
    with serve(CUT) as server:
        assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=40000-", "bytes=80000-"]


def test_what_came_is_kept_when_the_server_goes_away_and_the_next_run_goes_on(tmp_path):
    dead = Answer(CONTENT, cut=0)
    with serve(CUT, dead) as server:
        with pytest.raises(MachineError, match=r"40000 of 102400 bytes.*is kept"):
            get(server, tmp_path)
        assert (tmp_path / "tiny.npz.part").stat().st_size == 40_000
        server.answers[:] = [WHOLE]
        assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges[-1] == "bytes=40000-"


def test_a_file_that_changes_in_between_starts_anew(tmp_path):
    with serve(CUT, Answer(OTHER, tag='"v2"')) as server:
        assert get(server, tmp_path, OTHER).read_bytes() == OTHER


def test_a_change_that_the_server_hides_is_found_by_the_checksum(tmp_path):
    with serve(Answer(CONTENT, cut=40_000, tag=""), Answer(OTHER, tag="")) as server:
        assert get(server, tmp_path, OTHER).read_bytes() == OTHER
    assert server.ranges == [None, "bytes=40000-", None]


def test_a_rest_of_another_version_is_not_appended(tmp_path):
    other = Answer(OTHER, tag='"v1"', total=len(OTHER) + 1)
    with serve(CUT, other, WHOLE) as server:
        assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=40000-", None]


def test_a_file_that_became_shorter_starts_anew(tmp_path):
    short = Answer(CONTENT[:30_000])
    with serve(CUT, short) as server:
        file = get(server, tmp_path, CONTENT[:30_000])
    assert file.stat().st_size == 30_000


def test_a_server_that_ignores_ranges_sends_all_again(tmp_path):
    with serve(CUT, Answer(CONTENT, ranges=False)) as server:
        assert get(server, tmp_path).read_bytes() == CONTENT


def test_a_server_that_ignores_ranges_and_always_breaks_is_given_up(tmp_path):
    broken = Answer(CONTENT, cut=40_000, ranges=False)
    with serve(broken) as server, pytest.raises(MachineError, match="run again later"):
        get(server, tmp_path)


def test_a_busy_server_is_asked_again_after_the_time_it_names(tmp_path):
    busy = Answer(status=503, headers={"Retry-After": "7"})
    assert Patience().wait(1, 7.0) == 7.0
    with serve(busy, WHOLE) as server:
        patience = Patience(wait_s=0, longest_s=0.01)
        assert get(server, tmp_path, patience=patience).read_bytes() == CONTENT


def test_a_server_that_stays_busy_is_given_up(tmp_path):
    with (
        serve(Answer(status=503)) as server,
        pytest.raises(MachineError, match=r"127\.0\.0\.1:\d+ answers 503"),
    ):
        get(server, tmp_path)


def test_no_wait_is_longer_than_the_longest_whatever_the_server_asks():
    assert Patience(longest_s=60).wait(2, 86_400) == 60
    assert [Patience(wait_s=1).wait(n, None) for n in (1, 2, 3)] == [1, 2, 4]


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_server_that_refuses_is_not_asked_again(tmp_path, status):
    with serve(Answer(status=status)) as server:
        with pytest.raises(MachineError, match=rf"answers {status} .*tiny\.npz"):
            get(server, tmp_path)
        assert len(server.ranges) == 1


def test_a_length_larger_than_the_file_is_a_broken_connection(tmp_path):
    problem = "102400 of 200000 bytes"
    with (
        serve(Answer(CONTENT, length="200000")) as server,
        pytest.raises(MachineError, match=problem),
    ):
        get(server, tmp_path)


def test_a_length_smaller_than_the_file_fails_the_checksum(tmp_path):
    problem = "not the published one"
    with (
        serve(Answer(CONTENT, length="100")) as server,
        pytest.raises(DatasetError, match=problem),
    ):
        get(server, tmp_path)
    assert (tmp_path / "tiny.npz.part").stat().st_size == 0


def test_a_length_that_is_not_sent_is_no_obstacle(tmp_path):
    with serve(Answer(CONTENT, length="")) as server:
        assert get(server, tmp_path).read_bytes() == CONTENT


def test_a_part_without_its_place_is_not_used(tmp_path):
    odd = Answer(CONTENT, status=206)
    with serve(CUT, odd, WHOLE) as server:
        assert get(server, tmp_path).read_bytes() == CONTENT


def test_another_file_than_the_published_is_not_kept(tmp_path):
    problem = r"checksum of tiny\.npz"
    with (
        serve(Answer(OTHER)) as server,
        pytest.raises(DatasetError, match=problem),
    ):
        get(server, tmp_path)
    assert not (tmp_path / "tiny.npz").exists()


def test_without_a_checksum_the_file_is_taken_as_it_is(tmp_path):
    with serve(WHOLE) as server:
        assert get(server, tmp_path, None).read_bytes() == CONTENT


def test_a_file_that_is_there_is_not_asked_for(tmp_path):
    (tmp_path / "tiny.npz").write_bytes(CONTENT)
    with serve(WHOLE) as server:
        get(server, tmp_path)
    assert server.ranges == []


def test_a_damaged_file_that_is_there_is_replaced(tmp_path):
    (tmp_path / "tiny.npz").write_bytes(OTHER)
    with serve(WHOLE) as server:
        assert get(server, tmp_path).read_bytes() == CONTENT


def test_a_part_that_is_whole_only_gets_its_name(tmp_path):
    with serve(CUT, Answer(CONTENT, cut=0)) as server:
        with pytest.raises(MachineError):
            get(server, tmp_path)
        (tmp_path / "tiny.npz.part").write_bytes(CONTENT)
        server.ranges.clear()
        assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges == []


def test_a_part_of_another_address_is_thrown_away(tmp_path):
    with serve(CUT, Answer(CONTENT, cut=0)) as server, pytest.raises(MachineError):
        get(server, tmp_path)
    with serve(WHOLE) as second:
        assert get(second, tmp_path).read_bytes() == CONTENT
    assert second.ranges == [None]


def test_the_stronger_checksum_counts():
    file = RemoteFile(url="https://a.b/c", md5="0" * 32, sha256="1" * 64)
    assert file.checksum == ("sha256", "1" * 64)


def test_a_disk_without_room_is_said_before_anything_comes(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(9, 9, 1000))
    with serve(WHOLE) as server, pytest.raises(MachineError, match="make room"):
        get(server, tmp_path)


def test_two_runs_do_not_write_one_file(tmp_path):
    part = tmp_path / "tiny.npz.part"
    with part.open("ab") as held, serve(WHOLE) as server:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(MachineError, match=r"another run downloads 'tiny\.npz'"):
            get(server, tmp_path)


def test_a_server_that_is_not_there_is_named(tmp_path):
    with serve(WHOLE) as server:
        pass
    with pytest.raises(MachineError, match=r"no connection to 127\.0\.0\.1"):
        get(server, tmp_path)


def test_progress_is_told_in_megabytes(tmp_path):
    events: list[Progress] = []
    with serve(WHOLE) as server:
        get(server, tmp_path, listen=events.append)
    assert (events[-1].done, events[-1].total) == (1, 1)
    assert "tiny.npz" in events[-1].task
