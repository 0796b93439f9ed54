from dataclasses import replace

import pytest

from voxray.core.errors import DatasetError
from voxray.core.specs import TrainSpec
from voxray.train.budget import (
    Pace,
    fix_steps,
    median_step_s,
    shortage,
    timing_is_over,
)
from voxray.train.schedule import first_schedule, with_steps

BEGUN = first_schedule(TrainSpec(budget_minutes=10), 40, 2, 2)


def ends(n, step_s):
    return [step_s * i for i in range(n + 1)]


def fixed(steps=1000, step_s=0.6):
    return with_steps(
        replace(BEGUN, first_epoch=20, step_seconds=step_s), 20, steps, "timed"
    )


def followed(pace, schedule, step_s, until, spent_s=12.0):
    """Epochs of 20 steps at this speed; gives the last schedule."""
    for step in range(40, until + 1, 20):
        spent_s += 20 * step_s
        schedule = pace.revised(schedule, step, spent_s) or schedule
    return schedule


def test_twenty_steps_are_timed():
    assert not timing_is_over(ends(19, 0.1), 600)
    assert timing_is_over(ends(20, 0.1), 600)


def test_slow_steps_are_timed_for_a_fifth_of_the_budget():
    assert not timing_is_over(ends(3, 50), 600)
    assert timing_is_over(ends(4, 50), 600)


def test_one_slow_moment_does_not_make_a_step_slow():
    assert median_step_s([0.0, 5.0, 6.0, 7.0, 17.0, 18.0]) == 1


def test_a_budget_is_filled_with_steps():
    schedule = fix_steps(BEGUN, ends(20, 0.5), 10, 600)
    assert schedule.steps == 20 + int(590 / (0.5 * 1.03))
    assert schedule.first_epoch == 20
    assert "train.budget_minutes: 10" in schedule.basis
    assert shortage(schedule, 2, 40, 600) is None


def test_a_short_budget_gives_the_fewest_steps_and_says_so():
    schedule = fix_steps(BEGUN, ends(20, 0.5), 10, 30)
    assert schedule.steps == 90
    said = shortage(schedule, 2, 40, 30)
    assert said is not None
    assert "train.budget_minutes: 0.5 is too short for 90 steps" in said


def test_a_budget_for_less_than_each_exam_once_is_said():
    schedule = fix_steps(BEGUN, ends(20, 0.5), 10, 600)
    said = shortage(schedule, 2, 10_000, 600)
    assert said is not None
    assert "of 10000 training exams not each is seen once" in said


def test_a_budget_that_is_far_too_short_is_refused_with_numbers():
    with pytest.raises(
        DatasetError, match=r"2 is too short: a step takes 20.0 s.* give 31 minutes"
    ):
        fix_steps(BEGUN, ends(4, 20), 80, 120)


def test_a_busy_moment_alone_refuses_no_budget():
    busy = [0.0, 5.0, 9.0, 13.0, 13.5, 18.0]
    assert fix_steps(BEGUN, busy, 18, 60).steps == 90


def test_a_steady_load_changes_nothing():
    schedule = fixed()
    assert followed(Pace(600, [(20, 12.0)]), schedule, 0.6, 980) == schedule


@pytest.mark.parametrize(("step_s", "slower"), [(1.2, True), (0.3, False)])
def test_another_load_gives_other_steps_that_end_with_the_budget(step_s, slower):
    schedule = followed(Pace(600, [(20, 12.0)]), fixed(), step_s, 300)
    assert schedule.steps is not None
    assert (schedule.steps < 1000) == slower
    end_s = 12 + (schedule.steps - 20) * step_s
    assert end_s == pytest.approx(600, rel=0.1)
    assert len(schedule.segments) > len(fixed().segments)


def test_a_short_moment_changes_nothing():
    pace, schedule = Pace(600, [(20, 12.0)]), fixed()
    assert pace.revised(schedule, 40, 12 + 20) is None  # 20 s of 600


def test_a_way_that_was_left_says_nothing_about_the_load():
    pace, schedule = Pace(300, [(20, 12.0)]), fixed(500)
    followed(pace, schedule, 0.6, 260)
    pace.restart(100, 162.0)  # steps after 100 were made in vain
    assert pace.revised(schedule, 120, 174) is None
    revised = pace.revised(schedule, 140, 186)
    assert revised is not None
    assert revised.steps == 140 + 190


def test_a_budget_that_is_spent_ends_soon_but_brings_the_rate_down():
    pace = Pace(600, [(20, 12.0)])
    schedule = pace.revised(fixed(), 500, 650)
    assert schedule is not None
    assert schedule.steps == 510


def test_the_fewest_steps_are_never_more_because_it_is_late():
    pace = Pace(10, [(20, 12.0)])
    assert pace.revised(fixed(90), 80, 60) is None


def test_steps_are_not_changed_before_a_change_that_is_fixed_already():
    pace = Pace(600, [(20, 12.0)])
    later = with_steps(fixed(), 300, 500, "before the kill")
    assert pace.revised(later, 280, 500) is None
