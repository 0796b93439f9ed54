"""Masks without a network: a window of grey values, and the mean training mask."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from voxray.core.progress import Progress
from voxray.core.records import ExamId, OutOfFoldPrediction
from voxray.core.specs import FoldValues
from voxray.evaluate import Rival, dice_per_class
from voxray.model import apply_fold_values
from voxray.preprocess import slabs_on, voxel_ml
from voxray.scan_io import read_mask
from voxray.stages.rivals import Rivals
from voxray.stages.study import FoldName, mask_source
from voxray.train.baselines import fit_mean_mask, fit_threshold

_MOST_EXAMS = 200  # of a fold's training exams, so that fitting takes minutes at most
_HALF = 0.5
_HOW = {
    "threshold": "grey values between two bounds, the best on training exams",
    "mean_mask": "mean of the training masks, cut where it is best on them",
}

Bools = NDArray[np.bool_]
Draw = Callable[[int, NDArray[np.float32]], Bools]
"""From a structure's number and an image to its mask, both on the cached grid."""


def mask_rivals(rivals: Rivals) -> Iterator[Rival]:
    """Both baselines of masks; their Dice is on the source grid, as the network's."""
    rows: dict[str, list[OutOfFoldPrediction]] = {name: [] for name in _HOW}
    done, total = 0, len(rivals.network)
    for name, of_network in rivals.by_fold().items():
        fold = _Fold.of(rivals, name)
        drawers = _fit(fold)
        for row in of_network:
            for baseline, judged in _judge(fold, row, drawers).items():
                rows[baseline].append(judged)
            done += 1
            rivals.context.listen(Progress("judging simple masks", done, total))
    for baseline, own in rows.items():
        yield Rival(f"baseline:{baseline}", own, _HOW[baseline])


@dataclass(frozen=True, slots=True, eq=False)
class _Fold:
    """Arrays of one fold, one exam at a time.

    Attributes:
        training: Training exams with a mask, at most 200, drawn by the seed.
        values: What the fold learned from its training patients.
    """

    rivals: Rivals
    training: tuple[ExamId, ...]
    values: FoldValues

    @classmethod
    def of(cls, rivals: Rivals, name: FoldName) -> "_Fold":
        cached = rivals.study.cached
        drawn = [e for e in rivals.training(name) if cached[e].mask is not None]
        seed = rivals.context.experiment.seed
        order = np.random.default_rng((seed, name.repeat, name.fold)).permutation(
            len(drawn)
        )
        chosen = tuple(drawn[n] for n in sorted(order[:_MOST_EXAMS]))
        return cls(rivals, chosen, rivals.study.fold_values(name, rivals.context))

    def image(self, exam: ExamId) -> NDArray[np.float32]:
        """As the network gets it."""
        study = self.rivals.study
        image = np.asarray(study.cached[exam].read_image())
        return apply_fold_values(image, study.plan, self.values)

    def masks(self) -> Iterator[NDArray[np.uint8]]:
        """Of the training exams: structure numbers, 0 background."""
        for exam in self.training:
            mask = self.rivals.study.cached[exam].read_mask()
            if mask is not None:
                yield np.asarray(mask)

    def pairs(self) -> Iterator[tuple[NDArray[np.float32], NDArray[np.uint8]]]:
        """Image and mask of the training exams."""
        for exam, mask in zip(self.training, self.masks(), strict=True):
            yield self.image(exam), mask


def _fit(fold: _Fold) -> dict[str, Draw]:
    plan = fold.rivals.study.plan
    n_structures = len(plan.structures)
    windows = fit_threshold(fold.pairs(), n_structures)
    placements = ["centred", "stretched"] if plan.whole_volume else ["stretched"]
    mean = fit_mean_mask(fold.masks, n_structures, plan.input_shape, placements)
    return {
        "threshold": lambda n, image: windows[n].mask(image),
        "mean_mask": lambda n, image: mean.mask(n, image.shape[1:]),
    }


def _judge(
    fold: _Fold, row: OutOfFoldPrediction, drawers: Mapping[str, Draw]
) -> dict[str, OutOfFoldPrediction]:
    """One exam by each baseline; an exam without a drawn mask has no Dice."""
    rivals = fold.rivals
    record = rivals.study.record(row.exam_id)
    source = mask_source(record, rivals.context.experiment)
    blank = replace(row, probabilities={}, dice={}, volume_ml={})
    if source is None:
        return dict.fromkeys(drawers, blank)
    drawn, image = read_mask(source).voxels, fold.image(row.exam_id)
    judged = {}
    for name, draw in drawers.items():
        masks = (draw(n, image) for n in range(len(rivals.study.plan.structures)))
        dice, volume = _score(rivals, row.exam_id, drawn, masks)
        judged[name] = replace(blank, dice=dice, volume_ml=volume)
    return judged


def _score(
    rivals: Rivals, exam: ExamId, drawn: NDArray[np.generic], masks: Iterable[Bools]
) -> tuple[dict[str, float | None], dict[str, float]]:
    """Dice and volume per structure, each on its own: they may overlap.

    One label map of the scan is held, and some planes of the mask on its grid.
    """
    plan, grid = rivals.study.plan, rivals.study.record(exam).grid
    cached = rivals.study.cached[exam].grid
    dice: dict[str, float | None] = {}
    volume: dict[str, float] = {}
    structures = zip(plan.structures, plan.mask_values, strict=True)
    for (name, value), mask in zip(structures, masks, strict=True):
        labels = np.zeros(grid.shape, dtype=np.uint16)
        for planes, share in slabs_on(mask[None].astype(np.float16), cached, grid):
            labels[planes][share[0] > _HALF] = value
        dice |= dice_per_class(labels, drawn, {name: value})
        volume[name] = int(np.count_nonzero(labels)) * voxel_ml(grid)
    return dice, volume
