import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.unit.model.makers import PLAIN_CPU, a_plan
from tests.unit.train.makers import a_job
from voxray.core.errors import DatasetError
from voxray.core.files import read_json
from voxray.core.progress import Progress
from voxray.core.specs import FoldValues, TrainSpec
from voxray.model import Compute, load_network
from voxray.train import (
    HISTORY_FILE,
    NETWORK_FILE,
    SCHEDULE_FILE,
    EpochRow,
    FoldSeed,
    drop_state,
    fit_fold,
    read_result,
)
from voxray.train.checkpoint import STATE_FILE, load_state
from voxray.train.recipe import augmentation_strength
from voxray.train.schedule import with_steps

ROOT = Path(__file__).parents[3]


class KilledError(Exception):
    """Raised in the middle of training."""


def killed_after(epoch):
    """Kills at the first step after an epoch; each has 20 steps."""

    def listen(event):
        if event.done > 20 * epoch:
            raise KilledError

    return listen


def weights(job):
    return (job.folder / NETWORK_FILE).read_bytes()


def a_history(job):
    rows = read_json(job.folder / HISTORY_FILE)["epochs"]
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


@pytest.mark.parametrize("task", ["classify", "segment", "both"])
def test_a_toy_is_learned(tmp_path, task):
    job = a_job(tmp_path, task, spec={"steps": 120})
    result = fit_fold(job, PLAIN_CPU)
    first, last = result.history[0], result.history[-1]
    assert last["loss"] < 0.8 * first["loss"]
    if task != "classify":
        assert last["val_dice"] > 0.5
    if task != "segment":
        assert last["val_log_loss"] < 0.75


def test_the_averaged_network_knows_the_cohort_too(tmp_path):
    levels = a_plan("classify").network.model_copy(update={"pooled_norm": "cohort"})
    plan = a_plan("classify", network=levels)
    job = a_job(tmp_path, "classify", plan=plan, spec={"steps": 120})
    result = fit_fold(job, PLAIN_CPU)
    learned = load_file(job.folder / NETWORK_FILE)
    assert learned["class_head.norm.mean"].abs().min() > 0
    assert (learned["class_head.norm.variance"] - 1).abs().min() > 0
    assert result.history[-1]["val_log_loss"] < 0.75


def test_what_a_fold_leaves_behind(tmp_path):
    job = a_job(tmp_path)
    kept: list[Sequence[EpochRow]] = []
    events: list[Progress] = []
    result = fit_fold(job, PLAIN_CPU, events.append, kept.append)
    assert [row["step"] for row in kept[-1]] == [20, 40, 45]
    assert result.history == kept[-1]
    assert result.resumed_at_epoch is None
    assert [event.done for event in events] == list(range(1, 46))
    assert {event.total for event in events} == {45}
    assert read_json(job.folder / SCHEDULE_FILE)["steps"] == 45
    assert sum(result.shares.values()) == pytest.approx(1, abs=1e-3)
    assert result.shares["forward_backward"] > 0
    assert result.seconds > 0
    assert read_result(job.folder).history == result.history
    network = load_network(job.folder / NETWORK_FILE, job.plan, PLAIN_CPU)
    assert not network.training
    drop_state(job.folder)
    assert {p.name for p in job.folder.iterdir()} == {
        NETWORK_FILE,
        HISTORY_FILE,
        SCHEDULE_FILE,
    }


def test_the_same_seed_gives_the_same_weights_and_another_one_others(tmp_path):
    jobs = [a_job(tmp_path / name) for name in "ab"]
    other = a_job(tmp_path / "c", seed=FoldSeed(7, 0, 1))
    for job in (*jobs, other):
        fit_fold(job, PLAIN_CPU)
    assert weights(jobs[0]) == weights(jobs[1])
    assert weights(jobs[0]) != weights(other)


@pytest.mark.parametrize("epoch", [1, 2])
@pytest.mark.parametrize("task", ["both", "segment"])
def test_killed_and_resumed_is_as_never_killed(tmp_path, task, epoch):
    whole, torn = a_job(tmp_path / "a", task), a_job(tmp_path / "b", task)
    fit_fold(whole, PLAIN_CPU)
    with pytest.raises(KilledError):
        fit_fold(torn, PLAIN_CPU, listen=killed_after(epoch))
    torch.rand(5)  # whatever else drew meanwhile
    kept: list[Sequence[EpochRow]] = []
    result = fit_fold(torn, PLAIN_CPU, on_kept=kept.append)
    assert (result.resumed_at_epoch or 0) <= epoch
    assert kept[-1] == result.history
    assert weights(torn) == weights(whole)
    assert a_history(torn) == a_history(whole)


@pytest.mark.parametrize("step", [1, 13, 23, 45])
def test_killed_within_an_epoch_goes_back_to_a_checkpoint(tmp_path, step):
    whole, torn = a_job(tmp_path / "a"), a_job(tmp_path / "b")
    fit_fold(whole, PLAIN_CPU)

    def listen(event):
        if event.done == step:
            raise KilledError

    with pytest.raises(KilledError):
        fit_fold(torn, PLAIN_CPU, listen)
    fit_fold(torn, PLAIN_CPU)
    assert weights(torn) == weights(whole)


PROGRAM = """
import os, signal, sys
from pathlib import Path
from tests.unit.model.makers import PLAIN_CPU
from tests.unit.train.makers import a_job
from voxray.train import fit_fold

writes, doomed = 0, int(sys.argv[2])

def replaced(event, arguments):
    # before a file appears under its name: checkpoint, schedule, weights, history
    global writes
    if event == "os.rename" and "fold_0" in str(arguments[1]):
        writes += 1
        if writes == doomed:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(replaced)
fit_fold(a_job(Path(sys.argv[1])), PLAIN_CPU)
"""


@pytest.mark.parametrize("write", [1, 2, 3])
def test_killed_while_a_file_is_written_is_as_never_killed(tmp_path, write):
    whole, torn = a_job(tmp_path / "a"), a_job(tmp_path / "b")
    fit_fold(whole, PLAIN_CPU)
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "b"), str(write)]
    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    ended = subprocess.run(
        command,
        cwd=ROOT,
        check=False,
        capture_output=True,
        env={**os.environ, **threads},  # noqa: TID251
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    assert not (torn.folder / HISTORY_FILE).exists()
    fit_fold(torn, PLAIN_CPU)
    assert weights(torn) == weights(whole)
    assert not list(torn.folder.glob(".*"))


def test_a_finished_fold_is_given_again_until_its_state_is_dropped(tmp_path):
    job = a_job(tmp_path)
    first = fit_fold(job, PLAIN_CPU)
    before = weights(job)
    (job.folder / NETWORK_FILE).unlink()
    kept: list[Sequence[EpochRow]] = []
    again = fit_fold(job, PLAIN_CPU, on_kept=kept.append)
    assert kept == []
    assert again.history == first.history
    assert weights(job) == before


@pytest.mark.parametrize(
    "change",
    [
        {"inputs_sha256": "j" * 64},
        {"seed": FoldSeed(8, 0, 0)},
        {"spec": TrainSpec(steps=45, learning_rate=2e-3)},
        {"values": FoldValues(n_exams=5)},
        {"plan": a_plan(batch_size=1)},
    ],
)
def test_the_checkpoint_of_another_job_is_not_continued(tmp_path, change):
    job = a_job(tmp_path)
    with pytest.raises(KilledError):
        fit_fold(job, PLAIN_CPU, listen=killed_after(1))
    assert load_state(job.folder, job.sha256) is not None
    assert load_state(job.folder, replace(job, **change).sha256) is None


def test_a_torn_checkpoint_is_passed_over(tmp_path):
    job = a_job(tmp_path)
    with pytest.raises(KilledError):
        fit_fold(job, PLAIN_CPU, listen=killed_after(1))
    state = job.folder / STATE_FILE
    state.write_bytes(state.read_bytes()[:500])
    assert load_state(job.folder, job.sha256) is None
    state.write_bytes(b"")
    assert load_state(job.folder, job.sha256) is None


def test_without_a_checkpoint_there_is_no_state(tmp_path):
    assert load_state(tmp_path, "x") is None
    drop_state(tmp_path)


def test_an_exam_without_numbers_is_named(tmp_path):
    job = a_job(tmp_path)
    np.save(job.training[1].cached.image, np.full((1, 16, 20, 12), np.nan, np.float32))
    with pytest.raises(DatasetError, match=r"exam 'e1'.* not\s+numbers; look at"):
        fit_fold(job, PLAIN_CPU)
    assert not (job.folder / NETWORK_FILE).exists()


BUDGET = {"steps": None, "budget_minutes": 0.001}


def test_a_budget_becomes_a_fixed_number_of_steps(tmp_path):
    said: list[str] = []
    job = a_job(tmp_path, "segment", spec=BUDGET)
    totals = set()
    result = fit_fold(
        job, PLAIN_CPU, lambda event: totals.add(event.total), say=said.append
    )
    assert result.history[-1]["step"] == result.schedule.steps == 90
    assert totals == {None, 90}
    assert "budget_minutes" in result.schedule.basis
    assert "too short for 90 steps" in said[0]


class Beside(Compute):
    """A processor that pretends to queue its work."""

    runs_beside = True

    def wait(self) -> None:
        pass

    def pin(self, batch: torch.Tensor) -> torch.Tensor:
        return batch


def test_steps_that_are_timed_are_waited_for_where_work_is_queued(tmp_path):
    job = a_job(tmp_path, "segment", spec={**BUDGET, "memory_gb": 2})
    events: list[Progress] = []
    fit_fold(job, Beside("cpu", "32-true", compiled=False, reason=""), events.append)
    timed = [event.done for event in events if event.total is None]
    assert timed == list(range(1, len(timed) + 1))
    assert len(timed) >= 4
    assert len(events) < 45


def test_a_resumed_budget_keeps_the_schedule_it_had(tmp_path):
    job = a_job(tmp_path, "segment", spec=BUDGET)
    with pytest.raises(KilledError):
        fit_fold(job, PLAIN_CPU, listen=killed_after(3))
    fixed = read_json(job.folder / SCHEDULE_FILE)
    state = load_state(job.folder, job.sha256)
    assert state is not None
    result = fit_fold(job, PLAIN_CPU)
    assert result.history[-1]["step"] == 90
    if state.epoch:  # else the first steps are timed again
        assert read_json(job.folder / SCHEDULE_FILE) == fixed


def test_a_schedule_that_is_followed_again_gives_the_same_weights(tmp_path):
    job = a_job(tmp_path / "a", "segment", spec=BUDGET)
    schedule = fit_fold(job, PLAIN_CPU).schedule
    changed = with_steps(schedule, 44, 60, "a test")
    jobs = [
        a_job(tmp_path / name, "segment", spec=BUDGET, follow=changed) for name in "bc"
    ]
    with pytest.raises(KilledError):
        fit_fold(jobs[0], PLAIN_CPU, listen=killed_after(2))
    results = [fit_fold(job, PLAIN_CPU) for job in jobs]
    assert [result.schedule for result in results] == [changed, changed]
    assert results[0].history[-1]["step"] == 60
    assert weights(jobs[0]) == weights(jobs[1])


def test_time_before_a_kill_counts(tmp_path):
    job = a_job(tmp_path)
    first = fit_fold(job, PLAIN_CPU)
    assert fit_fold(job, PLAIN_CPU).seconds >= first.seconds


def test_a_fold_without_validation_patients_trains(tmp_path):
    result = fit_fold(a_job(tmp_path, validation=()), PLAIN_CPU)
    assert "val_dice" not in result.history[-1]


def test_a_fold_of_one_class_trains(tmp_path):
    job = a_job(tmp_path, "classify")
    ill = [exam for exam in job.training if exam.target == (0.0, 1.0)]
    values = FoldValues(n_exams=2, class_share={"healthy": 0.0, "ill": 1.0})
    result = fit_fold(replace(job, training=ill, values=values), PLAIN_CPU)
    assert np.isfinite(result.history[-1]["val_log_loss"])


def test_scans_smaller_than_the_input_and_fewer_than_a_batch_train(tmp_path):
    plan = a_plan("both", input_shape=(24, 24, 16), batch_size=4)
    job = a_job(tmp_path, plan=plan, spec={"steps": 3})
    fit_fold(replace(job, training=job.training[:2]), PLAIN_CPU)
    assert (job.folder / NETWORK_FILE).is_file()


def test_a_patch_counts_as_its_share_of_a_scan(tmp_path):
    job = a_job(tmp_path)
    assert job.views_a_step == pytest.approx(job.plan.batch_size / 4)
    small = job.plan.model_copy(update={"input_shape": (8, 20, 12)})
    half = replace(job, plan=small)
    assert half.views_a_step == pytest.approx(job.views_a_step / 2)
    large = job.plan.model_copy(update={"input_shape": (64, 64, 64)})
    assert replace(job, plan=large).views_a_step == pytest.approx(job.views_a_step)


def test_the_strength_of_augmentation_that_is_set_is_used(tmp_path):
    def trained(name, augmentation):
        job = a_job(tmp_path / name, spec={"augmentation": augmentation})
        fit_fold(job, PLAIN_CPU)
        return weights(job)

    seen = augmentation_strength(None, 45 * a_job(tmp_path / "any").views_a_step)
    assert 1 < seen < 2
    assert trained("by views", None) == trained("set", seen)
    assert trained("none", 0.0) != trained("set", seen)
