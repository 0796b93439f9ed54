"""Is a scan like those the model was trained on? Asked before the network sees it."""

import math

from voxray.core.geometry import BODY_AXES, VoxelGrid, is_plane
from voxray.core.specs import ReferenceStatistics
from voxray.ingest import Look
from voxray.preprocess import ScanGeometry

_SPACING_FACTOR = 1.6
_EXTENT_FACTOR = 1.35
_VALUE_SHARE = 0.5
_COUNTED = "; the longer side of a picture counts as {:g} mm"


def range_problem(
    modality: str,
    grid: VoxelGrid,
    references: ReferenceStatistics,
    longer_side_mm: float | None = None,
) -> str | None:
    """Why a scan is outside the training range, in words and numbers.

    Spacing may leave the range by a factor of 1.6 and the field of view by 1.35, per
    axis nearest R, A, S (docs/decisions/0005-reference-ranges-and-factors.md). A
    picture whose pixel size does not count may have any number of pixels more.

    Args:
        modality: DICOM code, "" for NIfTI, which has none and passes.
        grid: Of the scan as it came.
        references: Of the model.
        longer_side_mm: Of its plan.

    Returns:
        One sentence naming the first thing that does not fit; None when all fits.
    """
    known = references.modalities
    if modality and known and modality not in known:
        return f"modality is {modality}, the model was made from {', '.join(known)}"
    geometry = ScanGeometry.of(grid, modality).counted(longer_side_mm)
    counted = longer_side_mm is not None and is_plane(geometry.shape)
    checks = (
        ("spacing", geometry.spacing_mm, references.spacing_mm, _SPACING_FACTOR),
        ("field of view", geometry.extent_mm, references.extent_mm, _EXTENT_FACTOR),
    )
    for what, values, ranges, factor in checks:
        for axis, value, (low, high) in zip(BODY_AXES, values, ranges, strict=True):
            least = 0.0 if what == "spacing" and counted else low / factor
            if not least <= value <= high * factor:
                had = f"{low:.1f} to {high:.1f}" if high > low else f"{low:.1f}"
                said = f"{axis} {what} is {value:.1f} mm, training scans had {had} mm"
                return said + (_COUNTED.format(longer_side_mm) if counted else "")
    return None


def value_problem(look: Look, references: ReferenceStatistics) -> str | None:
    """Why the values of a scan are not in the units of the training scans.

    Darker darkest and brighter brightest values than those of training pass: padding,
    or metal. Else a percentile may leave their range by half of the usual distance
    between the darkest and the brightest (docs/decisions/0047-units-of-new-scans.md).

    Args:
        look: Of the scan as it came.
        references: Of the model.

    Returns:
        One sentence; None when the values fit, or have no unit.
    """
    known = references.values
    if known is None:
        return None
    slack = _VALUE_SHARE * known.span
    checks = (
        ("darkest", look.p0_5, known.darkest, (-math.inf, slack)),
        ("middle", look.p50, known.median, (-slack, slack)),
        ("brightest", look.p99_5, known.brightest, (-slack, math.inf)),
    )
    for what, value, (low, high), (below, above) in checks:
        if not low + below <= value <= high + above:
            return (
                f"{what} values are about {value:.4g}, training scans had {low:.4g} to "
                f"{high:.4g}: the scan may be in other units"
            )
    return None
