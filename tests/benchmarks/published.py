"""What experiments came to, beside published figures: a table from workspaces.

    python -m tests.benchmarks.published WORKSPACE [WORKSPACE …]

Reads evaluation.json, oof_predictions.parquet and the histories of the folds of each
experiment that was evaluated; computes nothing but the accuracy: the share of exams
whose likeliest class is the label (Wilson's interval; n is the number of patients).
"""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any

import pandas as pd
from tests.benchmarks.runs import metrics_of

SHOWN = re.compile(r"^(auc|accuracy|dice|.*kappa.*)(_difference)?$")
PUBLISHED = {
    "hippocampus": "nnU-Net, CV on all 260: Dice .8975 anterior, .8807 posterior; "
    "MONAI DynUNet .8983, .8816",
    "lidc_nodules": "diameter alone AUC .92; multi-crop CNN without rating 3 AUC .93",
    "breastmnist": "test AUC/ACC: ResNet-18 .901/.863; AutoML .919/.861; "
    "best of MedMNIST+ .891/.865",
    "pneumoniamnist": "test AUC/ACC: ResNet-18 .944/.854; best of MedMNIST+ .973/.866; "
    "Google AutoML .991/.946",
    "adrenalmnist3d": "test AUC/ACC: ResNet-18 3D .827/.721; ACS .839/.754; best .874",
}
"""Cross-validated figures here and test figures there are of different patients."""


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    what: str
    model: str
    value: float
    low: float | None
    high: float | None
    n_patients: int

    def __str__(self) -> str:
        """As Markdown."""
        no = "not estimable"
        ends = no if self.low is None else f"[{self.low:.3f}, {self.high:.3f}]"
        cells = [self.what, self.model, f"{self.value:.3f}", ends, str(self.n_patients)]
        return "| " + " | ".join(cells) + " |"


def rows(folder: Path) -> Iterator[Row]:
    """The network first, then baselines and differences."""
    found = [m for m in metrics_of(folder) if SHOWN.match(m["metric"])]
    for m in found:
        if m["value"] is not None and m.get("subset", "all") == "all":
            what = f"{m['metric']} {m['class'] or ''}".strip()
            ends = (m["low"], m["high"])
            yield Row(
                what, m.get("model", "network"), m["value"], *ends, m["n_patients"]
            )
    if not any(m["metric"] == "accuracy" for m in found):
        yield from accuracy(folder)


def accuracy(folder: Path) -> Iterator[Row]:
    """Nothing where no class is predicted."""
    table = pd.read_parquet(folder / "evaluate" / "oof_predictions.parquet")
    classes = [name for name in table.columns.astype(str) if name.startswith("p_")]
    if classes:
        right = table[classes].idxmax(axis=1).str[2:] == table["label"]
        share, n = float(right.mean()), table["patient_id"].nunique()
        yield Row("accuracy", "network", share, *wilson(share, n), n)


def wilson(share: float, n: int) -> tuple[float, float]:
    """95 % interval of a proportion (Wilson 1927)."""
    z = 1.959964
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return middle - half, middle + half


def minutes(folder: Path) -> list[float]:
    """Training time per fold, from the histories."""
    times = []
    for path in sorted(folder.glob("train/*/history.json")):
        said: dict[str, Any] = json.loads(path.read_text())
        epochs_s = sum(epoch["seconds"] for epoch in said["epochs"])
        times.append(said.get("time", {}).get("seconds", epochs_s) / 60)
    return times


def show(folder: Path) -> None:
    """Print one experiment."""
    times = minutes(folder)
    shown = ", ".join(f"{m:.1f}" for m in times)
    print(f"\n### {folder.name} ({folder.parent.name}): minutes per fold {shown}\n")
    print("| figure | of | value | 95 % interval | patients |\n|---|---|---|---|---|")
    for row in rows(folder):
        print(row)
    if published := PUBLISHED.get(folder.name):
        print(f"\nPublished: {published}.")


if __name__ == "__main__":
    for workspace in sys.argv[1:]:
        for evaluated in sorted(Path(workspace).glob("*/evaluate/evaluation.json")):
            show(evaluated.parents[1])
