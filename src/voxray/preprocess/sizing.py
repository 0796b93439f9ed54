"""Spacing of the arrays and shape of the input, within a budget of voxels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from voxray.core.geometry import BODY_AXES
from voxray.core.specs import NetworkPlan, TaskSpec, TrainSpec
from voxray.core.specs.plan import Spacing, Voxels
from voxray.core.wording import crossed
from voxray.preprocess.budget import Budget
from voxray.preprocess.statistics import ScanGeometry

_THICK = 2.0  # times as coarse along one axis as along the finest
_SHARE_ACROSS = 0.1  # of the scans, whose slices are thick along another axis
_COVERED_BY_CLASS = 95  # percent of scans that fit into the input: a class needs all
_COVERED_BY_MASK = 50  # masks are learned from parts; a smaller input is a faster step


@dataclass(frozen=True, slots=True)
class Field:
    """What of the scans the network is to see.

    Attributes:
        scans: Of the first channel.
        extent: Field of view (mm) of most scans.
        box: What `train.input_mm` asks for (mm); None without it.
        at_once: Whether the network must see all of it in one input.
    """

    scans: Sequence[ScanGeometry]
    extent: Spacing
    box: Spacing | None
    at_once: bool

    @property
    def seen(self) -> Spacing:
        """What of a scan the network sees at most, in mm."""
        return self.box or self.extent


def find_field(
    scans: Sequence[ScanGeometry], task: TaskSpec, train: TrainSpec
) -> Field:
    """Most scans whole where a class is decided, else the median one; or the box."""
    covered = _COVERED_BY_CLASS if task.classify else _COVERED_BY_MASK
    extent = percentile([s.extent_mm for s in scans], covered)
    box = _box(scans, train.box_mm)
    return Field(scans, extent, box, bool(task.classify or box))


def percentile(rows: Sequence[Spacing], percent: float) -> Spacing:
    """Per axis."""
    i, j, k = np.percentile(np.array(rows), percent, axis=0).tolist()
    return (i, j, k)


def _box(scans: Sequence[ScanGeometry], sides: Spacing | None) -> Spacing | None:
    """Along an axis in which all scans are flat the box has one voxel."""
    if sides is None:
        return None
    i, j, k = (
        float(np.median([s.spacing_mm[axis] for s in scans]))
        if all(s.shape[axis] == 1 for s in scans)
        else side
        for axis, side in enumerate(sides)
    )
    return (i, j, k)


def plan_spacing(field: Field, budget: Budget, reasons: dict[str, str]) -> Spacing:
    """Median spacing; coarser where the scan would have too many voxels."""
    median, what = _usual_spacing(field.scans)
    sizes = sizes_at(median, field.seen)
    most = budget.input_voxels if field.at_once else budget.scan_voxels(sizes)
    n_voxels = math.prod(sizes)
    if n_voxels <= most:
        reasons["spacing_mm"] = f"{what} of {len(field.scans)} scans"
        return _rounded(median)
    floor = _spacing_floor(median, field.seen, most)
    reasons["spacing_mm"] = (
        f"{what} is {crossed(median, '.2f')} mm; {_what(field)} would have "
        f"{n_voxels:,.0f} voxels, so axes finer than {floor:.2f} mm are read at that "
        f"spacing to stay within {most:,}"
    )
    i, j, k = (max(s, floor) for s in median)
    return _rounded((i, j, k))


def _usual_spacing(scans: Sequence[ScanGeometry]) -> tuple[Spacing, str]:
    """Median per axis, and what it is in words.

    Where slices are thick along several axes, the median would be coarse along one of
    them and fine along the others, and scans cut the other way would lose what they
    show. Then voxels are cubes of the usual volume.
    """
    rows = np.array([s.spacing_mm for s in scans])
    flat = np.array([1 in s.shape for s in scans])
    thick = ~flat & (rows.max(axis=1) >= _THICK * rows.min(axis=1))
    counts = np.bincount(rows.argmax(axis=1)[thick], minlength=3)
    if counts.sum() - counts.max() < _SHARE_ACROSS * len(rows):
        return percentile([s.spacing_mm for s in scans], 50), "median"
    side = float(np.median(np.cbrt(rows.prod(axis=1))))
    along = ", ".join(
        f"{n} along {BODY_AXES[axis]}" for axis, n in enumerate(counts) if n
    )
    what = f"slices are thick along several axes ({along}); cube of the median volume"
    return (side, side, side), what


def _what(field: Field) -> str:
    if field.box:
        return "the box that the network sees"
    if field.at_once:
        return "a class is decided from the whole scan, which"
    return "a patch shows too little of a scan of so many voxels: it"


def _spacing_floor(median: Spacing, extent: Spacing, most: int) -> float:
    """Smallest floor (mm) under the spacing that keeps `extent` within the limit."""
    low, high = min(median), max(*extent, *median)
    for _ in range(40):
        middle = (low + high) / 2
        i, j, k = (max(s, middle) for s in median)
        fits = math.prod(sizes_at((i, j, k), extent)) <= most
        low, high = (low, middle) if fits else (middle, high)
    return high


def sizes_at(spacing: Spacing, extent: Spacing) -> list[float]:
    """Voxels per axis, at least one."""
    return [max(1.0, e / s) for e, s in zip(extent, spacing, strict=True)]


def _rounded(spacing: Spacing) -> Spacing:
    i, j, k = (round(s, 6) for s in spacing)
    return (i, j, k)


def plan_view(field: Field, spacing: Spacing, budget: Budget) -> Spacing:
    """Sides (mm) of the input: the box, the whole extent where it fits, or a patch.

    A patch is even in mm, as far as the scan reaches: it then shows as much around a
    structure along thick slices as across them.
    """
    if field.box or _fits(field, spacing, budget):
        return field.seen
    low, high = 0.0, max(field.extent)
    for _ in range(40):
        middle = (low + high) / 2
        fits = math.prod(sizes_at(spacing, _cut(field, middle))) <= budget.input_voxels
        low, high = (middle, high) if fits else (low, middle)
    return _cut(field, low)


def _fits(field: Field, spacing: Spacing, budget: Budget) -> bool:
    n_voxels = math.prod(sizes_at(spacing, field.extent))
    return n_voxels <= budget.input_voxels * 1.01


def _cut(field: Field, side: float) -> Spacing:
    i, j, k = (min(e, side) for e in field.extent)
    return (i, j, k)


def plan_input_shape(
    field: Field,
    spacing: Spacing,
    network: NetworkPlan,
    budget: Budget,
    reasons: dict[str, str],
) -> Voxels:
    """Whole strides that hold the extent, or come nearest to a patch."""
    sizes = sizes_at(spacing, field.extent)
    if _fits(field, spacing, budget):
        reasons["input_shape"] = (
            f"a scan has {crossed(sizes, '.0f')} voxels at this spacing (the median "
            f"where only masks are learned, {_COVERED_BY_CLASS}th percentile with "
            "classes)"
        )
        return network.round_up(sizes)
    reasons["input_shape"] = (
        f"patches: a scan has {math.prod(sizes):,.0f} voxels, the network sees about "
        f"{budget.input_voxels:,} at once ({budget.reason})"
    )
    patch = sizes_at(spacing, plan_view(field, spacing, budget))
    i, j, k = (
        max(1, round(n / f)) * f for n, f in zip(patch, network.factors, strict=True)
    )
    return (i, j, k)


def fill_box(
    box: Spacing,
    spacing: Spacing,
    network: NetworkPlan,
    train: TrainSpec,
    reasons: dict[str, str],
) -> tuple[Voxels, Spacing]:
    """Voxels that fill the box, and their spacing: exact, unless the latter is set."""
    said = f"train.input_mm is {crossed(box, '.2f')} mm"
    sizes = [side / mm for side, mm in zip(box, spacing, strict=True)]
    if train.spacing_mm:
        shape = network.round_up(sizes)
        real = [n * mm for n, mm in zip(shape, spacing, strict=True)]
        reasons["input_shape"] = f"{said}; {crossed(real, '.2f')} mm with whole strides"
        return shape, spacing
    i, j, k = (
        max(1, round(n / f)) * f for n, f in zip(sizes, network.factors, strict=True)
    )
    reasons["input_shape"] = f"{said}, around the centre of the scan"
    reasons["spacing_mm"] += "; then fitted, so that whole voxels fill the box"
    return (i, j, k), (box[0] / i, box[1] / j, box[2] / k)


def covers(shape: Voxels, spacing: Spacing, extent: Spacing) -> bool:
    """Whether an input holds the extent, within a millimetre."""
    sizes = zip(shape, spacing, extent, strict=True)
    return all(n * mm >= e - mm for n, mm, e in sizes)
