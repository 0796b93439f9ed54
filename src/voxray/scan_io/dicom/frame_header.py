"""What one frame of a file says of itself."""

from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """What one frame, or one tile of a mosaic, says of itself; None: as the file says.

    Attributes:
        index: From 0, in the order of the pixels; of a mosaic, in slice order.
        position_lps_mm: Centre of the first voxel.
        stack: From 1: which of the stacks that the file names (StackID).
        dimensions: What the file counts besides place and stack (DimensionIndexValues).
        mosaic_tiles: Of a tile of a mosaic: how many tiles the plane holds.
    """

    index: int
    position_lps_mm: tuple[float, float, float] | None = None
    orientation_lps: tuple[float, ...] | None = None
    pixel_spacing_mm: tuple[float, float] | None = None
    slice_thickness_mm: float | None = None
    spacing_between_slices_mm: float | None = None
    rows: int | None = None
    columns: int | None = None
    image_type: tuple[str, ...] | None = None
    acquisition_number: int | None = None
    temporal_position: int | None = None
    echo_time_ms: float | None = None
    trigger_time_ms: float | None = None
    b_value: float | None = None
    diffusion_direction: tuple[float, float, float] | None = None
    stack: int | None = None
    dimensions: tuple[int, ...] | None = None
    mosaic_tiles: int | None = None

    def stated(self) -> dict[str, Any]:
        """Values that are not None, by name; without the index."""
        return {n: v for n in _NAMES if (v := getattr(self, n)) is not None}


_NAMES = [f.name for f in fields(FrameHeader) if f.name != "index"]
