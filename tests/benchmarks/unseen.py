"""Judge a registered model on labelled scans it never saw, as an outsider would.

    python -m tests.benchmarks.unseen SCANS --model REF --out DIR
        [--masks DIR] [--labels CSV --column label --where split=test]

`voxray score` makes scores.csv and masks; everything after it is nibabel, pandas and
scikit-learn. Masks have the file names of the scans. The label table has a column
"scan" (file name without suffix) and one whose values are the model's class names, or
the values in --classes NAME=VALUE …. Intervals: 2,000 bootstrap draws of scans, 95 %;
where patients have several scans, name their column with --patient. Scans that are not
scored are counted, not judged.

The official test parts of MedMNIST: `voxray data fetch breastmnist --source FILE.npz
--to DIR` gives DIR/breastmnist/images and labels.csv with a column "split".
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import nibabel as nib
import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score
from tests.benchmarks.runs import voxray

_RESAMPLES = 2000

Statistic = Callable[[pd.DataFrame], float]


def with_interval(rows: pd.DataFrame, statistic: Statistic) -> str:
    """The statistic, and its 95 % interval over draws of patients."""
    rng = np.random.default_rng(0)
    groups = [group for _, group in rows.groupby("patient")]
    values = []
    for _ in range(_RESAMPLES):
        drawn = rng.integers(0, len(groups), len(groups))
        values.append(statistic(pd.concat([groups[n] for n in drawn])))
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return f"{statistic(rows):.3f} [{low:.3f}, {high:.3f}]"


def auc_of(positive: str) -> Statistic:
    """ROC AUC of one class against the rest; NaN where only one side is there."""

    def auc(rows: pd.DataFrame) -> float:
        is_positive = rows["label"] == positive
        if is_positive.nunique() == 1:
            return float("nan")
        return float(roc_auc_score(is_positive, rows[f"p_{positive}"]))

    return auc


def accuracy(rows: pd.DataFrame) -> float:
    """Share of scans whose likeliest class is the label."""
    classes = [name for name in rows.columns.astype(str) if name.startswith("p_")]
    return float((rows[classes].idxmax(axis=1).str[2:] == rows["label"]).mean())


def judge_classes(scores: pd.DataFrame, options: argparse.Namespace) -> None:
    """Print accuracy, and AUC per class."""
    table = pd.read_csv(options.labels, dtype=str)
    for condition in options.where:
        column, value = condition.split("=")
        table = table[table[column] == value]
    named = dict(pair.split("=")[::-1] for pair in options.classes)
    table["label"] = table[options.column].replace(named)
    table["patient"] = table[options.patient or "scan"]
    rows = scores.merge(table[["scan", "label", "patient"]], on="scan")
    if rows.empty:
        sys.exit(f"no scan of {options.labels} was scored: look at its column 'scan'")
    print(f"{len(rows)} of {len(table)} labelled scans were scored")
    print(f"  accuracy {with_interval(rows, accuracy)}")
    classes = [c[2:] for c in rows.columns.astype(str) if c.startswith("p_")]
    for name in classes[1:] if len(classes) == 2 else classes:
        print(f"  AUC {name} {with_interval(rows, auc_of(name))}")


def judge_masks(scores: pd.DataFrame, options: argparse.Namespace) -> None:
    """Print the mean Dice per mask value."""
    rows = []
    for scan in scores["scan"]:
        truth = next(options.masks.rglob(f"{scan}.nii*"), None)
        if truth is None:
            continue
        found = labels_of(options.out / "masks" / f"{scan}.nii.gz")
        scores_of_scan: dict[Any, Any] = {**dice(found, labels_of(truth))}
        rows.append({"patient": scan, **scores_of_scan})
    table = pd.DataFrame(rows)
    print(f"{len(table)} of {len(scores)} scored scans have a mask")
    for value in sorted(v for v in table.columns if v != "patient"):
        judged = table[["patient", value]].dropna()
        said = with_interval(judged, mean_of(value))
        print(f"  Dice of value {value} {said}, {len(judged)} scans")


def mean_of(column: Any) -> Statistic:
    """The mean of a column."""
    return lambda rows: float(rows[column].mean())


def labels_of(file: Path) -> np.ndarray:
    """The voxels of a mask."""
    return np.asanyarray(cast("nib.Nifti1Image", nib.load(file)).dataobj)


def dice(found: np.ndarray, drawn: np.ndarray) -> dict[int, float]:
    """Per mask value; one that is empty in both masks is left out."""
    values = {int(v) for v in np.union1d(np.unique(found), np.unique(drawn))} - {0}
    scores = {}
    for value in values:
        a, b = found == value, drawn == value
        scores[value] = float(2 * (a & b).sum() / (a.sum() + b.sum()))
    return scores


def scored(options: argparse.Namespace) -> pd.DataFrame:
    """Rows of scores.csv that have a score, and how many have none."""
    voxray(
        "score",
        options.scans,
        "--model",
        options.model,
        "--out",
        options.out,
        "--readable-ids",
        "--workspace",
        options.workspace,
    )
    table = pd.read_csv(options.out / "scores.csv")
    print(json.dumps(table["status"].value_counts().to_dict()))
    table = table[table["status"] == "scored"].copy()
    table["scan"] = table["scan_id"].astype(str)
    return table


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("scans", type=Path)
    add("--model", required=True, help="models:/NAME@candidate or a model folder")
    add("--out", type=Path, required=True)
    add("--workspace", type=Path, default=Path("workspace"))
    add("--masks", type=Path)
    add("--labels", type=Path)
    add("--column", default="label")
    add("--classes", nargs="*", default=[], metavar="NAME=VALUE")
    add("--where", action="append", default=[], metavar="COLUMN=VALUE")
    add("--patient", help="column of the label table")
    return parser.parse_args()


if __name__ == "__main__":
    asked = parsed()
    found = scored(asked)
    if asked.labels is not None:
        judge_classes(found, asked)
    if asked.masks is not None:
        judge_masks(found, asked)
