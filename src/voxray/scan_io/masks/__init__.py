"""Masks in, on the grid of their scan: NIfTI, DICOM SEG and RTSTRUCT."""

from voxray.scan_io.masks.drawing import Drawing
from voxray.scan_io.masks.reading import read_drawing, read_mask
from voxray.scan_io.masks.references import (
    MaskReferences,
    is_mask_modality,
    read_mask_references,
)

__all__ = [
    "Drawing",
    "MaskReferences",
    "is_mask_modality",
    "read_drawing",
    "read_mask",
    "read_mask_references",
]
