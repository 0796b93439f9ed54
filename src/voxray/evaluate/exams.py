"""Out-of-fold predictions as arrays, one class against the rest."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from voxray.core.records import OutOfFoldPrediction
from voxray.core.specs import ClassifySpec, Target
from voxray.evaluate.estimate import Counts


def predictions_of(
    predictions: Sequence[OutOfFoldPrediction], label: str
) -> list[OutOfFoldPrediction]:
    """One of several labels as a class of its own.

    Returns:
        The predictions of the exams that state it; `label` is its name where it is
        there, else None.
    """
    return [
        replace(row, label=label if row.labels[label] else None)
        for row in predictions
        if label in row.labels
    ]


def scored_per_class(
    predictions: Sequence[OutOfFoldPrediction], classify: ClassifySpec
) -> dict[str, "ScoredExams"]:
    """What a person asks about, each against the rest.

    Returns:
        Of two classes the positive one; of more each; of labels each, on the exams that
        state it.
    """
    several = classify.target is Target.LABELS
    return {
        name: ScoredExams.of_class(
            predictions_of(predictions, name) if several else predictions, name
        )
        for name in classify.judged_names
    }


@dataclass(frozen=True, slots=True, eq=False)
class ScoredExams:
    """Aligned arrays, one entry per prediction.

    Attributes:
        fold: int, numbers (repeat, fold) pairs: predictions of one network.
        repeat: int.
        exam: int, numbers exams; an exam occurs once per repeat.
        patient: int, numbers patients from 0.
        positive: bool, whether the label is the class.
        score: float64, probability of the class.
        fold_names: (repeat, fold) of each number in `fold`.
    """

    fold: NDArray[np.intp]
    repeat: NDArray[np.intp]
    exam: NDArray[np.intp]
    patient: NDArray[np.intp]
    positive: NDArray[np.bool_]
    score: NDArray[np.float64]
    fold_names: tuple[tuple[int, int], ...]

    @classmethod
    def of_class(cls, predictions: Sequence[OutOfFoldPrediction], class_: str) -> Self:
        """One class against the rest; predictions must have passed the checks."""
        rows = sorted(predictions, key=lambda p: (p.repeat, p.fold, p.exam_id))
        names = sorted({(row.repeat, row.fold) for row in rows})
        return cls(
            fold=np.array(
                [names.index((r.repeat, r.fold)) for r in rows], dtype=np.intp
            ),
            repeat=np.array([row.repeat for row in rows], dtype=np.intp),
            exam=_numbered([row.exam_id for row in rows]),
            patient=_numbered([row.patient_id for row in rows]),
            positive=np.array([row.label == class_ for row in rows], dtype=np.bool_),
            score=np.array(
                [row.probabilities[class_] for row in rows], dtype=np.float64
            ),
            fold_names=tuple(names),
        )

    @property
    def n_patients(self) -> int:
        """Patients with at least one prediction."""
        return int(self.patient.max()) + 1 if len(self.patient) else 0

    @property
    def n_positive(self) -> int:
        """Patients with at least one positive exam."""
        return len(np.unique(self.patient[self.positive]))

    @property
    def n_negative(self) -> int:
        """Patients with at least one negative exam."""
        return len(np.unique(self.patient[~self.positive]))

    @property
    def counts(self) -> Counts:
        """Exams, patients, positive patients."""
        return Counts(len(np.unique(self.exam)), self.n_patients, self.n_positive)

    def counts_of(self, used: NDArray[np.bool_]) -> Counts:
        """Exams and patients of some predictions; positive patients are of all."""
        n_exams = len(np.unique(self.exam[used]))
        return Counts(n_exams, len(np.unique(self.patient[used])), self.n_positive)

    @property
    def exam_weight(self) -> NDArray[np.float64]:
        """Per prediction 1 over the number of its exam's repeats."""
        return 1 / np.bincount(self.exam)[self.exam]

    def usable_folds(self) -> list[NDArray[np.intp]]:
        """Indices of the predictions of each fold that holds out both classes."""
        parts = (np.flatnonzero(self.fold == f) for f in range(len(self.fold_names)))
        return [part for part in parts if 0 < self.positive[part].sum() < len(part)]

    def in_usable_folds(self) -> Self:
        """Those folds alone; patients and exams keep their numbers."""
        kept = np.sort(np.concatenate([*self.usable_folds(), np.zeros(0, np.intp)]))
        arrays = ("fold", "repeat", "exam", "patient", "positive", "score")
        return replace(self, **{name: getattr(self, name)[kept] for name in arrays})

    def pooled(self) -> Self:
        """The same predictions with all folds of a repeat as if one network's."""
        repeats, fold = np.unique(self.repeat, return_inverse=True)
        return type(self)(
            fold=fold.astype(np.intp),
            repeat=self.repeat,
            exam=self.exam,
            patient=self.patient,
            positive=self.positive,
            score=self.score,
            fold_names=tuple((int(repeat), 0) for repeat in repeats),
        )


def _numbered(names: Sequence[str]) -> NDArray[np.intp]:
    _, numbers = np.unique(np.array(names, dtype=object), return_inverse=True)
    return np.asarray(numbers, dtype=np.intp)
