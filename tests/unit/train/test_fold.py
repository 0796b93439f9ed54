import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.unit.model.makers import PLAIN_CPU, a_plan
from tests.unit.train.makers import a_job
from voxray.core.errors import DatasetError
from voxray.core.files import read_json
from voxray.core.progress import Progress
from voxray.core.specs import FoldValues, TrainSpec
from voxray.model import load_network
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

ROOT = Path(__file__).parents[3]


class KilledError(Exception):
    """Raised in the middle of training."""


def killed_after(epoch):
    def on_epoch(row):
        if row["epoch"] == epoch:
            raise KilledError

    return on_epoch


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


def test_what_a_fold_leaves_behind(tmp_path):
    job = a_job(tmp_path)
    rows: list[EpochRow] = []
    events: list[Progress] = []
    result = fit_fold(job, PLAIN_CPU, events.append, rows.append)
    assert [row["step"] for row in rows] == [20, 22, 24, 26]
    assert list(result.history) == rows
    assert result.resumed_at_epoch is None
    assert [event.done for event in events] == list(range(1, 27))
    assert {event.total for event in events} == {26}
    assert read_json(job.folder / SCHEDULE_FILE)["steps"] == 26
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


@pytest.mark.parametrize("epoch", [1, 3])
@pytest.mark.parametrize("task", ["both", "segment"])
def test_killed_and_resumed_is_as_never_killed(tmp_path, task, epoch):
    whole, torn = a_job(tmp_path / "a", task), a_job(tmp_path / "b", task)
    fit_fold(whole, PLAIN_CPU)
    with pytest.raises(KilledError):
        fit_fold(torn, PLAIN_CPU, on_epoch=killed_after(epoch))
    torch.rand(5)  # whatever else drew meanwhile
    rows: list[EpochRow] = []
    result = fit_fold(torn, PLAIN_CPU, on_epoch=rows.append)
    assert result.resumed_at_epoch == epoch
    assert [row["epoch"] for row in rows] == list(range(epoch + 1, 5))
    assert weights(torn) == weights(whole)
    assert a_history(torn) == a_history(whole)


def test_killed_within_an_epoch_goes_back_to_its_start(tmp_path):
    whole, torn = a_job(tmp_path / "a"), a_job(tmp_path / "b")
    fit_fold(whole, PLAIN_CPU)

    def listen(event):
        if event.done == 23:
            raise KilledError

    with pytest.raises(KilledError):
        fit_fold(torn, PLAIN_CPU, listen)
    assert fit_fold(torn, PLAIN_CPU).resumed_at_epoch == 2
    assert weights(torn) == weights(whole)


PROGRAM = """
import os, signal, sys
from pathlib import Path
from tests.unit.model.makers import PLAIN_CPU
from tests.unit.train.makers import a_job
from voxray.train import fit_fold

def on_epoch(row):
    if row["epoch"] == 2:
        os.kill(os.getpid(), signal.SIGKILL)

fit_fold(a_job(Path(sys.argv[1])), PLAIN_CPU, on_epoch=on_epoch)
"""


def test_a_process_that_was_killed_is_continued_to_the_same_bytes(tmp_path):
    whole, torn = a_job(tmp_path / "a"), a_job(tmp_path / "b")
    fit_fold(whole, PLAIN_CPU)
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "b")]
    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    ended = subprocess.run(
        command,
        cwd=ROOT,
        check=False,
        capture_output=True,
        env={**os.environ, **threads},  # noqa: TID251
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    assert not (torn.folder / NETWORK_FILE).exists()
    assert fit_fold(torn, PLAIN_CPU).resumed_at_epoch == 2
    assert weights(torn) == weights(whole)


def test_a_finished_fold_is_given_again_until_its_state_is_dropped(tmp_path):
    job = a_job(tmp_path)
    first = fit_fold(job, PLAIN_CPU)
    before = weights(job)
    (job.folder / NETWORK_FILE).unlink()
    rows: list[EpochRow] = []
    again = fit_fold(job, PLAIN_CPU, on_epoch=rows.append)
    assert rows == []
    assert again.history == first.history
    assert weights(job) == before


@pytest.mark.parametrize(
    "change",
    [
        {"inputs_sha256": "j" * 64},
        {"seed": FoldSeed(8, 0, 0)},
        {"spec": TrainSpec(steps=26, learning_rate=2e-3)},
        {"values": FoldValues(n_exams=5)},
        {"plan": a_plan(batch_size=1)},
    ],
)
def test_the_checkpoint_of_another_job_is_not_continued(tmp_path, change):
    job = a_job(tmp_path)
    with pytest.raises(KilledError):
        fit_fold(job, PLAIN_CPU, on_epoch=killed_after(1))
    assert load_state(job.folder, job.sha256) is not None
    assert load_state(job.folder, replace(job, **change).sha256) is None


def test_a_torn_checkpoint_is_passed_over(tmp_path):
    job = a_job(tmp_path)
    with pytest.raises(KilledError):
        fit_fold(job, PLAIN_CPU, on_epoch=killed_after(1))
    state = job.folder / STATE_FILE
    state.write_bytes(state.read_bytes()[:500])
    assert load_state(job.folder, job.sha256) is None
    state.write_bytes(b"")
    assert load_state(job.folder, job.sha256) is None


def test_without_a_checkpoint_there_is_no_state(tmp_path):
    assert load_state(tmp_path, "x") is None
    drop_state(tmp_path)


def test_a_loss_that_is_not_finite_stops_and_says_what_to_do(tmp_path):
    job = a_job(tmp_path)
    for exam in job.training:
        np.save(exam.cached.image, np.full((1, 16, 20, 12), np.nan, np.float32))
    with pytest.raises(DatasetError, match=r"loss is nan at step 1; lower train.learn"):
        fit_fold(job, PLAIN_CPU)
    assert not (job.folder / NETWORK_FILE).exists()


def test_a_budget_becomes_a_fixed_number_of_steps(tmp_path):
    job = a_job(tmp_path, "segment", spec={"steps": None, "budget_minutes": 0.001})
    totals = set()
    result = fit_fold(job, PLAIN_CPU, lambda event: totals.add(event.total))
    assert result.history[-1]["step"] == result.schedule.steps
    assert totals == {None, result.schedule.steps}
    assert "budget_minutes" in result.schedule.basis


def test_a_resumed_budget_keeps_the_schedule_it_had(tmp_path):
    job = a_job(tmp_path, "segment", spec={"steps": None, "budget_minutes": 0.001})
    with pytest.raises(KilledError):
        fit_fold(job, PLAIN_CPU, on_epoch=killed_after(1))
    fixed = read_json(job.folder / SCHEDULE_FILE)
    result = fit_fold(job, PLAIN_CPU)
    assert result.resumed_at_epoch == 1
    assert read_json(job.folder / SCHEDULE_FILE) == fixed
    assert result.history[-1]["step"] == fixed["steps"]


def test_a_fold_without_validation_patients_trains(tmp_path):
    result = fit_fold(a_job(tmp_path, validation=()), PLAIN_CPU)
    assert "val_dice" not in result.history[-1]
