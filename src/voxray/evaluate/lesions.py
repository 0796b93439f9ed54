"""Lesions of a mask, one by one: which drawn one each predicted one finds.

A lesion is a connected piece of a structure; voxels that share a face, an edge or a
corner are connected.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from voxray.core.geometry import VoxelGrid
from voxray.core.records import ExamId, OutOfFoldPrediction, PatientId
from voxray.evaluate.dice import check_same_shape

Kind = Literal["drawn", "predicted"]
Slabs = Iterator[tuple[slice, NDArray[np.floating[Any]]]]
"""Planes of the first axis, and the probability of the structure on them."""


@dataclass(frozen=True, slots=True)
class Lesion:
    """One drawn or predicted lesion: a row of `lesions.parquet`.

    Attributes:
        number: From 1, per exam, structure and kind.
        voxel_ijk: Nearest voxel to its centre, in the scan's own order.
        score: Highest probability inside a predicted lesion; None for a drawn one, and
            where only the mask is known.
        match: Number of the lesion of the other kind it is paired with.
        iou: With that one.
    """

    repeat: int
    fold: int
    exam_id: ExamId
    patient_id: PatientId
    structure: str
    kind: Kind
    number: int
    volume_ml: float
    voxel_ijk: tuple[int, int, int]
    score: float | None = None
    match: int | None = None
    iou: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class LesionMap:
    """The lesions of one mask.

    Attributes:
        box: Where in the mask they lie.
        numbers: Lesion of each voxel of that box, from 1; 0 is none.
        sizes: Voxels of each.
        centres: (n, 3), voxel nearest to the mean of its voxels.
    """

    box: tuple[slice, ...]
    numbers: NDArray[np.int32]
    sizes: NDArray[np.int64]
    centres: NDArray[np.intp]

    @classmethod
    def of(cls, inside: NDArray[np.bool_]) -> Self:
        """Number the lesions of a mask (i, j, k); an empty mask has none."""
        boxes = ndimage.find_objects(inside.view(np.uint8))
        box = boxes[0] if boxes else (slice(0, 0),) * inside.ndim
        connected = np.ones((3,) * inside.ndim)
        numbers, n = ndimage.label(inside[box], connected, output=np.int32)
        sizes = np.bincount(numbers.ravel(), minlength=n + 1)[1:]
        which = np.arange(1, n + 1)
        centres = ndimage.center_of_mass(numbers > 0, numbers, which) if n else []
        first = np.array([side.start for side in box])
        places = np.reshape(np.asarray(centres, dtype=np.float64), (n, inside.ndim))
        nearest = np.floor(places + 0.5).astype(np.intp) + first
        return cls(box, numbers, sizes, nearest)

    def highest(self, slabs: Slabs) -> NDArray[np.float64]:
        """Highest probability inside each lesion."""
        found = np.zeros(len(self.sizes))
        for planes, shares in slabs:
            rows = slice(
                max(planes.start, self.box[0].start), min(planes.stop, self.box[0].stop)
            )
            if rows.start >= rows.stop or not len(found):
                continue
            inner = shares[(_less(rows, planes.start), *self.box[1:])]
            numbers = self.numbers[_less(rows, self.box[0].start)]
            some = numbers > 0
            np.maximum.at(found, numbers[some] - 1, inner[some])
        return found


def _less(span: slice, start: int) -> slice:
    return slice(span.start - start, span.stop - start)


@dataclass(frozen=True, slots=True)
class Pair:
    """A predicted and a drawn lesion, by number, that were matched."""

    predicted: int
    drawn: int
    iou: float


def match_lesions(
    predicted: LesionMap, drawn: LesionMap, scores: NDArray[np.float64], iou: float
) -> list[Pair]:
    """Pair lesions one to one, those of the highest score first.

    Each predicted lesion takes, of the drawn ones that are still free and overlap it
    with at least `iou`, the one with the highest IoU. Since a lesion of lower score
    never takes one from a higher, the pairs among the lesions above any threshold are
    those of the lesions above it alone. Of equal scores the larger lesion is first.
    """
    overlaps = _overlaps(predicted, drawn)
    taken: set[int] = set()
    pairs = []
    for p in np.lexsort((-predicted.sizes, -scores)):
        free = [
            Pair(int(p) + 1, d + 1, value)
            for d, value in overlaps.get(int(p), {}).items()
            if d not in taken and value >= iou
        ]
        if free:
            pairs.append(max(free, key=lambda pair: (pair.iou, -pair.drawn)))
            taken.add(pairs[-1].drawn - 1)
    return pairs


def _overlaps(predicted: LesionMap, drawn: LesionMap) -> dict[int, dict[int, float]]:
    """IoU of every predicted lesion with each drawn one it touches, both from 0."""
    shared = [
        slice(max(one.start, other.start), min(one.stop, other.stop))
        for one, other in zip(predicted.box, drawn.box, strict=True)
    ]
    if any(side.start >= side.stop for side in shared):
        return {}
    numbers = [_cut(predicted, shared), _cut(drawn, shared)]
    both = (numbers[0] > 0) & (numbers[1] > 0)
    pairs, counts = np.unique(
        np.stack([n[both] - 1 for n in numbers]), axis=1, return_counts=True
    )
    found: dict[int, dict[int, float]] = {}
    for (p, d), count in zip(pairs.T.tolist(), counts.tolist(), strict=True):
        union = int(predicted.sizes[p]) + int(drawn.sizes[d]) - count
        found.setdefault(p, {})[d] = count / union
    return found


@dataclass(frozen=True, slots=True, eq=False)
class LesionSource:
    """Where lesions are: in which exam, of which structure, on which grid."""

    prediction: OutOfFoldPrediction
    structure: str
    grid: VoxelGrid

    def rows(self, found: LesionMap, kind: Kind) -> list[Lesion]:
        """Lesions that are not paired yet."""
        own = self.prediction
        ml = abs(float(np.linalg.det(self.grid.affine[:3, :3]))) / 1000
        return [
            Lesion(
                repeat=own.repeat,
                fold=own.fold,
                exam_id=own.exam_id,
                patient_id=own.patient_id,
                structure=self.structure,
                kind=kind,
                number=n,
                volume_ml=size * ml,
                voxel_ijk=(i, j, k),
            )
            for n, (size, (i, j, k)) in enumerate(
                zip(found.sizes.tolist(), found.centres.tolist(), strict=True), start=1
            )
        ]


def _cut(found: LesionMap, part: list[slice]) -> NDArray[np.int32]:
    """Numbers in a part of the mask that lies inside the box."""
    pairs = zip(part, found.box, strict=True)
    return found.numbers[tuple(_less(side, own.start) for side, own in pairs)]


def find_lesions(
    pred: NDArray[np.bool_],
    truth: NDArray[np.bool_],
    shares: Slabs | None,
    source: LesionSource,
    iou: float,
) -> list[Lesion]:
    """Every predicted and every drawn lesion of one structure of one exam.

    Args:
        pred: Predicted mask (i, j, k) on the grid of `source`.
        truth: Drawn mask on the same grid.
        shares: Probability of the structure, on the same grid; None where only the mask
            is known: then the largest predicted lesion is matched first.
        source: Of which exam and structure.
        iou: Smallest overlap of a pair, intersection over union.

    Raises:
        ValueError: If the masks differ in shape.
    """
    check_same_shape(pred, truth)
    predicted, drawn = LesionMap.of(pred), LesionMap.of(truth)
    scores = predicted.highest(iter(()) if shares is None else shares)
    pairs = match_lesions(predicted, drawn, scores, iou)
    of_predicted = {pair.predicted: (pair.drawn, pair.iou) for pair in pairs}
    of_drawn = {pair.drawn: (pair.predicted, pair.iou) for pair in pairs}
    known = [None] * len(scores) if shares is None else scores.tolist()
    rows = [
        _paired(replace(row, score=score), of_predicted.get(row.number))
        for row, score in zip(source.rows(predicted, "predicted"), known, strict=True)
    ]
    drawn_rows = source.rows(drawn, "drawn")
    return rows + [_paired(row, of_drawn.get(row.number)) for row in drawn_rows]


def _paired(row: Lesion, partner: tuple[int, float] | None) -> Lesion:
    return replace(row, match=partner[0], iou=partner[1]) if partner else row
