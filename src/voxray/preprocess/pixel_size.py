"""Pictures whose pixels nobody measured: how large they count."""

from voxray.core.geometry import Shape, is_plane
from voxray.core.specs.plan import Spacing

LONGER_SIDE_MM = 256.0
"""Of a picture, where its pixel size does not count. Any number would do: it says
nothing of the patient, and makes an export of half the size the same input."""


def counted_spacing(
    shape: Shape, spacing_mm: Spacing, longer_side_mm: float | None
) -> Spacing:
    """Spacing that plan, resampling and training range go by, along the same axes.

    Pixels of a picture without a size say how it was exported. Counted as they are, a
    radiograph of 1000 pixels would be half as large as one of 2000.

    Args:
        shape: Voxels along each axis.
        spacing_mm: As read.
        longer_side_mm: What the longer side of a plane counts as, whatever its pixels;
            None: spacing is what was read, as it is of all volumes.
    """
    if longer_side_mm is None or not is_plane(shape):
        return spacing_mm
    sides = [n * mm for n, mm in zip(shape, spacing_mm, strict=True) if n > 1]
    factor = longer_side_mm / max(sides)
    i, j, k = (
        mm if n == 1 else mm * factor for n, mm in zip(shape, spacing_mm, strict=True)
    )
    return (i, j, k)
