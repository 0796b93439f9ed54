"""From exams to patients: one prediction and one truth for each patient."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from voxray.core.records import PER_PATIENT, ExamId, Metric, OutOfFoldPrediction
from voxray.core.specs import ClassifySpec, EvaluateSpec, Target

_Predictions = Sequence[OutOfFoldPrediction]


def wants_patients(predictions: _Predictions, classify: ClassifySpec) -> bool:
    """Whether figures by patient say more than, or are asked for beside, those by exam.

    They are asked for by `task.classify.level: patient`; they say more when a patient
    has several exams.
    """
    exams = {row.exam_id for row in predictions}
    patients = {row.patient_id for row in predictions}
    return classify.level == "patient" or len(exams) > len(patients)


def patient_rule(classify: ClassifySpec, spec: EvaluateSpec) -> str:
    """How exams of a patient become one: "maximum" or "mean".

    Classes without an order, of which none is "more", are always averaged.
    """
    if classify.target is Target.EXCLUSIVE and len(classify.classes) > 2:  # noqa: PLR2004
        return "mean"
    return spec.patient_score or ("mean" if classify.level == "patient" else "maximum")


def judged_by_patient(classify: ClassifySpec | None, spec: EvaluateSpec) -> str:
    """The rule where `task.classify.level` is patient; "" where exams are judged."""
    if classify is None or classify.level != "patient":
        return ""
    return patient_rule(classify, spec)


def patient_predictions(
    predictions: _Predictions, classify: ClassifySpec, rule: str
) -> list[OutOfFoldPrediction]:
    """One row per patient and repeat, whose exam is the patient.

    Truth: positive (or a label there) when any exam is; of ordered classes the highest;
    of other classes the one that all exams share.

    Args:
        predictions: One per exam and repeat; they have passed the checks.
        classify: Classes and what a label is about.
        rule: "mean" averages the probabilities of a patient's exams. "maximum" takes
            the exam with the highest positive probability, of ordered classes the one
            with the highest expected class, and the highest of each label.

    Returns:
        Patients whose exams are of different classes without an order are left out.
    """
    grouped: dict[tuple[int, str], list[OutOfFoldPrediction]] = defaultdict(list)
    for row in sorted(predictions, key=lambda row: (row.repeat, row.exam_id)):
        grouped[row.repeat, row.patient_id].append(row)
    one_of = _labels if classify.target is Target.LABELS else _class
    found = (one_of(rows, classify, rule) for rows in grouped.values())
    return [row for row in found if row is not None]


def named_by_patient(rows: Iterable[Metric], said: str) -> list[Metric]:
    """The same figures, called by patient; their method begins with what was done."""
    return [
        replace(row, metric=row.metric + PER_PATIENT, method=f"{said}; {row.method}")
        for row in rows
    ]


def in_words(predictions: _Predictions, classify: ClassifySpec, rule: str) -> str:
    """What was done to the exams, with numbers; begins the method of each figure."""
    seen: dict[str, set[object]] = defaultdict(set)
    for row in predictions:
        seen[row.patient_id].add(row.label or tuple(sorted(row.labels.items())))
    mixed = f"{sum(len(of_one) > 1 for of_one in seen.values())} of {len(seen)}"
    how = {"mean": "mean", "maximum": "highest"}[rule]
    said = f"by patient, {how} probability of the exams"
    if classify.target is Target.LABELS:
        return f"{said}, a label being there when it is in any exam"
    if classify.target is Target.ORDINAL:
        return f"{said}, true is the highest class of the exams ({mixed} have several)"
    if len(classify.classes) > 2:  # noqa: PLR2004
        return f"{said}, without the {mixed} patients of several classes"
    return f"{said}, positive when any exam is ({mixed} patients have both)"


def _class(
    rows: _Predictions, classify: ClassifySpec, rule: str
) -> OutOfFoldPrediction | None:
    places = _places(classify)
    labels = sorted({str(row.label) for row in rows}, key=places.__getitem__)
    unordered = classify.target is Target.EXCLUSIVE and len(places) > 2  # noqa: PLR2004
    if unordered and len(labels) > 1:
        return None
    if rule == "mean":
        shares = _means(rows, classify.label_names)
    else:
        shares = dict(max(rows, key=lambda row: _expected(row, places)).probabilities)
    return _one(rows[0], label=labels[-1], probabilities=shares)


def _labels(
    rows: _Predictions, classify: ClassifySpec, rule: str
) -> OutOfFoldPrediction:
    labels, shares = {}, {}
    for name in classify.columns:
        own = [row for row in rows if name in row.labels]
        if own:
            labels[name] = max(row.labels[name] for row in own)
        combine = np.mean if rule == "mean" else np.max
        shares[name] = float(combine([r.probabilities[name] for r in own or rows]))
    return _one(rows[0], labels=labels, probabilities=shares)


def _one(
    row: OutOfFoldPrediction,
    probabilities: Mapping[str, float],
    label: str | None = None,
    labels: Mapping[str, int] | None = None,
) -> OutOfFoldPrediction:
    return replace(
        row,
        exam_id=ExamId(row.patient_id),
        label=label,
        labels=labels or {},
        probabilities=probabilities,
        dice={},
        volume_ml={},
        true_volume_ml={},
    )


def _places(classify: ClassifySpec) -> dict[str, int]:
    """Number of each class; of two the positive one is the higher."""
    names = list(classify.classes)
    if len(names) == 2:  # noqa: PLR2004
        names.sort(key=lambda name: name == classify.positive_class)
    return {name: number for number, name in enumerate(names)}


def _expected(row: OutOfFoldPrediction, places: Mapping[str, int]) -> float:
    return sum(place * row.probabilities[name] for name, place in places.items())


def _means(rows: _Predictions, names: Sequence[str]) -> dict[str, float]:
    return {n: float(np.mean([row.probabilities[n] for row in rows])) for n in names}
