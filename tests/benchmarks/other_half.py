"""Train on half of the patients, evaluate the registered model on the other half.

    python -m tests.benchmarks.other_half --workspace DIR [--minutes 8] [--seed 1]
        [--experiment pipelines/experiments/lidc_nodules.yaml] [--set KEY=VALUE ...]

Needs VOXRAY_SHARED_DATA with lidc_nodules/. Patients are parted at random, malignant
and benign ones alike; scans, masks and table of each half go into a folder of its own
(hard links where that can be). `voxray run` trains and registers on the first half,
`voxray evaluate` judges models:/NAME@candidate on the second. A run that was stopped
goes on. Printed: each figure out of fold and on the other half, and their difference in
units of its standard error, which is that of two independent estimates, each taken from
its interval: (high - low) / (2 z). Out-of-fold figures are of single networks, those on
the other half of the ensemble: a difference in its favour is no error.
"""

import argparse
import json
import math
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from scipy.stats import norm
from tests.benchmarks.runs import ROOT, settings, shared_data, voxray

FIGURES = (
    *("auc", "auc_per_patient", "average_precision", "sensitivity", "specificity"),
    *("brier", "calibration_slope", "calibration_intercept", "dice", "nsd"),
    *("hd95_found_mm", "volume_error_ml"),
)
_EXPERIMENT = ROOT / "pipelines" / "experiments" / "lidc_nodules.yaml"
_KEY = "{patient_id}_R_{nodule_id}"

Row = Mapping[str, Any]


def main() -> None:
    """Train, evaluate, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--experiment",
        type=Path,
        default=ROOT / "pipelines/experiments/lidc_nodules.yaml",
    )
    parser.add_argument("--set", dest="sets", action="append", default=[])
    asked = parser.parse_args()
    data = shared_data()
    if data is None:
        parser.error("VOXRAY_SHARED_DATA is not set, or no folder")
    name = yaml.safe_load(asked.experiment.read_text())["name"]
    halves = part(data / "lidc_nodules", asked.workspace / "halves", asked.seed)
    train_on, judge_on = halves
    pairs = [
        f"data.scans={train_on / 'images'}",
        f"data.masks={train_on / 'masks'}",
        f"data.labels.table={train_on / 'nodules.csv'}",
        f"train.budget_minutes={asked.minutes:g}",
        *asked.sets,
    ]
    where = ("--workspace", asked.workspace)
    until = ("--until", "register_model")
    voxray("run", asked.experiment, *where, *until, *settings(pairs))
    out = asked.workspace / "other_half"
    truth = ("--labels", judge_on / "nodules.csv", "--masks", judge_on / "masks")
    model, scans = f"models:/{name}@candidate", judge_on / "images"
    # in words of the data: ids are public here
    public = ("--readable-ids", *where)
    voxray("evaluate", model, scans, *truth, "--out", out, *public)
    own = rows_of(asked.workspace / name / "evaluate" / "evaluation.json")
    other = rows_of(out / "evaluation.json")
    account = json.loads((out / "evaluation.json").read_text())["account"]
    print("\n".join(account["sentences"]))
    print("\n".join(compared(own, other)))


def part(source: Path, target: Path, seed: int) -> tuple[Path, Path]:
    """Two folders of images, masks and table, each with half of the patients."""
    table = pd.read_csv(source / "nodules.csv")
    ill = table.groupby("patient_id")["Diagnosis_value"].max()
    generator = np.random.default_rng(seed)
    first: set[str] = set()
    for value in (0, 1):
        names = generator.permutation(np.array(sorted(ill[ill == value].index)))
        first |= set(names[: len(names) // 2])
    folders = target / "first", target / "second"
    for folder, is_first in zip(folders, (True, False), strict=True):
        rows = table[table["patient_id"].isin(first) == is_first]
        write_half(source, folder, rows)
    return folders


def write_half(source: Path, folder: Path, rows: pd.DataFrame) -> None:
    """Files of these rows, under the names they had."""
    named = zip(rows["patient_id"], rows["nodule_id"], strict=True)
    wanted = {_KEY.format(patient_id=who, nodule_id=n) for who, n in named}
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for path in sorted((source / kind).iterdir()):
            copy = folder / kind / path.name
            if path.name.partition(".")[0] in wanted and not copy.exists():
                link_or_copy(path, copy)
    rows.to_csv(folder / "nodules.csv", index=False)


def link_or_copy(source: Path, target: Path) -> None:
    """Another name of the file, or where file systems differ a copy of it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def rows_of(path: Path) -> dict[tuple[str, str], Row]:
    """Figures of the network on all exams, by metric and class."""
    metrics = json.loads(path.read_text())["metrics"]
    return {
        (m["metric"], m["class"]): m
        for m in metrics
        if m["model"] == "network" and m["subset"] == "all"
    }


def compared(
    own: Mapping[tuple[str, str], Row], other: Mapping[tuple[str, str], Row]
) -> Sequence[str]:
    """A line per figure that both have, with intervals."""
    lines = [f"{'figure':34} {'out of fold':24} {'other half':24} |difference| / SE"]
    for (metric, class_), row in own.items():
        there = other.get((metric, class_))
        if metric not in FIGURES or there is None:
            continue
        gap = in_standard_errors(row, there)
        shown = "not estimable" if gap is None else f"{gap:.2f}"
        name = f"{metric} {class_}".strip()
        lines.append(f"{name:34} {said(row):24} {said(there):24} {shown}")
    return lines


def said(row: Row) -> str:
    """Value and interval."""
    if row["value"] is None:
        return "not estimable"
    if row["low"] is None:
        return f"{row['value']:.3f}"
    return f"{row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"


def in_standard_errors(one: Row, other: Row) -> float | None:
    """|difference| of two independent estimates over its standard error."""
    errors = []
    for row in (one, other):
        if row["value"] is None or row["low"] is None:
            return None
        z = float(norm.ppf(0.5 + row["level"] / 2))
        errors.append((row["high"] - row["low"]) / (2 * z))
    error = math.hypot(*errors)
    return abs(one["value"] - other["value"]) / error if error > 0 else None


if __name__ == "__main__":
    main()
