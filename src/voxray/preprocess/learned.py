"""What is learned from values: by each fold, from its training patients alone."""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from voxray.core.errors import DatasetError
from voxray.core.specs import FoldValues, IntensityWindow, Plan, ReferenceStatistics
from voxray.preprocess.statistics import ScanGeometry, ScanStatistics


def learn_fold_values(
    plan: Plan, training: Sequence[ScanStatistics], labels: Sequence[str]
) -> FoldValues:
    """Intensity windows and class shares of one fold.

    Args:
        plan: Says which channels need a window.
        training: Statistics of the fold's training scans; no held-out scan.
        labels: Class name per training exam, empty without classification.

    Raises:
        DatasetError: Without training scans.
    """
    if not training:
        msg = "a fold has no training scan; use fewer folds"
        raise DatasetError(msg)
    windows = {
        channel: _window(training)
        for channel, kind in plan.normalisation.items()
        if kind == "window"
    }
    counts = Counter(labels)
    share = {name: counts[name] / len(labels) for name in plan.classes if labels}
    return FoldValues(
        windows=windows,
        class_share=share,
        structure_share=_structure_share(plan, training),
        n_exams=len(training),
    )


def _structure_share(plan: Plan, scans: Sequence[ScanStatistics]) -> dict[str, float]:
    """Share of voxels per structure, over the scans that have a mask."""
    drawn = [scan for scan in scans if scan.structure_voxels]
    total = sum(math.prod(scan.shape) for scan in drawn)
    return {
        name: sum(scan.structure_voxels[index] for scan in drawn) / total
        for index, name in enumerate(plan.structures)
        if total
    }


def _window(scans: Sequence[ScanStatistics]) -> IntensityWindow:
    """Medians over scans, so that one odd scan moves nothing."""
    low = float(np.median([s.low for s in scans]))
    high = float(np.median([s.high for s in scans]))
    mean = float(np.median([s.mean for s in scans]))
    std = float(np.median([s.std for s in scans]))
    return IntensityWindow(low=low, high=high, mean=mean, std=max(std, 1e-3))


def learn_references(scans: Sequence[ScanGeometry]) -> ReferenceStatistics:
    """What the scans a model was made from look like; scoring refuses others.

    Args:
        scans: All scans of the folds; no holdout.
    """
    return ReferenceStatistics(
        modalities=tuple(sorted({s.modality for s in scans} - {""})),
        spacing_mm=_ranges([s.spacing_mm for s in scans]),
        extent_mm=_ranges([s.extent_mm for s in scans]),
        n_scans=len(scans),
    )


def _ranges(
    rows: Sequence[tuple[float, float, float]],
) -> tuple[tuple[float, float], ...]:
    return tuple((min(axis), max(axis)) for axis in zip(*rows, strict=True))
