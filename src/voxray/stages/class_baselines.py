"""Logistic regression in place of the network: on size, grey values, table columns."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from voxray.evaluate import Rival
from voxray.model import Compute
from voxray.stages.baseline_columns import column_values
from voxray.stages.blanked import blanked_rival
from voxray.stages.rivals import Rivals, Shares
from voxray.stages.study import FoldName
from voxray.train.baselines import (
    column_table,
    predict_targets,
    scan_tables,
    standardised_logits,
)

COLUMNS = "baseline:columns"
WITH_NETWORK = "columns+network"
_HOW = {
    "extent": "logistic regression on the scan's extent in mm",
    "size": "logistic regression on the scan's extent, voxels and volume",
    "intensity": "logistic regression on the scan's grey values, without place",
    "size+intensity": "logistic regression on size and grey values",
}


def class_rivals(rivals: Rivals, folder: Path, compute: Compute) -> Iterator[Rival]:
    """Every baseline of a class, the cheap ones first."""
    study = rivals.study
    scans = {exam: study.statistics[exam] for exam in sorted(study.cached)}
    for name, table in scan_tables(scans, study.plan.channels).items():
        yield _logistic(rivals, f"baseline:{name}", table, _HOW[name])
    yield from _column_rivals(rivals)
    blanked = blanked_rival(rivals, folder, compute)
    if blanked is not None:
        yield blanked


def _column_rivals(rivals: Rivals) -> Iterator[Rival]:
    """Each column alone, all of them, and all of them with the network's score."""
    names = rivals.context.experiment.evaluate.baseline_columns
    if not names:
        return
    records = {exam: rivals.study.record(exam) for exam in sorted(rivals.study.cached)}
    tables = {n: column_table(n, column_values(records, n)) for n in names}
    for name, table in tables.items():
        how = f"logistic regression on the column {name}"
        yield _logistic(rivals, _column_name(name), table, how)
    together = pd.concat(list(tables.values()), axis="columns")
    reference = _column_name(names[0])
    if len(names) > 1:
        reference = COLUMNS
        how = f"logistic regression on the columns {', '.join(names)}"
        yield _logistic(rivals, COLUMNS, together, how)
    how = f"logistic regression on {', '.join(names)} and the network's score"
    rows = rivals.of_classes(lambda fold: _with_network(rivals, together, fold))
    yield Rival(WITH_NETWORK, rows, how, less=reference)


def _column_name(column: str) -> str:
    """A column that is called like another baseline says that it is a column."""
    taken = column in {*_HOW, "columns", "blanked", "threshold", "mean_mask"}
    return f"baseline:column {column}" if taken else f"baseline:{column}"


def _logistic(rivals: Rivals, name: str, table: pd.DataFrame, how: str) -> Rival:
    rows = rivals.of_classes(lambda fold: _fold_shares(rivals, table, fold))
    return Rival(name, rows, how)


def _fold_shares(rivals: Rivals, table: pd.DataFrame, fold: FoldName) -> Shares:
    training = [exam for exam in rivals.training(fold) if exam in table.index]
    asked = list(rivals.held_out(fold))
    shares = predict_targets(
        table.loc[training],
        rivals.targets_of(training),
        table.loc[asked],
        rivals.study.plan.target,
    )
    return dict(zip(asked, shares, strict=True))


def _with_network(rivals: Rivals, table: pd.DataFrame, fold: FoldName) -> Shares:
    """The network's score as one more feature.

    A training exam's score is that of the fold that held it out, so that no network is
    asked about an exam it learned (docs/decisions/0023).
    """
    scores = _scores(rivals, fold.repeat)
    return _fold_shares(rivals, table.join(scores, how="inner"), fold)


def _scores(rivals: Rivals, repeat: int) -> pd.DataFrame:
    """Standardised log odds out of fold, one row per exam."""
    classes = rivals.study.plan.classes
    parts = []
    for name, rows in rivals.by_fold().items():
        if name.repeat == repeat:
            shares = np.array([[r.probabilities[c] for c in classes] for r in rows])
            logits = standardised_logits(shares, rivals.study.plan.target)
            index = [row.exam_id for row in rows]
            parts.append(pd.DataFrame(logits, index=index).add_prefix("network_"))
    return pd.concat(parts)
