import io
from dataclasses import dataclass

import pytest
from rich.console import Console

from voxray.cli.progress import Lines, LiveBars
from voxray.cli.screen import Screen
from voxray.core.progress import Progress


@dataclass
class Watch:
    """A clock that stands until it is moved."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def written() -> list[str]:
    return []


@pytest.fixture
def lines(watch: Watch, written: list[str]) -> Lines:
    return Lines(written.append, watch)


def test_a_task_has_a_line_when_it_begins_and_when_it_ends(lines, watch, written):
    for done in range(4):
        watch.now = done
        lines.listen(Progress("reading", done, 3))
    assert written == ["  reading: 0/3", "  reading: 3 in 3.0 s"]


def test_between_there_is_at_most_one_line_in_ten_seconds(lines, watch, written):
    for second in range(25):
        watch.now = second
        lines.listen(Progress("reading", second, 100))
    assert written == [
        "  reading: 0/100",
        "  reading: 10/100, 1 min 30 s left",
        "  reading: 20/100, 1 min 20 s left",
    ]


def test_training_shows_loss_score_and_time_left(lines, watch, written):
    lines.listen(Progress("fold 1 of 5", 1, 600))
    watch.now = 60
    lines.listen(Progress("fold 1 of 5", 121, 600, {"loss": 0.3123, "dice": 0.81}))
    assert (
        written[-1] == "  fold 1 of 5: 121/600, loss 0.312, dice 0.81, 4 min 0 s left"
    )


def test_the_start_of_workers_does_not_count_as_pace(lines, watch, written):
    for now, done in ((0, 0), (20, 1), (21, 2), (30, 11)):
        watch.now = now
        lines.listen(Progress("preparing", done, 31))
    assert written == [
        "  preparing: 0/31",
        "  preparing: 1/31",
        "  preparing: 11/31, 20 s left",
    ]


def test_a_resumed_task_counts_time_left_from_where_it_began(lines, watch, written):
    lines.listen(Progress("fold", 500, 600))
    watch.now = 10
    lines.listen(Progress("fold", 550, 600))
    assert written[-1] == "  fold: 550/600, 10 s left"


def test_an_unknown_total_has_no_time_left(lines, watch, written):
    lines.listen(Progress("walking", 0))
    watch.now = 11
    lines.listen(Progress("walking", 70))
    lines.close()
    assert written == ["  walking: 0", "  walking: 70"]


def test_a_task_that_comes_twice_is_shown_twice(lines, written):
    for _ in range(2):
        lines.listen(Progress("reading", 1, 1, {"loss": float("nan")}))
    assert written == ["  reading: 1 in 0.0 s"] * 2


def test_bars_leave_one_line_a_finished_task():
    out = io.StringIO()
    bars = LiveBars(Console(file=out, force_terminal=True), above_stdout=False)
    for done in range(3):
        bars.listen(Progress("read [red]", done, 2, {"loss": 0.5}))
    bars.listen(Progress("other", 0, None))
    bars.close()
    bars.close()
    assert "  read [red]: 2 in 0.0 s, loss 0.5" in out.getvalue()


def test_progress_goes_to_stderr_and_messages_to_stdout(capsys):
    screen = Screen()
    screen.listen(Progress("reading", 1, 1))
    screen.listen(Progress("nothing to do", 0, 0))
    screen.listen(Progress("", 1, 1))
    screen.say("done: 1 scan")
    screen.error("first\nsecond")
    out, err = capsys.readouterr()
    assert out == "done: 1 scan\n"
    assert err == "  reading: 1 in 0.0 s\nerror: first\nerror: second\n"
