"""Whether a NIfTI header says where its voxels lie, and says it once."""

from typing import Any

import numpy as np
from nibabel import Nifti1Header
from nibabel.spatialimages import HeaderDataError

SAME_PLACE_MM = 0.1


def place_doubt(header: Nifti1Header, shape: tuple[int, ...]) -> str | None:
    """Say why the place of the voxels is doubtful; None when it is not.

    Args:
        header: Of NIfTI-1, or of NIfTI-2, which is one too.
        shape: Voxels along all axes.
    """
    codes = int(header["sform_code"]), int(header["qform_code"])
    if max(codes) <= 0:
        return "the header states no place (sform and qform code 0), spacing only"
    if min(codes) <= 0:
        return None
    gap_mm = _largest_gap(header, shape)
    if gap_mm <= SAME_PLACE_MM:
        return None
    return (
        f"sform (code {codes[0]}) and qform (code {codes[1]}) place corners up to "
        f"{gap_mm:.3g} mm apart; the sform counts"
    )


def _largest_gap(header: Nifti1Header, shape: tuple[int, ...]) -> float:
    """Between a corner by sform and by qform; 0 if the qform cannot be read."""
    stored: Any = header  # nibabel is untyped
    try:
        gap = np.asarray(stored.get_sform()) - np.asarray(stored.get_qform())
    except (HeaderDataError, ValueError, FloatingPointError):
        return 0.0
    ends = [(0, n - 1) for n in (*shape, 1, 1, 1)[:3]]
    corners = np.stack(np.meshgrid(*ends, indexing="ij")).reshape(3, -1)
    moved = gap[:3, :3] @ corners + gap[:3, 3:]
    return float(np.linalg.norm(moved, axis=0).max())
