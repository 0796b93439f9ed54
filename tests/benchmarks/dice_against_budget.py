"""Dice against the training budget, on one fold of the hippocampus experiment.

    python -m tests.benchmarks.dice_against_budget --minutes 2 5 10 15
        [--workspace DIR] [--figure docs/img/dice_against_budget.png]

Trains the first of five folds once for each budget and judges its held-out scans;
prints a table and draws a figure. A fold that was trained is not trained again, so that
a stopped run continues. Needs VOXRAY_SHARED_DATA and a quiet machine: a budget is wall
time.
"""

import argparse
import json
import tempfile
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
import matplotlib.pyplot as plt
from tests.benchmarks.one_fold import judge_first_fold, train_first_fold

from voxray.core.records import Metric

EXPERIMENT = "hippocampus"
PUBLISHED = {"anterior": 0.8975, "posterior": 0.8807}
"""nnU-Net 3d_fullres, five folds on all 260 scans, trained to convergence."""

Row = tuple[float, int, list[Metric]]


def measured(minutes: float, top: Path) -> Row:
    """Budget, steps, and the Dice of each structure."""
    workspace = top / f"{minutes:g}_minutes"
    sets = [f"train.budget_minutes={minutes:g}"]
    train_first_fold(EXPERIMENT, workspace, sets)
    metrics = judge_first_fold(EXPERIMENT, workspace, sets)
    fold = workspace / EXPERIMENT / "train" / "fold_0"
    steps = json.loads((fold / "schedule.json").read_text())["steps"]
    return minutes, steps, [m for m in metrics if m.metric == "dice"]


def line(row: Row) -> str:
    """One row of the table."""
    minutes, steps, found = row
    cells = [f"{m.value:.3f} [{m.low:.3f}, {m.high:.3f}]" for m in found]
    return f"| {minutes:g} | {steps} | " + " | ".join(cells) + " |"


def draw(rows: list[Row], file: Path) -> None:
    """One curve per structure, with its interval, and the published figure."""
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for number, name in enumerate(PUBLISHED):
        found = [(row[0], m) for row in rows for m in row[2] if m.class_ == name]
        values = np.array([m.value for _, m in found], float)
        ends = np.array([[m.low, m.high] for _, m in found], float).T
        minutes = [budget for budget, _ in found]
        color = f"C{number}"
        axes.errorbar(
            minutes,
            values,
            np.abs(ends - values),
            label=name,
            color=color,
            capsize=3,
            marker="o",
        )
        axes.axhline(PUBLISHED[name], color=color, ls=":", lw=1)
    axes.set(xlabel="budget of the fold, minutes", ylabel="Dice, 95 % interval")
    axes.set_title("hippocampus, one fold; dotted: nnU-Net's published figure")
    figure.legend(loc="outside lower center", ncols=2)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=150)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, nargs="+", default=[2, 5, 10, 15])
    parser.add_argument("--workspace", type=Path)
    parser.add_argument("--figure", type=Path)
    asked = parser.parse_args()
    place = asked.workspace or Path(tempfile.mkdtemp(prefix="dice_against_budget_"))
    print("| minutes | steps | " + " | ".join(PUBLISHED) + " |\n|---|---|---|---|")
    done: list[Row] = []
    for budget in asked.minutes:
        done.append(measured(budget, place))
        print(line(done[-1]), flush=True)
    draw(done, asked.figure or place / "dice_against_budget.png")
