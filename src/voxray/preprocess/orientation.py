"""Turn volumes so that their axes lie nearest to R, A, S."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from monai.transforms.transform import MapTransform

from voxray.core.geometry import to_nearest_ras
from voxray.preprocess.reader import grid_of


class NearestRasd(MapTransform):
    """Permute and flip (1, i, j, k) tensors as `to_nearest_ras` does.

    MONAI's `Orientationd` takes the axes of an oblique scan in another order now and
    then; the plan, and the range of the training scans, go by this one.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        """Name the tensors; a key that the data lacks is passed over."""
        super().__init__(keys, allow_missing_keys=True)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Turn every tensor; one that lies so is given on."""
        out = dict(data)
        for key in self.key_iterator(out):
            tensor: MetaTensor = out[key]
            values = np.asarray(tensor.as_tensor()[0])
            turned, grid = to_nearest_ras(values, grid_of(tensor, str(key)))
            affine = torch.from_numpy(grid.affine.copy())
            made = torch.from_numpy(np.ascontiguousarray(turned))
            out[key] = MetaTensor(made[None], affine=affine)
        return out
