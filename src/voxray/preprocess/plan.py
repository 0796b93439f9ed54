"""From the geometry of the scans to network input and network, a reason per choice."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from voxray.core.errors import DatasetError
from voxray.core.specs import NetworkPlan, Plan, TaskSpec, TrainSpec
from voxray.preprocess.statistics import ScanGeometry

Triple = tuple[float, float, float]
Voxels = tuple[int, int, int]

_INPUT_VOXELS = 100_000  # the network sees at once; keeps a CPU step near a second
_STEP_VOXELS = 150_000  # a step sees over all exams of a batch
_FEATURES = (16, 32, 64, 128, 256)
_SMALLEST_AXIS = 5  # voxels left on the coarsest level
_COARSE = 2.0  # an axis this much coarser than the finest is not downsampled yet
_COVERED_BY_CLASS = 95  # percent of scans that fit into the input: a class needs all
_COVERED_BY_MASK = 50  # masks are learned from parts; a smaller input is a faster step


def make_plan(
    channels: Mapping[str, Sequence[ScanGeometry]], task: TaskSpec, train: TrainSpec
) -> Plan:
    """Decide from geometry alone how exams become network input.

    Args:
        channels: Scans per channel, all that are not held out for good. The grid is
            planned from the first channel, on which the others are read.
        task: What is learned.
        train: Overrides.

    Raises:
        DatasetError: If a channel has no scan.
    """
    _check_any(channels)
    first = next(iter(channels))
    scans = channels[first]
    reasons: dict[str, str] = {}
    structures = task.segment.classes if task.segment else {}
    covered = _COVERED_BY_CLASS if task.classify else _COVERED_BY_MASK
    extent = _percentile([s.extent_mm for s in scans], covered)
    spacing = train.spacing_mm or _spacing(scans, extent, task, reasons)
    if train.spacing_mm:
        reasons["spacing_mm"] = "set in the experiment"
    network = _network(spacing, extent, reasons)
    shape = train.input_shape or _input_shape(spacing, extent, network, reasons)
    if train.input_shape:
        shape = network.round_up(shape)
        reasons["input_shape"] = "set in the experiment, rounded up to the strides"
    if train.batch_size:
        reasons["batch_size"] = "set in the experiment"
    return Plan(
        channels=tuple(channels),
        modality=tuple(
            sorted({s.modality for all_ in channels.values() for s in all_})
        ),
        spacing_mm=spacing,
        input_shape=shape,
        whole_volume=_covers(shape, spacing, extent),
        normalisation=_normalisation(channels, reasons),
        classes=tuple(task.classify.classes) if task.classify else (),
        structures=tuple(structures),
        mask_values=tuple(s.value for s in structures.values()),
        mirror_axes=_mirror_axes(task, reasons),
        network=_reading_masks(network, task, reasons),
        batch_size=train.batch_size or _batch_size(shape, len(scans), reasons),
        reasons=reasons,
    )


def _check_any(channels: Mapping[str, Sequence[ScanGeometry]]) -> None:
    for name, scans in channels.items():
        if not scans:
            what = "scan" if len(channels) == 1 else f"scan of channel {name!r}"
            msg = f"no {what} is left to plan from; see quarantine.csv for the reasons"
            raise DatasetError(msg)


def _percentile(rows: Sequence[Triple], percent: float) -> Triple:
    i, j, k = np.percentile(np.array(rows), percent, axis=0).tolist()
    return (i, j, k)


def _spacing(
    scans: Sequence[ScanGeometry],
    extent: Triple,
    task: TaskSpec,
    reasons: dict[str, str],
) -> Triple:
    """Median spacing; coarser where a class needs the whole scan in one view."""
    median = _percentile([s.spacing_mm for s in scans], 50)
    n_voxels = _n_voxels(extent, median)
    if task.classify is None or n_voxels <= _INPUT_VOXELS:
        reasons["spacing_mm"] = f"median of {len(scans)} scans"
        return _rounded(median)
    floor = _spacing_floor(median, extent)
    i, j, k = (max(s, floor) for s in median)
    reasons["spacing_mm"] = (
        f"median is {_words(median)} mm; a class is decided from the whole scan, which "
        f"would be {n_voxels:,.0f} voxels, so axes finer than {floor:.2f} mm are read "
        f"at that spacing to stay within {_INPUT_VOXELS:,}"
    )
    return _rounded((i, j, k))


def _spacing_floor(median: Triple, extent: Triple) -> float:
    """Smallest floor (mm) under the spacing that keeps the scan within the limit."""
    low, high = min(median), max(extent)
    for _ in range(40):
        middle = (low + high) / 2
        i, j, k = (max(s, middle) for s in median)
        fits = _n_voxels(extent, (i, j, k)) <= _INPUT_VOXELS
        low, high = (low, middle) if fits else (middle, high)
    return high


def _n_voxels(extent: Triple, spacing: Triple) -> float:
    return math.prod(max(1.0, e / s) for e, s in zip(extent, spacing, strict=True))


def _rounded(spacing: Triple) -> Triple:
    i, j, k = (round(s, 4) for s in spacing)
    return (i, j, k)


def _network(spacing: Triple, extent: Triple, reasons: dict[str, str]) -> NetworkPlan:
    """Halve each axis while it has voxels, the coarse axes later than the fine ones."""
    sizes = [max(1.0, e / s) for e, s in zip(extent, spacing, strict=True)]
    current = list(spacing)
    strides: list[Voxels] = [(1, 1, 1)]
    kernels: list[Voxels] = [_kernel(sizes, current, (1, 1, 1))]
    while len(strides) < len(_FEATURES) - 1:
        stride = _stride(sizes, current)
        if stride == (1, 1, 1):
            break
        sizes = [n / s for n, s in zip(sizes, stride, strict=True)]
        current = [mm * s for mm, s in zip(current, stride, strict=True)]
        strides.append(stride)
        kernels.append(_kernel(sizes, current, kernels[-1]))
    reasons["network"] = (
        f"{len(strides)} levels: each axis is halved while at least "
        f"{2 * _SMALLEST_AXIS} voxels remain and its spacing is less than "
        f"{_COARSE:g} times the finest"
    )
    features = _FEATURES[: len(strides)]
    return NetworkPlan(
        features=features, strides=tuple(strides), kernels=tuple(kernels)
    )


def _reading_masks(
    network: NetworkPlan, task: TaskSpec, reasons: dict[str, str]
) -> NetworkPlan:
    """What a class is decided from where masks are learned too."""
    if not (task.classify and task.segment):
        return network
    reasons["network"] += (
        "; the class reads size and looks off the predicted mask, beside the image"
    )
    return network.model_copy(update={"evidence": "size_and_looks"})


def _stride(sizes: Sequence[float], spacing: Sequence[float]) -> Voxels:
    finest = min(
        (mm for n, mm in zip(sizes, spacing, strict=True) if n >= 2 * _SMALLEST_AXIS),
        default=0.0,
    )
    i, j, k = (
        2 if n >= 2 * _SMALLEST_AXIS and mm < _COARSE * finest else 1
        for n, mm in zip(sizes, spacing, strict=True)
    )
    return (i, j, k)


def _kernel(sizes: Sequence[float], spacing: Sequence[float], finer: Voxels) -> Voxels:
    """3 along an axis from the first level on where it is no longer too coarse.

    Once 3 it stays 3: an axis that is too short to be halved further (or flat) would
    otherwise become the finest one and take the kernels of all others away.
    """
    flat = [n < 2 for n in sizes]  # noqa: PLR2004 - one voxel
    finest = min(
        (mm for mm, is_flat in zip(spacing, flat, strict=True) if not is_flat),
        default=0.0,
    )
    i, j, k = (
        3 if before == 3 or not (is_flat or mm >= _COARSE * finest) else 1  # noqa: PLR2004
        for before, is_flat, mm in zip(finer, flat, spacing, strict=True)
    )
    return (i, j, k)


def _input_shape(
    spacing: Triple, extent: Triple, network: NetworkPlan, reasons: dict[str, str]
) -> Voxels:
    sizes = [max(1.0, e / s) for e, s in zip(extent, spacing, strict=True)]
    n_voxels = math.prod(sizes)
    if n_voxels <= _INPUT_VOXELS * 1.01:
        reasons["input_shape"] = (
            f"a scan has {_words(sizes, 0)} voxels at this spacing (the median where "
            f"only masks are learned, {_COVERED_BY_CLASS}th percentile with classes)"
        )
        return network.round_up(sizes)
    reasons["input_shape"] = (
        f"patches: a scan has {n_voxels:,.0f} voxels, the network sees "
        f"{_INPUT_VOXELS:,} at once"
    )
    while math.prod(sizes) > _INPUT_VOXELS:
        longest = sizes.index(max(sizes))
        sizes[longest] *= 0.95
    return network.round_up(sizes)


def _covers(shape: Voxels, spacing: Triple, extent: Triple) -> bool:
    sizes = zip(shape, spacing, extent, strict=True)
    return all(n * mm >= e - mm for n, mm, e in sizes)


_Normalisation = Literal["zscore", "window"]
_WHY: dict[_Normalisation, str] = {
    "window": "CT has units: window learned in each fold",
    "zscore": "no common unit: each scan by its own mean and deviation",
}


def _normalisation(
    channels: Mapping[str, Sequence[ScanGeometry]], reasons: dict[str, str]
) -> dict[str, _Normalisation]:
    kinds: dict[str, _Normalisation] = {
        name: "window" if {s.modality for s in scans} == {"CT"} else "zscore"
        for name, scans in channels.items()
    }
    reasons["normalisation"] = "; ".join(_WHY[k] for k in dict.fromkeys(kinds.values()))
    return kinds


def _mirror_axes(task: TaskSpec, reasons: dict[str, str]) -> tuple[int, ...]:
    """Left and right are mirrored for classes, unless a name tells them apart."""
    if task.classify is None:
        reasons["mirror_axes"] = "none: structures are where they are; learned faster"
        return ()
    names = list(task.classify.label_names)
    names += list(task.segment.classes) if task.segment else []
    if task.lateral or any(_names_a_side(name) for name in names):
        reasons["mirror_axes"] = "none: the task tells left from right"
        return ()
    reasons["mirror_axes"] = "left-right: no class names a side"
    return (0,)


def _names_a_side(name: str) -> bool:
    words = name.lower().replace("-", "_").split("_")
    return bool(set(words) & {"left", "right", "l", "r", "lt", "rt"})


def _batch_size(shape: Voxels, n_scans: int, reasons: dict[str, str]) -> int:
    wanted = round(_STEP_VOXELS / math.prod(shape))
    size = max(2, min(64, wanted, n_scans // 4))
    reasons["batch_size"] = (
        f"{math.prod(shape):,} voxels an exam, about {_STEP_VOXELS:,} a step"
    )
    return size


def _words(values: Sequence[float], digits: int = 2) -> str:
    return " x ".join(f"{v:.{digits}f}" for v in values)
