"""From mask probabilities to the label map of the scan as it came."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxray.core.geometry import VoxelGrid
from voxray.core.specs import Plan
from voxray.preprocess.clean_up import voxel_ml
from voxray.preprocess.regrid import slabs_on


def labels_on_source(
    shares: NDArray[np.floating[Any]], grid: VoxelGrid, source: VoxelGrid, plan: Plan
) -> NDArray[np.uint16]:
    """The likeliest structure at each voxel of the source scan.

    Probabilities are brought back, not labels, and only a few planes of them at a
    time: beside `shares` no more than the label map is held.

    Args:
        shares: (1 + structure, i, j, k) on `grid`.
        grid: Of the prepared exam.
        source: Of the scan as it came.
        plan: Gives the values that structures have in mask files.

    Raises:
        ValueError: If a share is NaN, which would read as background.
    """
    labels = np.empty(source.shape, dtype=np.uint16)
    for planes, slab in slabs_on(shares, grid, source):
        labels[planes] = label_map(slab, plan)
    return labels


def label_map(shares: NDArray[np.floating[Any]], plan: Plan) -> NDArray[np.uint16]:
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
    values = zip(plan.structures, plan.mask_values, strict=True)
    ml = voxel_ml(grid)
    return {name: int((labels == value).sum()) * ml for name, value in values}
