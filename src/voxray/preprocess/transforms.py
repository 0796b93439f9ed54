"""The MONAI `Compose` that turns a scan into a cached array, and the way back."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from monai.transforms.compose import Compose
from monai.transforms.intensity.dictionary import NormalizeIntensityd
from monai.transforms.spatial.dictionary import Orientationd, Spacingd
from numpy.typing import NDArray
from scipy import ndimage

from voxray.core.errors import VoxrayError
from voxray.core.geometry import VoxelGrid
from voxray.core.records import ScanSource
from voxray.core.specs import Plan
from voxray.preprocess.reader import MaskReader, ReadScand, ScanReader, grid_of

Key = Literal["image", "mask"]
_RAS_LABELS = (("L", "R"), ("P", "A"), ("I", "S"))


@dataclass(frozen=True, slots=True, eq=False)
class PreparedScan:
    """A scan as the network will see it.

    Attributes:
        image: (channel, i, j, k) float32, axes nearest R, A, S, at the plan's spacing;
            z-scores, or source units for "window" channels.
        mask: (i, j, k) uint8: 0 background, n + 1 the plan's structure n. None without.
        grid: Where the voxels sit.
    """

    image: NDArray[np.float32]
    mask: NDArray[np.uint8] | None
    grid: VoxelGrid


def build_transforms(plan: Plan, *, with_mask: bool) -> Compose:
    """Scan-wise preprocessing: read, orient, resample, normalise by the scan itself.

    Takes `{"image": ScanSource, "mask": ScanSource}` and gives tensors. Nothing here
    depends on another scan, so that it may run before patients are split.
    """
    keys: list[Key] = ["image", "mask"] if with_mask else ["image"]
    readers = {"image": ScanReader(), "mask": MaskReader()}
    modes = ["bilinear", "nearest"][: len(keys)]
    steps: list[Any] = [
        ReadScand({key: readers[key] for key in keys}),
        Orientationd(keys, axcodes="RAS", labels=_RAS_LABELS),
        Spacingd(keys, pixdim=plan.spacing_mm, mode=modes, padding_mode="border"),
    ]
    if plan.normalisation[plan.channels[0]] == "zscore":
        steps.append(NormalizeIntensityd("image"))
    return Compose(steps)


def prepare_scan(
    source: ScanSource, mask: ScanSource | None, plan: Plan
) -> PreparedScan:
    """Run the transforms on one scan.

    Raises:
        ScanError: If the scan or its mask cannot be read.
    """
    data = {"image": source} if mask is None else {"image": source, "mask": mask}
    try:
        out = build_transforms(plan, with_mask=mask is not None)(data)
    except RuntimeError as error:
        own = _own_error(error)
        if own is None:
            raise
        raise own from error
    image = np.ascontiguousarray(out["image"].numpy(), dtype=np.float32)
    labels = None if mask is None else _structures(out["mask"][0].numpy(), plan)
    return PreparedScan(image, labels, grid_of(out["image"], source.scan_id))


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


def to_source_grid(
    shares: NDArray[np.float32], grid: VoxelGrid, source: VoxelGrid
) -> NDArray[np.float32]:
    """Read shares at the voxel centres of the source scan, linearly.

    Args:
        shares: (channel, i, j, k) on `grid`.
        grid: Of the prepared scan.
        source: Of the scan as it came.

    Returns:
        (channel, i, j, k) on `source`; a centre outside `grid` gets the nearest voxel.
    """
    step = np.linalg.inv(grid.affine) @ source.affine
    read = np.empty((len(shares), *source.shape), dtype=np.float32)
    for channel, target in zip(shares, read, strict=True):
        ndimage.affine_transform(
            channel, step[:3, :3], step[:3, 3], output=target, order=1, mode="nearest"
        )
    return read


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
