"""The frames of a file that holds more than one: enhanced images and mosaics."""

from dataclasses import dataclass, fields
from typing import Any

from pydicom.dataset import Dataset


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """What one frame, or one tile of a mosaic, says of itself; None: as the file says.

    Attributes:
        index: From 0, in the order of the pixels; of a mosaic, in slice order.
        position_lps_mm: Centre of the first voxel.
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
    mosaic_tiles: int | None = None

    def stated(self) -> dict[str, Any]:
        """Values that are not None, by name; without the index."""
        names = [f.name for f in fields(self) if f.name != "index"]
        return {n: getattr(self, n) for n in names if getattr(self, n) is not None}


def frames_of(dataset: Dataset) -> tuple[FrameHeader, ...]:
    """Give the frames of a file; empty for a file of one frame."""
    del dataset
    return ()
