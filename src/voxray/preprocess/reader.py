"""The only way a scan enters a MONAI transform: through our own, checked readers."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.data.image_reader import ImageReader
from monai.data.meta_tensor import MetaTensor
from monai.transforms.transform import MapTransform

from voxray.core.geometry import VoxelGrid
from voxray.core.records import MaskSource, ScanSource, Volume
from voxray.scan_io import read_mask, read_volume

_INT16 = 2**15


class ScanReader(ImageReader):
    """Reads a scan that passed intake: its files are known, and in slice order.

    MONAI's own readers guess slice order and spacing of a DICOM folder, and are
    silently wrong on damaged ones.
    """

    def verify_suffix(self, filename: Any) -> bool:  # noqa: ANN401 - MONAI's signature
        """Any name will do: intake looked at the content."""
        return isinstance(filename, ScanSource)

    def read(self, data: Any, **_kwargs: Any) -> Volume:  # noqa: ANN401
        """Read the voxels of a `ScanSource`, in source order and units."""
        source: ScanSource = data
        return read_volume(source)

    def get_data(self, img: Volume) -> tuple[np.ndarray[Any, Any], dict[str, Any]]:
        """Voxels (i, j, k), and the metadata MONAI expects of a reader."""
        return img.voxels, {"affine": img.grid.affine.copy(), "space": "RAS"}


class MaskReader(ScanReader):
    """Reads a mask that passed intake."""

    def verify_suffix(self, filename: Any) -> bool:  # noqa: ANN401
        """Any name will do: intake looked at the content."""
        return isinstance(filename, MaskSource)

    def read(self, data: Any, **_kwargs: Any) -> Volume:  # noqa: ANN401
        """Read the integer voxels of a mask, on the grid of its scan."""
        source: MaskSource = data
        return read_mask(source)


class ReadScand(MapTransform):
    """Replace each source by a `MetaTensor` (1, i, j, k) with its affine.

    Takes the place of `LoadImaged`, which turns file names into text and a reader's
    error into a traceback; here a `ScanError` stays a `ScanError`.
    """

    def __init__(self, readers: Mapping[str, ScanReader]) -> None:
        """Give a reader per key; a key that the data lacks is passed over."""
        super().__init__(list(readers), allow_missing_keys=True)
        self.readers = readers

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Read every scan in `data`."""
        out = dict(data)
        for key in self.key_iterator(out):
            reader = self.readers[str(key)]
            voxels, meta = reader.get_data(reader.read(out[key]))
            tensor = torch.from_numpy(_for_torch(voxels))
            out[key] = MetaTensor(tensor[None], affine=torch.from_numpy(meta["affine"]))
        return out


def _for_torch(voxels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Labels of 16 bits or fewer stay small; no copy where none is needed."""
    if voxels.dtype.kind in "iu":
        fits = voxels.dtype in (np.uint8, np.int16) or voxels.max() < _INT16
        return np.array(voxels, np.int16 if fits else np.int32, order="C")
    return np.require(voxels, np.float32, "W")


def grid_of(tensor: MetaTensor, scan_id: str) -> VoxelGrid:
    """Grid of a (channel, i, j, k) tensor."""
    i, j, k = tensor.shape[1:]
    return VoxelGrid.from_affine(scan_id, (i, j, k), tensor.affine.numpy())
