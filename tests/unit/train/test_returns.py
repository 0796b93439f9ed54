"""What happens when training goes off the rails, or memory runs out."""

import sys
from collections.abc import Sequence

import pytest
import torch

from tests.unit.model.makers import PLAIN_CPU
from tests.unit.train.makers import a_job
from voxray.core.errors import DatasetError, ManifestError
from voxray.core.files import read_json
from voxray.model import Compute
from voxray.train import NETWORK_FILE, SCHEDULE_FILE, EpochRow, fit_fold
from voxray.train.checkpoint import drop_state
from voxray.train.loop import Audience, Loop

STEP = torch.optim.AdamW.step
GROUP_NORM = torch.nn.functional.group_norm


def weights(job):
    return (job.folder / NETWORK_FILE).read_bytes()


def poison(monkeypatch, at_call):
    """One optimiser step writes what is not a number into the weights."""
    calls = []

    def step(self, *args, **options):
        result = STEP(self, *args, **options)
        calls.append(1)
        if len(calls) == at_call:
            self.param_groups[0]["params"][0].data.fill_(torch.nan)
        return result

    monkeypatch.setattr(torch.optim.AdamW, "step", step)


def short_of_memory(monkeypatch, exams, error):
    """Networks run out of memory with more than so many exams at once."""

    def group_norm(values, *args, **options):
        real = values.device.type != "meta" and torch.is_grad_enabled()
        if real and len(values) > exams:
            raise error
        return GROUP_NORM(values, *args, **options)

    monkeypatch.setattr(torch.nn.functional, "group_norm", group_norm)


def test_after_a_loss_that_is_no_number_half_the_rate_goes_on(tmp_path, monkeypatch):
    said: list[str] = []
    job = a_job(tmp_path / "a")
    with monkeypatch.context() as patch:
        poison(patch, at_call=23)
        result = fit_fold(job, PLAIN_CPU, say=said.append)
    last = result.schedule.now
    assert last.rate == 0.5
    assert last.from_step in {0, 20}
    assert "not finite at step 24" in last.why
    assert "back to step" in said[0]
    assert result.history[-1]["step"] == 45
    assert read_json(job.folder / SCHEDULE_FILE)["segments"][-1]["rate"] == 0.5

    again = a_job(tmp_path / "b", follow=result.schedule)
    fit_fold(again, PLAIN_CPU)
    assert weights(again) == weights(job)


def test_what_was_kept_is_never_undone(tmp_path, monkeypatch):
    kept: list[Sequence[EpochRow]] = []
    job = a_job(tmp_path)
    with monkeypatch.context() as patch:
        poison(patch, at_call=23)  # an epoch is done, maybe without a checkpoint
        result = fit_fold(job, PLAIN_CPU, on_kept=kept.append)
    assert [rows == result.history[: len(rows)] for rows in kept] == [True] * len(kept)
    assert kept[-1] == result.history


def test_the_way_that_was_left_says_nothing_about_the_pace(tmp_path, monkeypatch):
    job = a_job(tmp_path)
    loop = Loop(job, PLAIN_CPU, Audience(*[lambda _: None] * 3))
    loop.pace.marks = [(0, 0.0), (20, 0.1)]
    poison(monkeypatch, at_call=23)
    loop.run()
    ((step, spent_s),) = loop.pace.marks
    assert step == loop.schedule.now.from_step
    assert spent_s > 0.1


def test_a_kill_after_a_return_changes_nothing(tmp_path, monkeypatch):
    whole, torn = a_job(tmp_path / "a"), a_job(tmp_path / "b")

    def kill(event):
        if event.done == 30:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        poison(patch, at_call=3)
        fit_fold(whole, PLAIN_CPU)
    with monkeypatch.context() as patch:
        poison(patch, at_call=3)
        with pytest.raises(KeyboardInterrupt):
            fit_fold(torn, PLAIN_CPU, kill)
    fit_fold(torn, PLAIN_CPU)
    assert weights(torn) == weights(whole)


def test_a_rate_that_is_always_too_high_is_refused(tmp_path):
    said: list[str] = []
    job = a_job(tmp_path, spec={"learning_rate": 1e30})
    with pytest.raises(
        DatasetError, match=r"0.125 of the learning rate too; lower tra"
    ):
        fit_fold(job, PLAIN_CPU, say=said.append)
    assert len(said) == 3
    assert not (job.folder / NETWORK_FILE).exists()


def test_without_a_checkpoint_there_is_no_way_back(tmp_path, monkeypatch):
    job = a_job(tmp_path)
    poison(monkeypatch, at_call=3)

    def lose_it(event):
        if event.done == 2:
            drop_state(job.folder)

    with pytest.raises(ManifestError, match="its checkpoint is gone; run it again"):
        fit_fold(job, PLAIN_CPU, lose_it)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9 bytes"),
        MemoryError(),
    ],
)
def test_out_of_memory_trains_with_fewer_exams_at_once(tmp_path, monkeypatch, error):
    said: list[str] = []
    job = a_job(tmp_path)
    short_of_memory(monkeypatch, 1, error)
    result = fit_fold(job, PLAIN_CPU, say=said.append)
    assert result.schedule.now.micro_batch == 1
    assert "out of memory with 2 exams at once" in said[0]
    assert result.history[-1]["step"] == 45
    assert result.history[-1]["loss"] < result.history[0]["loss"]


class Watched(Compute):
    """Notes which error is still held when memory is given back."""

    held: list[BaseException | None] = []  # noqa: RUF012

    def release(self) -> None:
        self.held.append(sys.exception())


def test_what_was_computed_is_let_go_before_memory_is_given_back(tmp_path, monkeypatch):
    short_of_memory(monkeypatch, 1, MemoryError())
    fit_fold(a_job(tmp_path), Watched("cpu", "32-true", compiled=False, reason=""))
    assert Watched.held == [None]


def test_one_exam_that_does_not_fit_is_refused_with_numbers(tmp_path, monkeypatch):
    short_of_memory(monkeypatch, 0, MemoryError())
    with pytest.raises(DatasetError, match=r"one exam of 16 x 20 x 12 .* GB may be"):
        fit_fold(a_job(tmp_path), PLAIN_CPU)


def test_another_error_is_not_taken_for_lack_of_memory(tmp_path, monkeypatch):
    short_of_memory(monkeypatch, 1, RuntimeError("something else"))
    with pytest.raises(RuntimeError, match="something else"):
        fit_fold(a_job(tmp_path), PLAIN_CPU)


def test_a_memory_budget_below_one_exam_is_refused(tmp_path):
    job = a_job(tmp_path, spec={"memory_gb": 0.7})
    with pytest.raises(
        DatasetError, match=r"needs about 0.8 GB .* 0.7 GB may be taken"
    ):
        fit_fold(job, PLAIN_CPU)


def test_a_small_memory_budget_splits_the_batch(tmp_path):
    said: list[str] = []
    job = a_job(tmp_path, spec={"memory_gb": 0.801, "steps": 4})
    result = fit_fold(job, PLAIN_CPU, say=said.append)
    assert result.schedule.now.micro_batch == 1
    assert "1 of 2 exams go through the network at once" in said[0]
