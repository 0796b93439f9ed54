"""The MONAI `Compose` that turns an exam into a cached array, and the way back."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from monai.transforms.compose import Compose
from numpy.typing import NDArray

from voxray.core.errors import ScanError, VoxrayError
from voxray.core.geometry import Shape, VoxelGrid
from voxray.core.records import MaskSource, ScanSource
from voxray.core.specs import Plan
from voxray.preprocess.orientation import NearestRasd
from voxray.preprocess.reader import MaskReader, ReadScand, ScanReader, grid_of
from voxray.preprocess.regrid import ReadOnFirstd
from voxray.preprocess.resample import NoRoomError, Resampled, ZScored

MASK = "mask"
"""Key of the mask; no channel may be called so."""

FloatArray = NDArray[np.floating[Any]]

_LARGE = 8_000_000  # voxels; below, 16 bits a voxel save nothing worth having
_HALF_LARGEST = 60_000.0
_HALF_DEVIATIONS = 40.0


@dataclass(frozen=True, slots=True, eq=False)
class PreparedExam:
    """An exam as the network will see it.

    Attributes:
        image: (channel, i, j, k) float32, or float16 where a scan is large; axes
            nearest R, A, S, at the plan's spacing; z-scores, or source units for
            "window" channels. A channel that the exam lacks is 0, or NaN where its
            window makes it 0 later.
        mask: (i, j, k) uint8: 0 background, n + 1 the plan's structure n. None without.
        grid: Where the voxels sit.
    """

    image: FloatArray
    mask: NDArray[np.uint8] | None
    grid: VoxelGrid


def build_transforms(plan: Plan) -> Compose:
    """Exam-wise preprocessing: read, bring onto one grid, orient, resample, normalise.

    Takes a `ScanSource` per input, by name, and a `MaskSource` as "mask", and gives a
    tensor of each; the first channel must be there. Nothing here depends on another
    exam, so that it may run before patients are split.
    """
    first, *others = plan.inputs
    keys = [*plan.inputs, MASK]
    readers = {name: ScanReader() for name in plan.inputs} | {MASK: MaskReader()}
    scored = [name for name in plan.inputs if _is_scored(name, plan)]
    steps: list[Any] = [
        ReadScand(readers),
        *([ReadOnFirstd(first, others)] if others else []),
        NearestRasd(keys),
        Resampled(keys, plan.spacing_mm, [MASK], plan.longer_side_mm),
        *([ZScored(scored, together=plan.colour)] if scored else []),
    ]
    return Compose(steps)


def prepare_exam(
    sources: Mapping[str, ScanSource | None], mask: MaskSource | None, plan: Plan
) -> PreparedExam:
    """Run the transforms on one exam.

    Args:
        sources: By channel; the first channel of the plan must be there.
        mask: On the grid of the first channel.
        plan: Names the channels in order.

    Raises:
        ScanError: If a scan or the mask cannot be read.
    """
    given: dict[str, ScanSource | MaskSource | None]
    given = {**_inputs(sources, plan), MASK: mask}
    data = {key: source for key, source in given.items() if source is not None}
    try:
        out = build_transforms(plan)(data)
    except RuntimeError as error:
        own = _own_error(error)
        if own is None:
            raise
        if isinstance(own, NoRoomError):
            own = ScanError(_first(sources).scan_id, str(own))
        raise own from error
    grid = grid_of(out[plan.inputs[0]], plan.inputs[0])
    labels = None if mask is None else _structures(out.pop(MASK)[0].numpy(), plan)
    return PreparedExam(_stacked(out, grid.shape, plan), labels, grid)


def _is_scored(name: str, plan: Plan) -> bool:
    return plan.colour or plan.normalisation[name] == "zscore"


def _inputs(
    sources: Mapping[str, ScanSource | None], plan: Plan
) -> Mapping[str, ScanSource | None]:
    """Scans by channel, or the colours of the one there is."""
    if not plan.colour:
        return sources
    whole = _first(sources)
    return {name: replace(whole, colour=n) for n, name in enumerate(plan.inputs)}


def _first(sources: Mapping[str, ScanSource | None]) -> ScanSource:
    return next(source for source in sources.values() if source is not None)


def _stacked(out: dict[str, Any], shape: Shape, plan: Plan) -> FloatArray:
    """Channels in the plan's order; each tensor is let go when it is copied."""
    tensors = [out.pop(name, None) for name in plan.inputs]
    small = math.prod(shape) > _LARGE and all(map(_fits_half, tensors))
    image = np.empty((len(tensors), *shape), np.float16 if small else np.float32)
    for index, name in enumerate(plan.inputs):
        tensor, tensors[index] = tensors[index], None
        absent = 0.0 if _is_scored(name, plan) else np.nan
        image[index] = absent if tensor is None else tensor[0].numpy()
    return image


def _fits_half(tensor: MetaTensor | None) -> bool:
    """Whether 11 bits tell the values apart: none is huge, and they lie around 0."""
    if tensor is None:
        return True
    values = tensor.as_tensor()
    variance, mean = torch.var_mean(values, correction=0)
    low, high = torch.aminmax(values)
    near = abs(float(mean)) <= _HALF_DEVIATIONS * float(variance) ** 0.5
    return near and max(-float(low), float(high)) < _HALF_LARGEST


def _own_error(error: BaseException) -> VoxrayError | None:
    """MONAI wraps whatever a transform raises; find what a reader of ours said."""
    inner: BaseException | None = error
    while inner is not None and not isinstance(inner, VoxrayError):
        inner = inner.__cause__
    return inner


def _structures(values: NDArray[Any], plan: Plan) -> NDArray[np.uint8]:
    labels = np.zeros(values.shape, dtype=np.uint8)
    for index, value in enumerate(plan.mask_values, start=1):
        labels[values == value] = index
    return labels
