"""The levels of the network: which axis is halved when, and which has kernels."""

import math
from collections.abc import Sequence

from voxray.core.errors import DatasetError
from voxray.core.specs import NetworkPlan, TrainSpec
from voxray.core.specs.plan import Spacing, Voxels
from voxray.preprocess.budget import Budget

_SMALLEST_AXIS = 5  # voxels left on the coarsest level
_COARSE = 2.0  # an axis this much coarser than the finest is not downsampled yet
_LEVELS = {2: 6, 3: 5}
"""At most, by the number of axes with more than one voxel: a plane has longer axes for
the same number of voxels, and an organ in it spans more of them."""


def plan_network(
    spacing: Spacing,
    view: Spacing,
    train: TrainSpec,
    budget: Budget,
    reasons: dict[str, str],
) -> NetworkPlan:
    """Halve each axis while it has voxels, the coarse axes later than the fine ones.

    Args:
        spacing: Of the arrays, mm.
        view: Sides of the input, mm.
        train: Overrides.
        budget: Gives the features.
        reasons: Gets a reason.

    Raises:
        DatasetError: If features, strides and kernels that are set have different
            numbers of levels.
    """
    sizes = [max(1.0, e / s) for e, s in zip(view, spacing, strict=True)]
    if train.strides:
        strides = list(train.strides)
        n_levels, reason = len(strides), "strides are set in the experiment"
    else:
        strides = _strides(sizes, spacing, _most_levels(sizes, train))
        n_levels = len(strides)
        reason = (
            f"{n_levels} levels: each axis is halved while at least "
            f"{2 * _SMALLEST_AXIS} voxels remain and its spacing is less than "
            f"{_COARSE:g} times the finest"
        )
    features = train.features or budget.features[:n_levels]
    planned = tuple(_kernels(sizes, spacing, strides))
    kernels: tuple[Voxels, ...] = planned if train.kernels is None else train.kernels
    _check_levels(len(features), n_levels, len(kernels))
    said = [name for name in ("features", "kernels") if getattr(train, name)]
    also = f"; {' and '.join(said)} set in the experiment" if said else ""
    reasons["network"] = reason + also
    return NetworkPlan(features=features, strides=tuple(strides), kernels=kernels)


def _most_levels(sizes: Sequence[float], train: TrainSpec) -> int:
    if train.features:
        return len(train.features)
    n_axes = sum(size >= 2 for size in sizes)  # noqa: PLR2004 - one voxel is flat
    return _LEVELS.get(n_axes, 5)


def _check_levels(n_features: int, n_strides: int, n_kernels: int) -> None:
    if not n_features == n_strides == n_kernels:
        msg = (
            f"the network has {n_strides} levels, but train.features or train.kernels "
            f"give {n_features} and {n_kernels}; give as many, or train.strides too"
        )
        raise DatasetError(msg)


def _strides(
    sizes: Sequence[float], spacing: Sequence[float], most: int
) -> list[Voxels]:
    strides: list[Voxels] = [(1, 1, 1)]
    while len(strides) < most:
        stride = _stride(*_at_level(sizes, spacing, strides))
        if stride == (1, 1, 1):
            break
        strides.append(stride)
    return strides


def _at_level(
    sizes: Sequence[float], spacing: Sequence[float], strides: Sequence[Voxels]
) -> tuple[list[float], list[float]]:
    """Voxels and spacing per axis after these strides."""
    factors = [math.prod(along) for along in zip(*strides, strict=True)]
    return (
        [n / f for n, f in zip(sizes, factors, strict=True)],
        [mm * f for mm, f in zip(spacing, factors, strict=True)],
    )


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


def _kernels(
    sizes: Sequence[float], spacing: Sequence[float], strides: Sequence[Voxels]
) -> list[Voxels]:
    kernels = [(1, 1, 1)]
    for level in range(len(strides)):
        at_level = _at_level(sizes, spacing, strides[: level + 1])
        kernels.append(_kernel(*at_level, kernels[-1]))
    return kernels[1:]


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
