"""The loop on a CUDA device: it learns, and goes on after a kill."""

import pytest

from tests.unit.train.makers import a_job
from voxray.core.progress import Progress
from voxray.model import choose_compute
from voxray.train import NETWORK_FILE, fit_fold

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("default"),  # the compiler of torch warns of itself
]


class KilledError(Exception):
    """Raised in the middle of training."""


def test_a_toy_is_learned_on_the_device(tmp_path):
    job = a_job(tmp_path, spec={"steps": 120})
    events: list[Progress] = []
    result = fit_fold(job, choose_compute("cuda"), events.append)
    assert result.history[-1]["loss"] < 0.8 * result.history[0]["loss"]
    assert events[-1].done == 120
    assert sum(result.shares.values()) == pytest.approx(1, abs=1e-3)


def test_a_killed_fold_goes_on_on_the_device(tmp_path):
    job, compute = a_job(tmp_path), choose_compute("cuda")

    def kill(event):
        if event.done >= 30:
            raise KilledError

    with pytest.raises(KilledError):
        fit_fold(job, compute, kill)
    assert fit_fold(job, compute).history[-1]["step"] == 45
    assert (job.folder / NETWORK_FILE).is_file()
