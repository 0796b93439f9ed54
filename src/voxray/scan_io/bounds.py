"""How large a scan may be."""

from collections.abc import Sequence
from math import prod

from voxray.core.errors import TooLargeError

MAX_VOXELS = 1 << 31
"""Of one scan: 8 GiB as float32, a CT of 2048 slices of 1024 x 1024."""


def size_problem(shape: Sequence[int]) -> str | None:
    """Say why a scan of this shape is not read; None if it may be."""
    n_voxels = prod(shape)
    if n_voxels <= MAX_VOXELS:
        return None
    sizes = " x ".join(map(str, shape))
    return f"the header declares {sizes} voxels, more than {MAX_VOXELS} in all"


def check_size(scan_id: str, shape: Sequence[int]) -> None:
    """Refuse a scan before memory is taken for it.

    Args:
        scan_id: Named in the error.
        shape: As the header declares it.

    Raises:
        TooLargeError: If it has more than `MAX_VOXELS` voxels.
    """
    problem = size_problem(shape)
    if problem is not None:
        raise TooLargeError(scan_id, problem)
