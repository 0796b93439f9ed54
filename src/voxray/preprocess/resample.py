"""From one spacing to another: smoothed first where the new one is coarser.

Picking voxels at a coarser spacing lets fine texture and noise appear as structure
that is not there (aliasing). A Gaussian of deviation (ratio - 1) / 2 voxels, as in
scikit-image's `resize` and MONAI's `Resize`, takes away what the new grid cannot hold.
MONAI's `Spacing` has no such step, and holds several copies of a volume in double
precision; here each axis is a narrow matrix, applied to a few planes at a time.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from monai.transforms.transform import MapTransform
from numpy.typing import NDArray
from scipy import sparse

from voxray.core.errors import VoxrayError
from voxray.core.geometry import Shape, is_plane
from voxray.core.wording import crossed
from voxray.preprocess.machine import memory_bytes
from voxray.preprocess.pixel_size import counted_spacing

_SAME = 1e-4  # voxels; a grid this near is the same
_REACH = 3.0  # deviations of the Gaussian that count
_SLAB_VOXELS = 4_000_000
_BYTES_AN_INPUT, _BYTES_BESIDE = 8, 8  # a voxel of the new grid, in 32 bits
_SHARE_OF_MEMORY = 0.3  # for one exam: others are prepared at the same time


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
        self,
        keys: Sequence[str],
        spacing_mm: Sequence[float],
        labels: Sequence[str],
        longer_side_mm: float | None = None,
    ) -> None:
        """Give the spacing along R, A, S; a key that the data lacks is passed over."""
        super().__init__(keys, allow_missing_keys=True)
        self.spacing_mm = tuple(spacing_mm)
        self.labels = frozenset(labels)
        self.longer_side_mm = longer_side_mm

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Resample every tensor; one that has the spacing is given on.

        Raises:
            NoRoomError: Of a coarse scan among much finer ones, or one far too large.
        """
        out = dict(data)
        for key in self.key_iterator(out):
            out[key] = self._resampled(out.pop(key), is_label=key in self.labels)
        return out

    def _resampled(self, tensor: MetaTensor, *, is_label: bool) -> MetaTensor:
        affine = np.asarray(tensor.affine, dtype=np.float64).copy()
        i, j, k = np.linalg.norm(affine[:3, :3], axis=0).tolist()
        shape = (tensor.shape[1], tensor.shape[2], tensor.shape[3])
        old = counted_spacing(shape, (i, j, k), self.longer_side_mm)
        to_edges = self.longer_side_mm is not None and is_plane(shape)
        axes = [
            Resampling.of(n, new / mm, to_edges=to_edges)
            for n, new, mm in zip(shape, self.spacing_mm, old, strict=True)
        ]
        self._check_size(shape, [axis.size for axis in axes])
        affine[:3, 3] += affine[:3, :3] @ [axis.first for axis in axes]
        affine[:3, :3] *= [axis.ratio for axis in axes]
        values = np.asarray(tensor.as_tensor()[0])
        read = nearest if is_label else smoothed
        result = torch.from_numpy(read(values, axes))
        return MetaTensor(result[None], affine=torch.from_numpy(affine))

    def _check_size(self, shape: Shape, sizes: Sequence[int]) -> None:
        """Refuse before memory is taken that is not there."""
        n_inputs = len(set(self.keys) - self.labels)
        needed = math.prod(sizes) * (_BYTES_AN_INPUT * n_inputs + _BYTES_BESIDE)
        there = _SHARE_OF_MEMORY * memory_bytes()
        if needed <= there:
            return
        msg = (
            f"{crossed(shape)} voxels become {crossed(sizes)} at the plan's spacing "
            f"of {crossed(self.spacing_mm)} mm, which take {needed / 1e9:.0f} GB of "
            f"{there / 1e9:.0f}; set a coarser train.spacing_mm, or leave the scan out"
        )
        raise NoRoomError(msg)


@dataclass(frozen=True, slots=True)
class Resampling:
    """How one axis is read anew.

    Attributes:
        ratio: New spacing over the old one; 1 where the axis stays as it is.
        size: Voxels afterwards.
        first: Centre of the first new voxel, in old ones.
    """

    ratio: float
    size: int
    first: float = 0.0

    @classmethod
    def of(cls, size: int, ratio: float, *, to_edges: bool = False) -> Self:
        """Keep the centre of the first voxel, or both outer edges.

        Args:
            size: Voxels.
            ratio: New spacing over the old one.
            to_edges: For pictures: exports of several sizes share their edges.
        """
        if size == 1 or abs(ratio - 1) * (size - 1) < _SAME:
            return cls(1.0, size)
        if to_edges:
            return cls(ratio, max(1, round(size / ratio)), (ratio - 1) / 2)
        return cls(ratio, int(np.round((size - 1) / ratio + 1)))

    @property
    def places(self) -> NDArray[np.float64]:
        """Centres of the new voxels, in old ones."""
        return np.arange(self.size, dtype=np.float64) * self.ratio + self.first


def nearest(values: NDArray[Any], axes: Sequence[Resampling]) -> NDArray[Any]:
    """Read (i, j, k) at new places along each axis, without mixing any value."""
    for number, axis in enumerate(axes):
        if axis.ratio != 1:
            index = np.floor(axis.places + 0.5).astype(np.intp)
            index = np.clip(index, 0, values.shape[number] - 1)
            values = np.take(values, index, axis=number)
    return np.ascontiguousarray(values)


def smoothed(values: NDArray[Any], axes: Sequence[Resampling]) -> NDArray[np.float32]:
    """Read (i, j, k) at new places, linearly, smoothed where they lie farther apart.

    Args:
        values: Any real type.
        axes: How each is read.

    Returns:
        float32; a value linear in place stays linear, but for the border.
    """
    coarsest_first = sorted(range(values.ndim), key=lambda axis: -axes[axis].ratio)
    for number in coarsest_first:
        if axes[number].ratio != 1:
            weights = axis_weights(values.shape[number], axes[number])
            values = _along(values, number, weights)
    return np.ascontiguousarray(values, dtype=np.float32)


def axis_weights(size: int, axis: Resampling) -> sparse.csr_array:
    """Weight of each old voxel in each new one, (new, old); rows add up to 1."""
    places = np.clip(axis.places, 0, size - 1)
    below = np.floor(places).astype(np.intp)
    share = places - below
    taps = _gaussian(max(0.0, (axis.ratio - 1) / 2))
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
