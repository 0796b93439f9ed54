"""The script people write with MONAI, to compare the speed of training with.

    python tests/benchmarks/monai_script.py EXPERIMENT_FOLDER --scans DIR --masks DIR
        --steps 60 --workers 2

EXPERIMENT_FOLDER is of a workspace in which `voxray run … --until preprocess` ran; its
manifest names the scans, its plan the network, the shape and the batch. CacheDataset,
dictionary transforms, DataLoader; the same network, batch, precision and kinds of
augmentation as voxray. Prints "step N" after each step.
"""

import argparse
import json
import math
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from monai.data.dataloader import DataLoader
from monai.data.dataset import CacheDataset
from monai.losses.dice import DiceCELoss
from monai.transforms.compose import Compose
from monai.transforms.croppad.dictionary import ResizeWithPadOrCropd
from monai.transforms.intensity.dictionary import (
    NormalizeIntensityd,
    RandAdjustContrastd,
    RandGaussianNoised,
    RandScaleIntensityd,
    RandShiftIntensityd,
)
from monai.transforms.io.dictionary import LoadImaged
from monai.transforms.spatial.dictionary import (
    Orientationd,
    RandAffined,
    RandFlipd,
    Spacingd,
)
from monai.transforms.utility.dictionary import EnsureChannelFirstd, EnsureTyped
from torch.nn.functional import cross_entropy

from voxray.core.specs import Plan
from voxray.model import VoxrayNetwork, choose_compute

Item = dict[str, Any]


def items(options: argparse.Namespace, plan: Plan) -> list[Item]:
    """A dictionary per exam of the manifest: image, label (mask), target (class)."""
    table = pd.read_csv(options.folder / "ingest" / "manifest.csv", dtype=str)
    labels = [name for name in table.columns.astype(str) if name.startswith("label_")]
    found: list[Item] = []
    for row in table.to_dict("records"):
        item: Item = {"image": str(options.scans / row["path"])}
        if plan.structures:
            item["label"] = str(options.masks / row["mask_path"])
        if plan.classes:
            values = sorted(table[labels[0]].unique())
            item["target"] = values.index(row[labels[0]])
        found.append(item)
    return found


def transforms(plan: Plan) -> Compose:
    """The deterministic ones come first: CacheDataset keeps what they give."""
    keys = ["image", "label"] if plan.structures else ["image"]
    modes = ["bilinear", "nearest"][: len(keys)]
    axes = (("L", "R"), ("P", "A"), ("I", "S"))
    turn = math.radians(10)
    steps = [
        LoadImaged(keys),
        EnsureChannelFirstd(keys),
        Orientationd(keys, axcodes="RAS", labels=axes),
        Spacingd(keys, plan.spacing_mm, mode=modes),
        NormalizeIntensityd("image"),
        ResizeWithPadOrCropd(keys, plan.input_shape),
        EnsureTyped(keys),
        RandAffined(
            keys,
            prob=1.0,
            rotate_range=(turn, turn, turn),
            scale_range=(0.1, 0.1, 0.1),
            translate_range=[0.03 * n for n in plan.input_shape],
            mode=modes,
            padding_mode="border",
        ),
        *(RandFlipd(keys, 0.5, axis) for axis in plan.mirror_axes),
        RandScaleIntensityd("image", 0.12, prob=1.0),
        RandShiftIntensityd("image", 0.15, prob=0.5),
        RandAdjustContrastd("image", prob=0.3, gamma=(0.8, 1.25)),
        RandGaussianNoised("image", prob=0.3, std=0.08),
    ]
    return Compose(steps)


def endless(loader: DataLoader) -> Iterator[Item]:
    """Batches, epoch after epoch."""
    while True:
        yield from loader


def train(options: argparse.Namespace) -> None:
    """Train so many steps."""
    plan = Plan.model_validate(
        json.loads((options.folder / "preprocess" / "plan.json").read_text())
    )
    compute = choose_compute("cpu" if options.cpu else "auto")
    device = compute.torch_device
    data = CacheDataset(items(options, plan), transforms(plan), progress=False)
    loader = DataLoader(
        data,
        batch_size=plan.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=options.workers,
        persistent_workers=options.workers > 0,
    )
    network = VoxrayNetwork(plan).to(device).train()
    optimizer = torch.optim.AdamW(network.parameters(), 4e-3)
    dice = DiceCELoss(include_background=False, to_onehot_y=True, softmax=True)
    for step, batch in zip(range(options.steps), endless(loader), strict=False):
        with compute.autocast():
            output = network(batch["image"].as_tensor().to(device))
        loss = torch.zeros((), device=device)
        if output.mask_logits is not None:
            mask = batch["label"].as_tensor().to(device)
            loss = loss + dice(output.mask_logits.float(), mask)
        if output.class_logits is not None:
            target = batch["target"].to(device)
            loss = loss + cross_entropy(output.class_logits.float(), target)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        optimizer.zero_grad()
        loss.item()
        print(f"step {step + 1}", flush=True)


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scans", type=Path, required=True)
    parser.add_argument("--masks", type=Path)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cpu", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    warnings.filterwarnings("ignore", message=".*nvImageCodec.*")
    began = time.monotonic()
    train(parsed())
    print(f"{time.monotonic() - began:.1f} s in all", file=sys.stderr)
