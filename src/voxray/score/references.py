"""Is a scan like those the model was trained on? Asked before the network sees it."""

from voxray.core.geometry import VoxelGrid
from voxray.core.specs import ReferenceStatistics
from voxray.preprocess import ScanGeometry

_SPACING_FACTOR = 1.6
_EXTENT_FACTOR = 1.35
_AXES = ("left-right", "front-back", "foot-head")


def range_problem(
    modality: str, grid: VoxelGrid, references: ReferenceStatistics
) -> str | None:
    """Why a scan is outside the training range, in words and numbers.

    Spacing may leave the range by a factor of 1.6 and the field of view by 1.35, per
    axis nearest R, A, S (docs/decisions/0005-reference-ranges-and-factors.md).

    Args:
        modality: DICOM code, "" for NIfTI, which has none and passes.
        grid: Of the scan as it came.
        references: Of the model.

    Returns:
        One sentence naming the first thing that does not fit; None when all fits.
    """
    known = references.modalities
    if modality and known and modality not in known:
        return f"modality is {modality}, the model was made from {', '.join(known)}"
    geometry = ScanGeometry.of(grid, modality)
    checks = (
        ("spacing", geometry.spacing_mm, references.spacing_mm, _SPACING_FACTOR),
        ("field of view", geometry.extent_mm, references.extent_mm, _EXTENT_FACTOR),
    )
    for what, values, ranges, factor in checks:
        for axis, value, (low, high) in zip(_AXES, values, ranges, strict=True):
            if not low / factor <= value <= high * factor:
                had = f"{low:.1f} to {high:.1f}" if high > low else f"{low:.1f}"
                return f"{axis} {what} is {value:.1f} mm, training scans had {had} mm"
    return None
