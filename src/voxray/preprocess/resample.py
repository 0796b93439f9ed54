"""From one spacing to another: smoothed first where the new one is coarser.

Picking voxels at a coarser spacing lets fine texture and noise appear as structure
that is not there (aliasing). A Gaussian of deviation (ratio - 1) / 2 voxels, as in
scikit-image's `resize` and MONAI's `Resize`, takes away what the new grid cannot hold.
MONAI's `Spacing` has no such step, and holds several copies of a volume in double
precision; here each axis is a narrow matrix, applied to a few planes at a time.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from monai.transforms.transform import MapTransform
from numpy.typing import NDArray
from scipy import sparse

from voxray.core.errors import VoxrayError
from voxray.core.geometry import Shape
from voxray.preprocess.machine import memory_bytes
from voxray.preprocess.pixel_size import counted_spacing

_SAME = 1e-4  # voxels; a grid this near is the same
_REACH = 3.0  # deviations of the Gaussian that count
_SLAB_VOXELS = 4_000_000
_BYTES_A_VOXEL = 16  # of the new grid: at most four copies in 32 bits


class NoRoomError(VoxrayError):
    """A volume would be larger than the memory at the spacing asked for."""


class Resampled(MapTransform):
    """Bring (1, i, j, k) tensors to a spacing along their own axes.

    The centre of the first voxel stays where it is, as with MONAI's `Spacing`; axes
    keep their directions, and the affine says where every voxel is. Beyond the last
    voxel its value is repeated. An axis of one voxel keeps its thickness, and with it
    the volume of a voxel. Values named in `labels` are never mixed: each new voxel
    takes the nearest.
    """

    def __init__(
        self, keys: Sequence[str], spacing_mm: Sequence[float], labels: Sequence[str]
    ) -> None:
        """Give the spacing along R, A, S; a key that the data lacks is passed over."""
        super().__init__(keys, allow_missing_keys=True)
        self.spacing_mm = tuple(spacing_mm)
        self.labels = frozenset(labels)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Resample every tensor; one that has the spacing is given on."""
        out = dict(data)
        for key in self.key_iterator(out):
            out[key] = self._resampled(out.pop(key), is_label=key in self.labels)
        return out

    def _resampled(self, tensor: MetaTensor, *, is_label: bool) -> MetaTensor:
        affine = np.asarray(tensor.affine, dtype=np.float64).copy()
        i, j, k = np.linalg.norm(affine[:3, :3], axis=0).tolist()
        shape = (tensor.shape[1], tensor.shape[2], tensor.shape[3])
        old = counted_spacing(shape, (i, j, k))
        ratios = [
            new / mm if size > 1 else 1.0
            for new, mm, size in zip(self.spacing_mm, old, shape, strict=True)
        ]
        self._check_size(shape, ratios)
        affine[:3, :3] *= ratios
        values = np.asarray(tensor.as_tensor()[0])
        read = nearest if is_label else smoothed
        result = torch.from_numpy(read(values, ratios))
        return MetaTensor(result[None], affine=torch.from_numpy(affine))

    def _check_size(self, shape: Shape, ratios: Sequence[float]) -> None:
        """Refuse before memory is taken that is not there.

        Raises:
            NoRoomError: Of a coarse scan among much finer ones, or one far too large.
        """
        sizes = [
            n if _unchanged(n, ratio) else _new_size(n, ratio)
            for n, ratio in zip(shape, ratios, strict=True)
        ]
        needed, there = math.prod(sizes) * _BYTES_A_VOXEL, memory_bytes()
        if needed <= there:
            return
        msg = (
            f"{_crossed(shape)} voxels become {_crossed(sizes)} at the plan's spacing "
            f"of {_crossed(self.spacing_mm)} mm, which take {needed / 1e9:.0f} GB of "
            f"{there / 1e9:.0f}; set a coarser train.spacing_mm, or leave the scan out"
        )
        raise NoRoomError(msg)


def _crossed(values: Sequence[float]) -> str:
    return " x ".join(f"{value:g}" for value in values)


def nearest(values: NDArray[Any], ratios: Sequence[float]) -> NDArray[Any]:
    """Read (i, j, k) at every `ratio`-th voxel, without mixing any."""
    for axis, ratio in enumerate(ratios):
        size = values.shape[axis]
        if not _unchanged(size, ratio):
            places = np.floor(np.arange(_new_size(size, ratio)) * ratio + 0.5)
            index = np.minimum(places.astype(np.intp), size - 1)
            values = np.take(values, index, axis=axis)
    return np.ascontiguousarray(values)


def smoothed(values: NDArray[Any], ratios: Sequence[float]) -> NDArray[np.float32]:
    """Read (i, j, k) at every `ratio`-th voxel, linearly, smoothed where it is coarser.

    Args:
        values: Any real type.
        ratios: New spacing over the old one, per axis.

    Returns:
        float32; a value linear in place stays linear, but for the border.
    """
    coarsest_first = sorted(range(values.ndim), key=lambda axis: -ratios[axis])
    for axis in coarsest_first:
        if not _unchanged(values.shape[axis], ratios[axis]):
            weights = axis_weights(values.shape[axis], ratios[axis])
            values = _along(values, axis, weights)
    return np.ascontiguousarray(values, dtype=np.float32)


def _unchanged(size: int, ratio: float) -> bool:
    return size == 1 or abs(ratio - 1) * (size - 1) < _SAME


def _new_size(size: int, ratio: float) -> int:
    return int(np.round((size - 1) / ratio + 1))


def axis_weights(size: int, ratio: float) -> sparse.csr_array:
    """Weight of each old voxel in each new one, (new, old); rows add up to 1."""
    places = np.minimum(np.arange(_new_size(size, ratio)) * ratio, size - 1)
    below = np.floor(places).astype(np.intp)
    share = places - below
    taps = _gaussian(max(0.0, (ratio - 1) / 2))
    reach = len(taps) // 2
    rows, columns, weights = [], [], []
    for shift, tap in enumerate(taps, start=-reach):
        for step, part in ((0, 1 - share), (1, share)):
            rows.append(np.arange(len(places)))
            columns.append(np.clip(below + step + shift, 0, size - 1))
            weights.append(tap * part)
    entries = (np.concatenate(rows), np.concatenate(columns))
    matrix = sparse.coo_array(
        (np.concatenate(weights), entries), shape=(len(places), size)
    )
    return matrix.tocsr().astype(np.float32)


def _gaussian(deviation: float) -> NDArray[np.float64]:
    """Odd number of weights that add up to 1."""
    reach = math.ceil(_REACH * deviation)
    if reach == 0:
        return np.ones(1)
    places = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (places / deviation) ** 2)
    return np.asarray(weights / weights.sum())


def _along(
    values: NDArray[Any], axis: int, weights: sparse.csr_array
) -> NDArray[np.float32]:
    """Apply the matrix along an axis, a slab of another axis at a time."""
    other = 1 if axis == 0 else 0
    shape = list(values.shape)
    shape[axis] = weights.shape[0]
    out = np.empty(shape, dtype=np.float32)
    thick = max(1, _SLAB_VOXELS * values.shape[other] // values.size)
    for start in range(0, values.shape[other], thick):
        part: list[slice] = [slice(None)] * values.ndim
        part[other] = slice(start, start + thick)
        slab = np.moveaxis(values[tuple(part)], axis, 0)
        flat = np.ascontiguousarray(slab, dtype=np.float32).reshape(len(slab), -1)
        done = (weights @ flat).reshape(-1, *slab.shape[1:])
        out[tuple(part)] = np.moveaxis(done, 0, axis)
    return out


_SQUARE_FITS = 1e15
"""The square of what is larger may be more than a float32 holds, once summed up."""


class ZScored(MapTransform):
    """Subtract a scan's own mean and divide by its deviation, in place.

    A scan of one value becomes 0.
    """

    def __init__(self, keys: Sequence[str], *, together: bool = False) -> None:
        """Name the channels; one that the data lacks is passed over.

        Args:
            keys: Channels.
            together: Whether one mean and deviation is of all: of colours, which would
                lose their cast otherwise.
        """
        super().__init__(keys, allow_missing_keys=True)
        self.together = together

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Normalise every channel, or all together, over all voxels."""
        out = dict(data)
        tensors = [out[key].as_tensor() for key in self.key_iterator(out)]
        if not self.together:
            for values in tensors:
                _score(values)
            return out
        joined = torch.stack(tensors)
        _score(joined)
        for values, scored in zip(tensors, joined, strict=True):
            values.copy_(scored)
        return out


def _score(values: torch.Tensor) -> None:
    low, high = torch.aminmax(values)
    largest = float(torch.maximum(-low, high))
    if largest > _SQUARE_FITS:
        values.div_(largest)
    variance, mean = torch.var_mean(values, correction=0)
    values.sub_(mean).div_(variance.sqrt() if variance > 0 else 1.0)
