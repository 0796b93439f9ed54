import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxray.core.specs import TrainSpec
from voxray.train.schedule import (
    TIMED_STEPS,
    FirstEpoch,
    Schedule,
    budgeted_schedule,
    epoch_length,
    given_schedule,
    median_step_s,
    rate_factor,
    read_schedule,
    steps_per_epoch,
    write_schedule,
)


@pytest.mark.parametrize(
    ("n_exams", "batch", "steps"), [(10, 4, 3), (8, 4, 2), (1, 4, 1)]
)
def test_an_epoch_sees_each_exam_about_once(n_exams, batch, steps):
    assert steps_per_epoch(n_exams, batch) == steps


def test_an_epoch_is_never_long():
    assert steps_per_epoch(10**6, 2) == 100


@given(st.integers(1, 100))
def test_the_first_epoch_is_whole_epochs_that_hold_the_timed_steps(per_epoch):
    first = epoch_length(0, per_epoch)
    assert first >= TIMED_STEPS
    assert first % per_epoch == 0
    assert first - per_epoch < TIMED_STEPS
    assert epoch_length(first, per_epoch) == per_epoch


@given(st.integers(1, 300), st.integers(1, 40))
def test_epochs_add_up_to_the_steps(steps, per_epoch):
    schedule, done = Schedule(steps, per_epoch, 0.0, ""), 0
    while done < steps:
        part = schedule.steps_of(done)
        assert part > 0
        done += part
    assert done == steps


@given(st.integers(1, 2000))
def test_the_rate_warms_up_and_falls_to_almost_nothing(steps):
    rates = [rate_factor(step, steps) for step in range(steps)]
    top = rates.index(max(rates))
    assert all(0 < rate <= 1 for rate in rates)
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert max(rates) == 1


def test_the_rate_is_zero_where_the_schedule_ends():
    assert rate_factor(500, 500) == pytest.approx(0)
    assert Schedule(500, 10, 0, "").learning_rate(500, 1e-3) == pytest.approx(0)


def steps_given(spec):
    schedule = given_schedule(spec, 4)
    return schedule and schedule.steps


def test_steps_or_epochs_fix_the_schedule_at_once():
    assert steps_given(TrainSpec(steps=7)) == 7
    assert steps_given(TrainSpec(epochs=3)) == 12
    assert steps_given(TrainSpec(budget_minutes=1)) is None


def test_a_budget_is_filled_with_steps_and_validations():
    first = FirstEpoch(steps=20, step_s=0.5, rest_s=2.0)
    schedule = budgeted_schedule(600, 20, first, per_epoch=4)
    assert schedule.steps == 20 + int(580 / (0.5 + 2.0 / 4))
    assert "train.budget_minutes: 10" in schedule.basis


def test_a_spent_budget_still_gives_a_warm_up_and_more():
    first = FirstEpoch(steps=20, step_s=9.0, rest_s=1.0)
    steps = budgeted_schedule(1, 180, first, per_epoch=4).steps
    assert 20 <= steps < 200


def test_a_schedule_comes_back_from_disk(tmp_path):
    schedule = Schedule(120, 4, 0.31, "because")
    write_schedule(tmp_path / "schedule.json", schedule)
    assert read_schedule(tmp_path / "schedule.json") == schedule


def test_one_slow_moment_does_not_make_a_step_slow():
    assert median_step_s([5.0, 6.0, 7.0, 17.0, 18.0]) == 1
