"""The MONAI `Compose` that turns an exam into a cached array, and the way back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from monai.transforms.compose import Compose
from monai.transforms.intensity.dictionary import NormalizeIntensityd
from monai.transforms.spatial.dictionary import Orientationd, Spacingd
from numpy.typing import NDArray

from voxray.core.errors import ScanError, VoxrayError
from voxray.core.geometry import VoxelGrid
from voxray.core.records import MaskSource, ScanSource
from voxray.core.specs import Plan
from voxray.preprocess.reader import MaskReader, ReadScand, ScanReader, grid_of
from voxray.preprocess.regrid import ReadOnFirstd

MASK = "mask"
"""Key of the mask; no channel may be called so."""

_RAS_LABELS = (("L", "R"), ("P", "A"), ("I", "S"))


@dataclass(frozen=True, slots=True, eq=False)
class PreparedExam:
    """An exam as the network will see it.

    Attributes:
        image: (channel, i, j, k) float32, axes nearest R, A, S, at the plan's spacing;
            z-scores, or source units for "window" channels. A channel that the exam
            lacks is 0, or NaN where its window makes it 0 later.
        mask: (i, j, k) uint8: 0 background, n + 1 the plan's structure n. None without.
        grid: Where the voxels sit.
    """

    image: NDArray[np.float32]
    mask: NDArray[np.uint8] | None
    grid: VoxelGrid


def build_transforms(plan: Plan) -> Compose:
    """Exam-wise preprocessing: read, bring onto one grid, orient, resample, normalise.

    Takes a `ScanSource` per channel, by name, and a `MaskSource` as "mask", and gives a
    tensor of each; the first channel must be there. Nothing here depends on another
    exam, so that it may run before patients are split.
    """
    first, *others = plan.channels
    keys = [*plan.channels, MASK]
    readers = {name: ScanReader() for name in plan.channels} | {MASK: MaskReader()}
    modes = ["bilinear"] * len(plan.channels) + ["nearest"]
    scored = [name for name in plan.channels if plan.normalisation[name] == "zscore"]
    steps: list[Any] = [
        ReadScand(readers),
        *([ReadOnFirstd(first, others)] if others else []),
        Orientationd(keys, axcodes="RAS", labels=_RAS_LABELS, allow_missing_keys=True),
        Spacingd(
            keys,
            pixdim=plan.spacing_mm,
            mode=modes,
            padding_mode="border",
            allow_missing_keys=True,
        ),
        *([NormalizeIntensityd(scored, allow_missing_keys=True)] if scored else []),
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
        ScanError: If a scan or the mask cannot be read, or values overflow.
    """
    given: dict[str, ScanSource | MaskSource | None] = {**sources, MASK: mask}
    data = {key: source for key, source in given.items() if source is not None}
    try:
        out = build_transforms(plan)(data)
    except RuntimeError as error:
        own = _own_error(error)
        if own is None:
            raise
        raise own from error
    first = out[plan.channels[0]]
    shape = tuple(first.shape[1:])
    image = np.stack([_channel(out, name, shape, plan) for name in plan.channels])
    _check_finite(image, sources, plan)
    labels = None if mask is None else _structures(out[MASK][0].numpy(), plan)
    return PreparedExam(image, labels, grid_of(first, plan.channels[0]))


def _check_finite(
    image: NDArray[np.float32], sources: Mapping[str, ScanSource | None], plan: Plan
) -> None:
    """Finite values close to the largest float have no deviation to divide by."""
    for name, values in zip(plan.channels, image, strict=True):
        source = sources.get(name)
        if source is not None and not np.isfinite(values).all():
            problem = "its values are too large to compute with; is the file damaged?"
            raise ScanError(source.scan_id, problem)


def _channel(
    out: Mapping[str, Any], name: str, shape: tuple[int, ...], plan: Plan
) -> NDArray[np.float32]:
    if name in out:
        return np.asarray(out[name][0].numpy(), dtype=np.float32)
    absent = 0.0 if plan.normalisation[name] == "zscore" else np.nan
    return np.full(shape, absent, dtype=np.float32)


def _own_error(error: BaseException) -> VoxrayError | None:
    """MONAI wraps whatever a transform raises; find what a reader of ours said."""
    inner: BaseException | None = error
    while inner is not None and not isinstance(inner, VoxrayError):
        inner = inner.__cause__
    return inner


def _structures(values: NDArray[np.float32], plan: Plan) -> NDArray[np.uint8]:
    labels = np.zeros(values.shape, dtype=np.uint8)
    for index, value in enumerate(plan.mask_values, start=1):
        labels[values == value] = index
    return labels


def label_map(shares: NDArray[np.float32], plan: Plan) -> NDArray[np.uint16]:
    """The likeliest structure per voxel, as the value it has in mask files.

    Args:
        shares: (1 + structure, i, j, k).
        plan: Gives the values.

    Raises:
        ValueError: If a share is NaN, which would read as background.
    """
    if np.isnan(shares.max()):
        msg = "a mask probability is NaN; the network or the scan holds no numbers"
        raise ValueError(msg)
    values = np.array((0, *plan.mask_values), dtype=np.uint16)
    return np.asarray(values[shares.argmax(axis=0)])


def volumes_ml(labels: NDArray[Any], grid: VoxelGrid, plan: Plan) -> dict[str, float]:
    """Volume per structure in millilitres.

    Args:
        labels: (i, j, k) mask values on `grid`.
        grid: Gives the voxel size.
        plan: Gives names and values.
    """
    voxel_ml = abs(float(np.linalg.det(grid.affine[:3, :3]))) / 1000
    values = zip(plan.structures, plan.mask_values, strict=True)
    return {name: int((labels == value).sum()) * voxel_ml for name, value in values}
