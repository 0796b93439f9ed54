"""Pictures whose pixels nobody measured: how large they count."""

import numpy as np

from voxray.core.geometry import Shape
from voxray.core.specs.plan import Spacing

LONGER_SIDE_MM = 256.0
"""Of a picture without a pixel size. Any number would do: it says nothing of the
patient, and makes an export of half the size the same input."""


def is_unmeasured(shape: Shape, spacing_mm: Spacing) -> bool:
    """Whether it is a plane with pixels of just 1 mm, as taken where none is stated."""
    return shape.count(1) == 1 and bool(np.allclose(spacing_mm, 1.0, rtol=0, atol=1e-6))


def counted_spacing(shape: Shape, spacing_mm: Spacing) -> Spacing:
    """Spacing that plan, resampling and training range go by, along the same axes.

    Pixels of a picture without a size say how it was exported. Counted as they are, a
    radiograph of 1000 pixels would be half as large as one of 2000.

    Args:
        shape: Voxels along each axis.
        spacing_mm: As read; returned for everything but such a picture.
    """
    if not is_unmeasured(shape, spacing_mm):
        return spacing_mm
    pixel = LONGER_SIDE_MM / max(shape)
    i, j, k = (1.0 if n == 1 else pixel for n in shape)
    return (i, j, k)
