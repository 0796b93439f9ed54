from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxray.core.errors import ManifestError
from voxray.core.specs import TrainSpec
from voxray.train import Schedule, Segment
from voxray.train.schedule import (
    first_schedule,
    gone_back,
    read_schedule,
    steps_per_epoch,
    with_steps,
    write_schedule,
)


def given_steps(steps=300, per_epoch=20, **changes):
    whole = Segment(0, steps, 1.0, 2, "given")
    return replace(
        Schedule(steps, per_epoch, 0.0, "given", per_epoch, (whole,)), **changes
    )


def timed(steps=400, first=20):
    """A schedule with a budget, fixed after its first epoch."""
    begun = first_schedule(TrainSpec(), 40, 2, 2)
    return with_steps(replace(begun, first_epoch=first), first, steps, "timed")


def rates(schedule, until=None):
    return [schedule.learning_rate(n, 1.0) for n in range(until or schedule.steps)]


@pytest.mark.parametrize(
    ("n_exams", "batch", "steps"),
    [(100, 4, 25), (10, 4, 21), (8, 4, 20), (1, 4, 20), (40, 1, 40)],
)
def test_an_epoch_sees_each_exam_about_equally_often(n_exams, batch, steps):
    assert steps_per_epoch(n_exams, batch) == steps


def test_an_epoch_is_never_long():
    assert steps_per_epoch(10**6, 2) == 100


@given(st.integers(1, 300), st.integers(1, 40))
def test_epochs_add_up_to_the_steps(steps, per_epoch):
    schedule, done = given_steps(steps, per_epoch), 0
    while not schedule.finished(done):
        end = schedule.epoch_end(done)
        assert done < end <= done + per_epoch
        done = end
    assert done == steps


@given(st.integers(1, 30), st.integers(1, 40))
def test_epochs_end_where_they_did_when_the_steps_change(first, per_epoch):
    long = replace(timed(600, first), steps_per_epoch=per_epoch)
    short = with_steps(long, first, 200, "slower")
    ends, done = set(), 0
    while not long.finished(done):
        done = long.epoch_end(done)
        ends.add(done)
    done = short.epoch_end(first)
    while done < 200:
        assert done in ends
        done = short.epoch_end(done)


@given(st.integers(1, 2000))
def test_the_rate_warms_up_and_falls_to_almost_nothing(steps):
    found = rates(given_steps(steps))
    top = found.index(max(found))
    assert all(0 < rate <= 1 for rate in found)
    assert found[:top] == sorted(found[:top])
    assert found[top:] == sorted(found[top:], reverse=True)
    assert max(found) == 1


def test_the_rate_is_zero_where_the_schedule_ends():
    assert given_steps(500).learning_rate(500, 1e-3) == pytest.approx(0)


@pytest.mark.parametrize("steps", [120, 250, 3000])
def test_the_rate_does_not_jump_when_the_steps_change_and_still_ends_at_zero(steps):
    schedule = timed(400)
    changed = with_steps(schedule, 100, steps, "load")
    assert rates(changed, 100) == rates(schedule, 100)
    assert changed.learning_rate(100, 1) == pytest.approx(
        schedule.learning_rate(100, 1)
    )
    found = rates(changed)
    assert max(abs(a - b) for a, b in pairwise(found)) < 0.09
    assert changed.learning_rate(steps, 1) == pytest.approx(0)


def test_while_the_steps_are_open_the_rate_is_that_of_any_longer_schedule():
    begun = first_schedule(TrainSpec(), 40, 2, 2)
    assert begun.steps is None
    assert not begun.finished(10**6)
    assert rates(begun, 20) == rates(timed(400), 20) == rates(timed(90), 20)


def test_after_a_return_half_the_rate_holds_from_there_and_later_changes_are_gone():
    schedule = with_steps(timed(400), 100, 500, "load")
    back = gone_back(schedule, 60, "diverged", 0.5, 1)
    assert back.steps == 500
    assert [s.from_step for s in back.segments] == [0, 20, 60]
    assert rates(back, 60) == rates(schedule, 60)
    assert back.learning_rate(60, 1) == pytest.approx(schedule.learning_rate(60, 1) / 2)
    assert back.segment(59).micro_batch == 2
    assert back.segment(60).micro_batch == 1
    assert back.learning_rate(500, 1) == pytest.approx(0)


def test_the_last_of_several_returns_to_a_step_holds():
    once = gone_back(given_steps(), 0, "diverged", 0.5, 2)
    twice = gone_back(once, 0, "diverged", 0.25, 2)
    assert twice.segment(0).rate == 0.25
    assert twice.learning_rate(40, 1) == given_steps().learning_rate(40, 1) / 4


def test_steps_or_passes_over_the_exams_fix_the_schedule_at_once():
    assert first_schedule(TrainSpec(steps=7), 10, 4, 4).steps == 7
    assert first_schedule(TrainSpec(epochs=3), 10, 4, 4).steps == 9
    assert first_schedule(TrainSpec(budget_minutes=1), 10, 4, 4).steps is None


def test_a_schedule_comes_back_from_disk(tmp_path):
    schedule = gone_back(timed(), 20, "because", 0.5, 1)
    write_schedule(tmp_path / "schedule.json", schedule)
    assert read_schedule(tmp_path / "schedule.json") == schedule


def test_a_missing_schedule_is_an_error(tmp_path):
    with pytest.raises(ManifestError, match=r"cannot read 'schedule\.json'"):
        read_schedule(tmp_path / "schedule.json")
