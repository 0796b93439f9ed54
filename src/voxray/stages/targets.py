"""What a person said about an exam, as the class head is trained on it."""

import math
from collections.abc import Mapping, Sequence

from voxray.core.errors import DatasetError
from voxray.core.records import ScanRecord
from voxray.core.specs import ClassifySpec, FoldValues, Target


def class_name(record: ScanRecord, classify: ClassifySpec | None) -> str | None:
    """The class of a scan; None without classification or label, and of labels."""
    if classify is None or classify.column not in record.labels:
        return None
    return classify.class_of(record.labels[classify.column])


def labels_of(record: ScanRecord, classify: ClassifySpec | None) -> dict[str, int]:
    """0 or 1 for each of several labels that is stated; empty without several."""
    columns = classify.columns if classify else ()
    return {c: int(record.labels[c]) for c in columns if c in record.labels}


def class_target(
    record: ScanRecord, classify: ClassifySpec | None
) -> tuple[float, ...] | None:
    """1 for what the exam is, else 0, per class; NaN for a label nobody stated.

    None without classification, or when nothing is stated.
    """
    if classify is not None and classify.target is Target.LABELS:
        stated = labels_of(record, classify)
        return tuple(stated.get(c, math.nan) for c in classify.columns)
    name = class_name(record, classify)
    if classify is None or name is None:
        return None
    return tuple(float(name == other) for other in classify.classes)


def unlearnable(
    classes: Sequence[str], share: Mapping[str, float], target: Target
) -> list[str]:
    """Classes that a fold cannot learn, since its training exams do not differ in them.

    Args:
        classes: Of the task.
        share: Of the fold's training exams; a label that none states is absent.
        target: How the classes hang together.
    """
    constant = {0.0, 1.0} if target is Target.LABELS else {0.0}
    return [name for name in classes if share.get(name, 0.0) in constant]


def check_learnable(
    said: str, classes: Sequence[str], share: Mapping[str, float], target: Target
) -> str:
    """Say which classes a fold cannot learn, "" when it can learn all.

    A network that sees one class only would learn nothing. One that lacks a class of
    several, or a label, learns the others.

    Args:
        said: The fold, in words.
        classes: Of the task; none without classification.
        share: Of the fold's training exams.
        target: How the classes hang together.

    Raises:
        DatasetError: If nothing is left to learn.
    """
    if not classes:
        return ""
    lacking = unlearnable(classes, share, target)
    n_left = len(classes) - len(lacking)
    if n_left < (1 if target is Target.LABELS else 2):
        shares = ", ".join(f"{name} {share.get(name, 0.0):.0%}" for name in classes)
        msg = (
            f"{said}: its training exams do not differ in class ({shares}), so there "
            "is nothing to learn; use fewer folds, or bring patients of the other class"
        )
        raise DatasetError(msg)
    if not lacking:
        return ""
    what = "labels" if target is Target.LABELS else "classes"
    names = ", ".join(map(repr, lacking))
    return (
        f"{said}: its training exams do not differ in the {what} {names}, which this "
        "network cannot learn; its probabilities of them mean nothing"
    )


def check_drawn(
    said: str,
    numbers: Mapping[str, int],
    values: FoldValues,
    classes: Sequence[str],
) -> str:
    """Say which structures no training mask of a fold has, "" when all are there.

    Args:
        said: The fold, in words.
        numbers: Value in the masks per structure; empty without segmentation.
        values: Of the fold's training exams.
        classes: Of the task; with some there is something to learn without a mask.

    Raises:
        DatasetError: If no structure is drawn and nothing else is learned.
    """
    lacking = [name for name in numbers if not values.structure_share.get(name)]
    if not lacking:
        return ""
    names = ", ".join(f"{name!r} (mask value {numbers[name]})" for name in lacking)
    line = f"{said}: none of its {values.n_exams} training exams has a voxel of {names}"
    check = "check task.segment.classes, use fewer folds, or add scans that have it"
    if len(lacking) == len(numbers) and not classes:
        msg = f"{line}, so there is nothing to learn; {check}"
        raise DatasetError(msg)
    return f"note: {line}, which this network cannot learn; {check}"
