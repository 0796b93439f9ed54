import time

import pytest

from voxray.train.stopwatch import Stopwatch, limit_in_words, shares


def test_laps_add_up_by_phase():
    watch = Stopwatch(lambda: None, every=1)
    watch.begin_step(0)
    time.sleep(0.01)
    watch.lap("data")
    watch.lap("optimiser")
    assert 0.01 <= watch.seconds["data"] < 1
    assert watch.seconds["optimiser"] < watch.seconds["data"]


def test_where_work_runs_beside_few_steps_are_waited_for_and_stand_for_all():
    waits = []
    watch = Stopwatch(lambda: waits.append(1), every=10)
    for step in range(20):
        watch.begin_step(step)
        if step == 5:
            time.sleep(0.01)
        watch.lap("data")
    assert len(waits) == 4
    assert watch.seconds["data"] >= 0.1


def test_a_slow_first_step_stands_for_no_other():
    watch = Stopwatch(lambda: None, every=10)
    for step in range(20):
        watch.begin_step(step)
        if step == 0:
            time.sleep(0.01)
        watch.lap("forward_backward")
    assert watch.seconds["forward_backward"] < 0.01


def test_shares_add_up_and_the_rest_is_other():
    found = shares({"data": 2.0, "forward_backward": 6.0}, 10.0)
    assert found["forward_backward"] == pytest.approx(0.6)
    assert found["other"] == pytest.approx(0.2)
    assert sum(found.values()) == pytest.approx(1)


def test_the_largest_share_limits():
    said = limit_in_words({"forward_backward": 0.91, "augmentation": 0.09})
    assert said == "91 % network, 9 % augmentation: network limits the speed"
