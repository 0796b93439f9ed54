from dataclasses import replace

import pytest
import torch

from tests.unit.model.makers import PLAIN_CPU
from tests.unit.train.makers import a_job
from voxray.model import VoxrayNetwork
from voxray.train.batches import epoch_batches
from voxray.train.learner import Drawing, Learner
from voxray.train.recipe import EMA_DECAY, average_decay
from voxray.train.stopwatch import Stopwatch

WATCH = Stopwatch(lambda: None, 1)


def a_learner(tmp_path, task="segment"):
    return Learner(a_job(tmp_path, task), PLAIN_CPU)


def a_batch(job):
    rng = job.seed.numpy(0)
    return next(iter(epoch_batches(job.training, job.plan, job.values, 1, rng)))


def first(network):
    return next(network.parameters()).detach().clone()


def test_the_trained_network_is_compiled_where_that_pays_and_its_average_is_not(
    tmp_path, monkeypatch
):
    compiled: list[VoxrayNetwork] = []

    def noted(network):
        compiled.append(network)

    monkeypatch.setattr(VoxrayNetwork, "compile", noted)
    job = a_job(tmp_path, "segment")
    learner = Learner(job, replace(PLAIN_CPU, compiled=True))
    assert compiled == [learner.bare]
    Learner(job, PLAIN_CPU)
    assert len(compiled) == 1


def test_the_average_follows_the_weights_and_remembers_longer_with_time(tmp_path):
    learner = a_learner(tmp_path)
    for parameter in learner.bare.parameters():
        parameter.data.fill_(1.0)
    learner.update_average(0)
    assert (first(learner.average) == 1).all()
    for parameter in learner.bare.parameters():
        parameter.data.fill_(2.0)
    learner.update_average(10**6)
    assert first(learner.average).mean() == pytest.approx(1 + 1 - EMA_DECAY)
    assert average_decay(1) < average_decay(100) < EMA_DECAY


def test_running_statistics_are_those_of_the_last_step(tmp_path):
    learner = a_learner(tmp_path)
    learner.bare.register_buffer("seen", torch.tensor(3.0))
    learner.average.register_buffer("seen", torch.tensor(0.0))
    learner.update_average(50)
    assert learner.average.get_buffer("seen") == 3


def test_a_batch_in_parts_gives_about_the_same_gradient_step(tmp_path):
    learners = [a_learner(tmp_path), a_learner(tmp_path)]
    batch = a_batch(a_job(tmp_path, "segment"))
    before = first(learners[0].bare)
    for learner, size in zip(learners, (2, 1), strict=True):
        learner.train_step(batch, 1e-3, size, 0, WATCH)
    moved = [first(learner.bare) - before for learner in learners]
    assert moved[0].abs().max() > 0
    same = torch.nn.functional.cosine_similarity(
        moved[0].ravel(), moved[1].ravel(), dim=0
    )
    assert same > 0.7


def test_a_state_brings_everything_back(tmp_path):
    learner, batch = a_learner(tmp_path), a_batch(a_job(tmp_path, "segment"))
    state = {
        name: {k: v.clone() for k, v in part.items()} if name != "optimizer" else part
        for name, part in learner.state().items()
    }
    one = learner.train_step(batch, 1e-2, 2, 0, WATCH)
    after = first(learner.bare)
    learner.restore(state)
    assert torch.equal(learner.train_step(batch, 1e-2, 2, 0, WATCH), one)
    assert torch.equal(first(learner.bare), after)


def test_augmentation_keeps_shapes_and_structures(tmp_path):
    learner, job = a_learner(tmp_path, "both"), a_job(tmp_path, "both")
    drawing = Drawing(job.seed.torch(0), job.seed.noise(0, "cpu"))
    batch = a_batch(job)
    changed = learner.augmented(batch, drawing, 1.0)
    assert changed.image.shape == batch.image.shape
    assert changed.mask is not None
    assert set(changed.mask.unique().tolist()) <= {0, 1}
    assert changed.classes is not None
