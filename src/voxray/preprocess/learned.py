"""What is learned from values: by each fold, from its training patients alone."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from voxray.core.errors import DatasetError
from voxray.core.specs import (
    FoldValues,
    IntensityWindow,
    Plan,
    ReferenceStatistics,
    ReferenceValues,
)
from voxray.preprocess.statistics import ScanStatistics

_RARE, _COMMON = 1e-3, 0.05  # share of all voxels
_MORE, _HALF, _FEWER = 0.67, 0.5, 0.33
_SEEN = 0.95  # of the scans end inside the window, on either side

_Exams = Sequence[Mapping[str, ScanStatistics]]


def learn_fold_values(
    plan: Plan, training: _Exams, targets: Sequence[Sequence[float]]
) -> FoldValues:
    """Intensity windows and class shares of one fold.

    Args:
        plan: Says which channels need a window.
        training: Statistics of the fold's training exams, scans by channel; no
            held-out exam.
        targets: Per training exam one value per class of the plan: 1, 0, or NaN for a
            label nobody stated. Empty without classification.

    Raises:
        DatasetError: Without training exams, or with none that has a "window" channel.
    """
    if not training:
        msg = "a fold has no training scan; use fewer folds"
        raise DatasetError(msg)
    windows = {
        channel: _window(channel, training)
        for channel, kind in plan.normalisation.items()
        if kind == "window"
    }
    structure_share = _structure_share(plan, training)
    return FoldValues(
        windows=windows,
        class_share=_class_share(plan, targets),
        structure_share=structure_share,
        structure_exams=_structure_exams(plan, training),
        on_structure=_on_structure(structure_share),
        n_exams=len(training),
    )


def _class_share(plan: Plan, targets: Sequence[Sequence[float]]) -> dict[str, float]:
    columns = zip(*targets, strict=True) if targets else ()
    stated = {
        name: [value for value in column if not math.isnan(value)]
        for name, column in zip(plan.classes, columns, strict=bool(targets))
    }
    return {name: sum(own) / len(own) for name, own in stated.items() if own}


def _structure_share(plan: Plan, exams: _Exams) -> dict[str, float]:
    """Share of voxels per structure, over the exams that have a mask."""
    firsts = [exam[plan.channels[0]] for exam in exams]
    drawn = [scan for scan in firsts if scan.structure_voxels]
    total = sum(math.prod(scan.shape) for scan in drawn)
    return {
        name: sum(scan.structure_voxels[index] for scan in drawn) / total
        for index, name in enumerate(plan.structures)
        if total
    }


def _structure_exams(plan: Plan, exams: _Exams) -> dict[str, int]:
    """Exams in which each structure has voxels; 0 where no exam has any."""
    drawn = [exam[plan.channels[0]].structure_voxels for exam in exams]
    return {
        name: sum(bool(voxels and voxels[index]) for voxels in drawn)
        for index, name in enumerate(plan.structures)
    }


def _on_structure(shares: Mapping[str, float]) -> float:
    """More patches on structures that patches taken anywhere would rarely meet."""
    rarest = min((share for share in shares.values() if share), default=1.0)
    if rarest < _RARE:
        return _MORE
    return _FEWER if rarest > _COMMON else _HALF


def _window(channel: str, exams: _Exams) -> IntensityWindow:
    """Mean and deviation by medians over scans, so that one odd scan moves nothing.

    The ends hold what is seen in nearly all scans: where half of them are clipped, what
    is rare and bright (a calcified nodule) looks like the rest. Scans without any
    structure, whose ends are those of all they show, count only where no scan has one.
    """
    known = [exam[channel] for exam in exams if channel in exam]
    scans = [scan for scan in known if any(scan.structure_voxels)] or known
    if not scans:
        msg = f"a fold has no training scan of channel {channel!r}; use fewer folds"
        raise DatasetError(msg)
    low = float(np.quantile([s.low for s in scans], 1 - _SEEN))
    high = float(np.quantile([s.high for s in scans], _SEEN))
    mean = float(np.median([s.mean for s in scans]))
    std = float(np.median([s.std for s in scans]))
    return IntensityWindow(low=low, high=high, mean=mean, std=max(std, 1e-3))


def learn_references(
    scans: Sequence[ScanStatistics],
    *,
    in_units: bool,
    longer_side_mm: float | None = None,
) -> ReferenceStatistics:
    """What the scans a model was made from look like; scoring refuses others.

    Args:
        scans: All scans of one channel in the folds; no holdout.
        in_units: Whether its values mean the same in every scan.
        longer_side_mm: Of the plan.
    """
    counted = [scan.geometry.counted(longer_side_mm) for scan in scans]
    return ReferenceStatistics(
        modalities=tuple(sorted({s.modality for s in scans} - {""})),
        spacing_mm=_ranges([scan.spacing_mm for scan in counted]),
        extent_mm=_ranges([scan.extent_mm for scan in counted]),
        n_scans=len(scans),
        values=_values(scans) if in_units else None,
    )


def _values(scans: Sequence[ScanStatistics]) -> ReferenceValues:
    rows = [(s.percentile(1), s.percentile(50), s.percentile(99)) for s in scans]
    darkest, median, brightest = _ranges(rows)
    span = float(np.median([high - low for low, _, high in rows]))
    return ReferenceValues(
        darkest=darkest, median=median, brightest=brightest, span=span
    )


def _ranges(
    rows: Sequence[tuple[float, float, float]],
) -> tuple[tuple[float, float], ...]:
    return tuple((min(axis), max(axis)) for axis in zip(*rows, strict=True))
