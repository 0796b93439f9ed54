"""Labels permuted between patients: intervals must contain what chance gives.

    python -m tests.benchmarks.permuted_labels --workspace DIR
        [--experiments lidc_nodules breastmnist] [--seeds 1 2 3] [--minutes 1]
        [--set KEY=VALUE]

Each seed has a workspace of its own in DIR; the same command again continues. Every
figure of `CHANCE`, of the network and of the baselines beside it, is printed. Exit code
1 if an interval does not contain its value. Of cross-validated AUCs without any signal
one in seven does not: see `coverage_trained`. A leak shows as figures that lie above
chance with seed after seed. Needs VOXRAY_SHARED_DATA.
"""

import argparse
import sys
from pathlib import Path

from tests.benchmarks.runs import metrics_of, settings, voxray

from voxray.core.records import ALL, PER_PATIENT

CHANCE = {
    "auc": 0.5,
    "auc_pooled": 0.5,
    "balanced_accuracy": 0.5,
    "balanced_accuracy_at_operating_point": 0.5,
    "likelihood_ratio_positive": 1.0,
    "likelihood_ratio_negative": 1.0,
    "mcc": 0.0,
    "calibration_slope": 0.0,
}
"""Of two classes; others depend on how frequent a class is."""


def runs(options: argparse.Namespace, name: str, seed: int) -> Path:
    """Cross-validate with permuted labels; the experiment's folder."""
    workspace = options.workspace / f"permuted_{seed}"
    sets = [f"data.permute_labels={seed}", f"train.budget_minutes={options.minutes:g}"]
    line = ["run", name, "--workspace", workspace, "--until", "evaluate"]
    log = workspace / f"{name}.log"
    voxray(*line, *settings([*sets, *options.set]), log=log)
    folder: Path = workspace / name
    return folder


def off_chance(folder: Path, seed: int) -> int:
    """Print what has a value that chance gives; how many intervals leave it out."""
    count = 0
    for row in metrics_of(folder):
        chance = CHANCE.get(row["metric"].removesuffix(PER_PATIENT))
        if chance is None or row["low"] is None or row["subset"] != ALL:
            continue
        inside = row["low"] <= chance <= row["high"]
        count += not inside
        print(
            f"{folder.name}, labels permuted by {seed}: "
            f"{row.get('model', 'network')} {row['class']} {row['metric']} "
            f"{row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
            f"{'' if inside else f'  NOT {chance:g}'}",
            flush=True,
        )
    return count


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--workspace", type=Path, required=True)
    add("--experiments", nargs="+", default=["lidc_nodules", "breastmnist"])
    add("--seeds", nargs="+", type=int, default=[1, 2, 3])
    add("--minutes", type=float, default=1.0)
    add("--set", action="append", default=[], metavar="KEY=VALUE")
    asked = parser.parse_args()
    bad = sum(
        off_chance(runs(asked, name, seed), seed)
        for name in asked.experiments
        for seed in asked.seeds
    )
    sys.exit(1 if bad else 0)
