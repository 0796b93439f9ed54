"""What a file, a record or an image is known by."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxray.core.geometry import VoxelGrid, to_nearest_ras
from voxray.core.records import Sha256

_BLOCK_BYTES = 1 << 20


def sha256_file(path: Path) -> Sha256:
    """Hash of a file's bytes, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            digest.update(block)
    return Sha256(digest.hexdigest())


def sha256_json(value: Any) -> Sha256:  # noqa: ANN401 - any JSON value
    """Hash of a JSON value; the order of keys does not matter."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return Sha256(hashlib.sha256(text.encode()).hexdigest())


def sha256_files(paths: Iterable[Path], root: Path) -> Sha256:
    """Hash over names (relative to `root`) and contents, in sorted order."""
    rows = {p.relative_to(root).as_posix(): sha256_file(p) for p in paths}
    return sha256_json(rows)


def sha256_pixels(voxels: NDArray[Any], grid: VoxelGrid) -> Sha256:
    """Hash of an image, the same for every lossless way of storing it.

    The shape as three uint32, then float32 little-endian voxels; axes are permuted and
    flipped to nearest RAS+ first, and the first axis runs fastest. Negative zero counts
    as zero.

    Args:
        voxels: (i, j, k) after modality rescale.
        grid: Where they sit.
    """
    turned, _ = to_nearest_ras(voxels, grid)
    digest = hashlib.sha256(np.array(turned.shape, dtype="<u4").tobytes())
    i, j, n_planes = turned.shape
    plane = np.empty((j, i), "<f4")  # one for all: copied once, hashed where it lies
    for k in range(n_planes):
        values = turned[:, :, k].T.astype("<f4", copy=False)
        np.add(values, np.float32(0), out=plane)
        digest.update(plane.data)
    return Sha256(digest.hexdigest())
