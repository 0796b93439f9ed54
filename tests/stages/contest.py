"""Small real models of one disease, their registry, and a locked set to judge them on.

All share one frozen network with random weights; what differs is the last layer, which
is a logistic regression on its features of some training scans. So a model is made in
a moment, scores through everything that any model does, and can be as good, as bad or
as sure of itself as a test needs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from tests.makers import nifti_source, write_nifti
from tests.stages.labelled import a_truth
from tests.unit.mlflow_store.makers import a_run
from tests.unit.model.makers import a_network, a_package, a_plan
from tests.unit.stages.makers import KEY
from voxray.core.files import write_json
from voxray.core.ids import Pseudonymizer
from voxray.core.records import Metric
from voxray.core.seen import SEEN_FILE, remember
from voxray.mlflow_store import (
    AUDIT_PASSED,
    AUDIT_TAG,
    READ_BACK_TAG,
    Registration,
    Store,
    register_model,
)
from voxray.model import VoxrayNetwork, save_network, write_package
from voxray.preprocess import prepare_exam
from voxray.report import ModelCard, render_card

SHAPE = (16, 20, 12)
PLAN = a_plan("classify")
Array = NDArray[np.float64]


def write_patients(folder: Path, n: int, seed: int) -> Array:
    """Scans p000, p001 … and labels.csv; ill ones have a brighter spot.

    Returns:
        1 for each ill patient, who is every second one.
    """
    generator = np.random.default_rng(seed)
    ill = np.arange(n) % 2
    place = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    for number, is_ill in enumerate(ill):
        centre = np.array(SHAPE) / 2 + generator.normal(0, 1, 3)
        spot = np.exp(-((place - centre) ** 2).sum(axis=-1) / 18)
        bright = 250 * np.exp(0.6 * generator.normal() + 0.9 * is_ill)
        voxels = 500 + bright * spot + generator.normal(0, 60, SHAPE)
        path = folder / "scans" / f"p{number:03}.nii.gz"
        write_nifti(path, voxels.astype(np.int16), np.eye(4))
    rows = [f"p{n:03},{y},{'MF'[n // 2 % 2]}" for n, y in enumerate(ill)]
    text = "\n".join(["scan,state,sex", *rows]) + "\n"
    (folder / "labels.csv").write_text(text, encoding="utf-8")
    return ill.astype(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class School:
    """What models learn from: features of training scans under a frozen network."""

    network: VoxrayNetwork
    features: Array
    ill: Array

    @classmethod
    def of(cls, folder: Path, n: int, seed: int = 1) -> "School":
        """Write `n` training scans below `folder`, and let the network look at them."""
        ill = write_patients(folder, n, seed)
        network = a_network(PLAN)
        seen: list[Array] = []

        def look(_layer: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> None:
            seen.append(given[0].detach().numpy().astype(np.float64))

        hook = last_layer(network).register_forward_pre_hook(look)
        for path in sorted((folder / "scans").iterdir()):
            image = prepare_exam({"image": nifti_source(path)}, None, PLAN).image
            with torch.inference_mode():
                network(torch.from_numpy(np.asarray(image, np.float32))[None])
        hook.remove()
        return cls(network, np.concatenate(seen), ill)

    def pupil(
        self,
        n_scans: int | None = None,
        wrong: float = 0.0,
        sureness: float = 1.0,
        jitter: float = 0.0,
    ) -> VoxrayNetwork:
        """A network whose last layer is fitted.

        Args:
            n_scans: It learns from so many; all by default.
            wrong: Share of training labels that are turned round.
            sureness: Its log odds are multiplied by this after the fit.
            jitter: Of its weights, relative; makes another model that says the same.
        """
        generator = np.random.default_rng(7)
        features, ill = self.features[:n_scans], self.ill[:n_scans].copy()
        turned = generator.random(len(ill)) < wrong
        ill[turned] = 1 - ill[turned]
        mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-9
        fit = LogisticRegression(C=0.1, max_iter=2000)
        fit.fit((features - mean) / spread, ill)
        weight = sureness * fit.coef_[0] / spread
        weight = weight * (1 + jitter * generator.normal(size=len(weight)))
        bias = sureness * float(fit.intercept_[0]) - float(weight @ mean)
        return self._with_layer(weight, bias)

    def _with_layer(self, weight: Array, bias: float) -> VoxrayNetwork:
        network = a_network(PLAN)
        with torch.no_grad():
            layer = last_layer(network)
            layer.weight.zero_()
            layer.bias.zero_()
            layer.weight[1] = torch.from_numpy(weight)
            layer.bias[1] = bias
        return network


def last_layer(network: VoxrayNetwork) -> torch.nn.Linear:
    """From features to the log odds of both classes."""
    head = network.class_head
    assert head is not None
    assert isinstance(head.linear, torch.nn.Linear)
    return head.linear


def write_model_of(
    folder: Path, network: VoxrayNetwork, metrics: Sequence[Metric] = (), **said: Any
) -> Path:
    """A complete model folder of one network; returns it."""
    folder.mkdir(parents=True)
    package = a_package(PLAN, n_networks=1, **({"truth": a_truth()} | said))
    save_network(folder / package.networks[0], network.state_dict())
    listed = remember([], Pseudonymizer(KEY), "salt")
    write_json(folder / SEEN_FILE, listed.model_dump(mode="json"))
    write_package(folder, package, render_card(ModelCard(package, 40, 40, metrics)))
    return folder


def register(
    store: Store, name: str, folder: Path, metrics: Sequence[Metric] = (), **tags: str
) -> int:
    """Register a folder as a version; returns its number."""
    run = a_run(store, name, metrics)
    own = {AUDIT_TAG: AUDIT_PASSED, READ_BACK_TAG: "a test"} | tags
    how = Registration(
        name,
        "a model made to be judged by the gate",
        {k: v for k, v in own.items() if v},
    )
    return register_model(store, run.run_id, folder, how)
