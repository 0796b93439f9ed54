"""Which clean-up of masks a fold takes, chosen on its own validation patients."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voxray.core.records import PatientId
from voxray.core.specs import CleanUp, Plan, StructureCleanUp
from voxray.model import Compute, load_network, predict_ensemble
from voxray.preprocess import counted_voxel_ml, find_pieces, kept_pieces
from voxray.train.batches import TrainingExam
from voxray.train.fold import NETWORK_FILE, FoldJob

_FEWEST = 5
"""Patients with the structure drawn or predicted, below which nothing is chosen."""
_MOST = 40
_WORTH = 0.002
"""Of mean Dice, which a rule must gain over leaving the mask alone."""
_RULES = (
    StructureCleanUp(),
    *(StructureCleanUp(min_ml=ml) for ml in (0.03, 0.1, 0.3, 1.0, 3.0)),
    StructureCleanUp(keep_largest=True),
)
"""The mildest first: of equal rules it is taken."""


@dataclass(frozen=True, slots=True, eq=False)
class Overlap:
    """Predicted pieces of one structure in one exam, and what is drawn.

    Attributes:
        patient_id: Whose exam it is.
        sizes: Voxels per predicted piece.
        shared: Of them, voxels that are drawn too.
        drawn: Voxels drawn.
    """

    patient_id: PatientId
    sizes: NDArray[np.int64]
    shared: NDArray[np.int64]
    drawn: int
    voxel_ml: float

    def dice(self, rule: StructureCleanUp) -> float:
        """Dice with the pieces a rule leaves; 1 if then nothing is there, as drawn."""
        if not self.sizes.size:
            return float(self.drawn == 0)
        kept = kept_pieces(self.sizes, self.voxel_ml, rule)
        total = int(self.sizes[kept].sum()) + self.drawn
        return 2 * int(self.shared[kept].sum()) / total if total else 1.0


def fit_clean_up(job: FoldJob, compute: Compute) -> CleanUp:
    """Ask the trained network about validation exams, and compare rules.

    Validation patients are training patients that no weight was fitted on; held-out
    ones are not looked at.

    Returns:
        Rules that gain; none without masks, or with too few patients.
    """
    if not job.plan.structures or not job.spec.clean_up:
        return CleanUp()
    network = load_network(job.folder / NETWORK_FILE, job.plan, compute)
    found: dict[str, list[Overlap]] = {name: [] for name in job.plan.structures}
    for exam in job.validation[:_MOST]:
        image = exam.cached.read_image()
        members = [(network, job.values)]
        said, _ = predict_ensemble(members, image, job.plan, compute)
        if said.masks is not None:
            for name, overlap in _overlaps(exam, said.masks, job.plan):
                found[name].append(overlap)
    chosen = {name: choose_rule(overlaps) for name, overlaps in found.items()}
    return CleanUp(
        structures={name: r for name, r in chosen.items() if not r.keeps_all}
    )


def _overlaps(
    exam: TrainingExam, shares: NDArray[np.floating], plan: Plan
) -> Iterator[tuple[str, Overlap]]:
    """What was predicted against what is drawn, on the prepared grid."""
    mask = exam.cached.read_mask()
    if mask is None:
        return
    labels = shares.argmax(axis=0).astype(np.uint8)
    for number, name in enumerate(plan.structures, start=1):
        ml = counted_voxel_ml(exam.cached.grid, plan)
        drawn, said = mask == number, labels == number
        yield name, overlap_of(exam.patient_id, said, drawn, ml)


def overlap_of(
    patient_id: PatientId, said: NDArray[np.bool_], drawn: NDArray[np.bool_], ml: float
) -> Overlap:
    """Pieces of a predicted mask, and how much of each is drawn."""
    n_drawn, pieces = int(drawn.sum()), find_pieces(said)
    if pieces is None:
        none = np.zeros(0, dtype=np.int64)
        return Overlap(patient_id, none, none, n_drawn, ml)
    hit = pieces.numbers[drawn[pieces.part]]
    shared = np.bincount(hit, minlength=len(pieces.sizes) + 1)[1:]
    return Overlap(patient_id, pieces.sizes, shared, n_drawn, ml)


def choose_rule(overlaps: Sequence[Overlap]) -> StructureCleanUp:
    """The rule of the highest Dice, if it gains enough over none.

    Dice is the mean over patients: several exams of one say little more than one does.
    """
    judged: dict[PatientId, list[Overlap]] = defaultdict(list)
    for overlap in overlaps:
        if overlap.drawn or overlap.sizes.size:
            judged[overlap.patient_id].append(overlap)
    none, *_ = _RULES
    if len(judged) < _FEWEST:
        return none
    means = {rule: _mean_dice(judged.values(), rule) for rule in _RULES}
    best = max(_RULES, key=lambda rule: means[rule])
    return best if means[best] >= means[none] + _WORTH else none


def _mean_dice(patients: Iterable[Sequence[Overlap]], rule: StructureCleanUp) -> float:
    return float(np.mean([np.mean([o.dice(rule) for o in own]) for own in patients]))
