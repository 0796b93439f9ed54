"""Deal patients into parts, each to be judged by what was fitted on the others."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from voxray.core.records import OutOfFoldPrediction, PatientId
from voxray.core.specs import ClassifySpec

_Predictions = Sequence[OutOfFoldPrediction]

N_PARTS = 10
"""Parts of calibration patients, each judged by a rule fitted on the others."""


def in_parts(
    predictions: _Predictions, classify: ClassifySpec, seed: int
) -> tuple[OutOfFoldPrediction, ...]:
    """Deal the patients into parts of like classes; `fold` becomes the part.

    The draw hangs on the predictions and the seed, not on pseudonyms.

    Args:
        predictions: One per exam, all by the same predictor.
        classify: A patient counts as the rarest class or label that any exam has.
        seed: Of the experiment.
    """
    classes = _rarest_classes(predictions, classify)
    first: dict[PatientId, tuple[float, ...]] = {}
    for row in sorted(predictions, key=lambda row: row.exam_id):
        first.setdefault(row.patient_id, tuple(row.probabilities.values()))
    ordered = sorted(first, key=lambda p: (classes[p], first[p], p))
    generator = np.random.default_rng([seed, 5])
    shuffled = [ordered[n] for n in generator.permutation(len(ordered))]
    shuffled.sort(key=classes.__getitem__)
    n_parts = min(N_PARTS, len(shuffled))
    part = {patient: place % n_parts for place, patient in enumerate(shuffled)}
    return tuple(replace(row, fold=part[row.patient_id]) for row in predictions)


def _rarest_classes(
    predictions: _Predictions, classify: ClassifySpec
) -> dict[PatientId, str]:
    having: dict[str, set[PatientId]] = {name: set() for name in classify.label_names}
    for row in predictions:
        there = {row.label, *(name for name, value in row.labels.items() if value)}
        for name in there & having.keys():
            having[name or ""].add(row.patient_id)
    classes = dict.fromkeys((row.patient_id for row in predictions), "")
    for name in sorted(having, key=lambda name: -len(having[name])):
        classes.update(dict.fromkeys(having[name], name))
    return classes
