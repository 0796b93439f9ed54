"""Plans, networks and model folders that are as small as they can be."""

from pathlib import Path
from typing import Any

import torch

from voxray.core.findings import Action, FindingCode
from voxray.core.specs import (
    DecisionRule,
    FoldValues,
    IntakeRules,
    ModelPackage,
    NetworkPlan,
    Plan,
    ReferenceStatistics,
)
from voxray.core.specs.channels import ChannelRules
from voxray.core.specs.decision import OperatingPoint
from voxray.model import (
    Compute,
    VoxrayNetwork,
    predict,
    predict_ensemble,
    save_network,
    write_package,
)

PLAIN_CPU = Compute("cpu", "32-true", compiled=False, reason="tests")
HEADS: dict[str, dict[str, Any]] = {
    "classify": {"classes": ("healthy", "ill")},
    "segment": {"structures": ("lesion",), "mask_values": (1,)},
    "both": {
        "classes": ("healthy", "ill"),
        "structures": ("lesion",),
        "mask_values": (1,),
    },
}


def a_network_plan(stride: int = 2, flat: bool = False) -> NetworkPlan:
    """Two levels of 4 and 8 features; nothing happens along k when it is flat."""
    along_k, kernel = (1, 1) if flat else (stride, 3)
    return NetworkPlan(
        features=(4, 8),
        strides=((1, 1, 1), (stride, stride, along_k)),
        kernels=((3, 3, kernel), (3, 3, kernel)),
    )


def a_plan(task: str = "both", **changes: Any) -> Plan:
    """16 x 20 x 12 voxels of 1 mm, z-scores, two exams a step."""
    plain: dict[str, Any] = {
        "channels": ("image",),
        "modality": ("MR",),
        "spacing_mm": (1.0, 1.0, 1.0),
        "input_shape": (16, 20, 12),
        "whole_volume": True,
        "normalisation": {"image": "zscore"},
        "network": a_network_plan(),
        "batch_size": 2,
        "reasons": {"spacing_mm": "a test"},
    }
    return Plan(**(plain | HEADS[task] | changes))


def a_network(plan: Plan, seed: int = 0) -> VoxrayNetwork:
    """A network with weights from a seed, in eval mode."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)  # noqa: TID251 - a test's own stream
        network = VoxrayNetwork(plan)
    network.eval()
    return network


def predicted(network, image, plan):
    """What one network says."""
    return predict(network, image, plan, PLAIN_CPU)


def predicted_together(members, image, plan):
    """What an ensemble says, and how far its networks disagree."""
    return predict_ensemble(members, image, plan, PLAIN_CPU)


def a_rule() -> DecisionRule:
    """Ill from one half on."""
    point = OperatingPoint(
        metric="sensitivity", at_least=0.9, threshold=0.5, n_positive=4, n_negative=4
    )
    return DecisionRule(
        classes=("healthy", "ill"), positive="ill", operating_point=point
    )


def a_package(plan: Plan, n_networks: int = 2, **changes: Any) -> ModelPackage:
    """A package whose training scans were 16 x 20 x 12 mm in voxels of 1 mm."""
    plain: dict[str, Any] = {
        "name": "toy",
        "voxray_version": "0",
        "experiment_sha256": "0" * 64,
        "rules": IntakeRules(
            channels={"image": ChannelRules()},
            policy={FindingCode.EXTENT_UNVERIFIED: Action.ACCEPT},
        ),
        "plan": plan,
        "fold_values": tuple(FoldValues(n_exams=4) for _ in range(n_networks)),
        "networks": tuple(f"fold_{n}.safetensors" for n in range(n_networks)),
        "decision": a_rule() if plan.classes else None,
        "references": ReferenceStatistics(
            modalities=("MR",),
            spacing_mm=((1.0, 1.0),) * 3,
            extent_mm=((16.0, 16.0), (20.0, 20.0), (12.0, 12.0)),
            n_scans=4,
        ),
        "units": {},
        "licence": "unstated",
        "intended_use": "tests",
        "files": {},
    }
    return ModelPackage(**(plain | changes))


def write_model(folder: Path, task: str = "both", seed: int = 0, **changes: Any) -> str:
    """A model folder with two networks; returns its hash."""
    plan = changes.pop("plan", None) or a_plan(task)
    package = a_package(plan, **changes)
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(package.networks):
        network = a_network(plan, seed + number)
        save_network(folder / name, network.state_dict())
    return write_package(folder, package, "# toy\n")
