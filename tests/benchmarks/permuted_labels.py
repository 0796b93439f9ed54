"""Labels permuted between patients: the interval of the AUC must contain 0.5.

    python -m tests.benchmarks.permuted_labels --workspace DIR
        [--experiments lidc_nodules breastmnist] [--seeds 1 2 3] [--minutes 1]
        [--set KEY=VALUE]

Each seed has a workspace of its own in DIR; the same command again continues. Exit code
1 if an interval of the network, or of a baseline that was judged beside it, does not
contain 0.5: one in twenty does not by chance. Needs VOXRAY_SHARED_DATA.
"""

import argparse
import sys
from pathlib import Path

from tests.benchmarks.runs import metrics_of, settings, voxray


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
    """Print each AUC; how many of their intervals leave out 0.5."""
    count = 0
    for row in metrics_of(folder):
        if row["metric"] != "auc" or row["low"] is None:
            continue
        inside = row["low"] <= 0.5 <= row["high"]
        count += not inside
        print(
            f"{folder.name}, labels permuted by {seed}: "
            f"{row.get('model', 'network')} {row['class']} AUC {row['value']:.3f} "
            f"[{row['low']:.3f}, {row['high']:.3f}]{'' if inside else '  NOT 0.5'}",
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
