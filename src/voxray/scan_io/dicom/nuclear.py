"""Frames of reconstructed nuclear medicine images (DICOM PS3.3 C.8.4.15)."""

import numpy as np
from pydicom.dataset import Dataset

from voxray.scan_io.dicom import values
from voxray.scan_io.dicom.frame_header import FrameHeader
from voxray.scan_io.dicom.functional_groups import MOST_FRAMES, items_of

_SLICE_VECTOR = 0x00540080
_PARTS = 3


def reconstructed_frames(dataset: Dataset) -> tuple[FrameHeader, ...]:
    """Place the slices of a tomogram; empty for any other file.

    One position stands for the first slice, and the others follow along the normal, or
    against it if the spacing is negative. Tomograms of several gates, times or
    detectors are not told apart here, and give nothing.
    """
    detectors = items_of(dataset, "DetectorInformationSequence")
    n_frames = values.whole(dataset, "NumberOfFrames") or 1
    if not _is_tomogram(dataset, n_frames) or len(detectors) != 1:
        return ()
    position = values.point(detectors[0], "ImagePositionPatient")
    directions = values.reals(detectors[0], "ImageOrientationPatient", count=6)
    between = values.real(dataset, "SpacingBetweenSlices")
    if not (position and directions and between):
        return ()
    row, column = np.array(directions[:3]), np.array(directions[3:])
    steps = np.outer(np.arange(n_frames) * between, np.cross(row, column))
    places = (np.array(position) + steps).tolist()
    return tuple(
        FrameHeader(index=n, position_lps_mm=(x, y, z), orientation_lps=directions)
        for n, (x, y, z) in enumerate(places)
    )


def _is_tomogram(dataset: Dataset, n_frames: int) -> bool:
    """Whether each frame is the next slice of one reconstructed volume."""
    kind = values.texts(dataset, "ImageType")
    if len(kind) < _PARTS or kind[2] != "RECON TOMO" or not 1 < n_frames <= MOST_FRAMES:
        return False
    vector = values.reals(dataset, "SliceVector", count=n_frames)
    in_order = vector is None or vector == tuple(map(float, range(1, n_frames + 1)))
    return in_order and dataset.get("FrameIncrementPointer") == _SLICE_VECTOR
