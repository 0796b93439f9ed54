"""Figures of each part of a design: each repeat, each value that was left out."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from voxray.core.records import REPEAT, Metric, OutOfFoldPrediction
from voxray.core.specs import EvaluateSpec, TaskSpec
from voxray.evaluate.estimate import Settings
from voxray.evaluate.part_figures import part_figures

PartOf = Callable[[OutOfFoldPrediction], str]


def repeat_name(row: OutOfFoldPrediction) -> str:
    """The repeat as a part, e.g. "repeat 0"."""
    return f"{REPEAT}{row.repeat}"


def design_metrics(
    predictions: Sequence[OutOfFoldPrediction],
    part_of: PartOf,
    task: TaskSpec,
    spec: EvaluateSpec,
    seed: int,
) -> tuple[Metric, ...]:
    """Headline figures of each part, which is their `subset`.

    Two classes and labels: "auc", "sensitivity" and "specificity" at the operating
    point. More classes: "auc" of "macro". Structures: "dice".

    Args:
        predictions: Checked, one per exam and repeat.
        part_of: Names the part of a prediction.
        task: Classes and structures.
        spec: Operating point, level, resamples.
        seed: Of the experiment.
    """
    settings = Settings(spec, seed)
    figures = part_figures(predictions, task, settings)
    rows = sorted(predictions, key=lambda row: (row.repeat, row.fold, row.exam_id))
    found = []
    for name in dict.fromkeys(map(part_of, rows)):
        for figure in figures:
            inside = np.array([part_of(row) == name for row in figure.rows])
            estimate, counts = figure.of(inside)
            row = settings.metric(figure.metric, figure.class_, estimate, counts)
            found.append(replace(row, subset=name))
    return tuple(found)


def say_repeats(rows: Sequence[Metric], n_repeats: int) -> tuple[Metric, ...]:
    """Add to the method of each figure what repeats of the split do to it."""
    if n_repeats == 1:
        return tuple(rows)
    said = (
        f"{n_repeats} repeats of the split, in which a patient is one case: what is "
        "said of a patient in each is averaged, or drawn together"
    )
    return tuple(replace(row, method=f"{row.method}; {said}") for row in rows)
