"""The frames of a file that holds more than one: enhanced images and mosaics."""

from pydicom.dataset import Dataset

from voxray.scan_io.dicom import values
from voxray.scan_io.dicom.frame_header import FrameHeader
from voxray.scan_io.dicom.functional_groups import enhanced_frames, is_enhanced
from voxray.scan_io.dicom.mosaic import mosaic_frames
from voxray.scan_io.dicom.nuclear import reconstructed_frames

__all__ = ["FrameHeader", "frames_of"]


def frames_of(dataset: Dataset) -> tuple[FrameHeader, ...]:
    """Give the frames of a file with what each says of its place and kind.

    Args:
        dataset: All elements before the pixels.

    Returns:
        One per frame, or per tile of a Siemens mosaic, in the order of the pixels.
        Empty for a file of one frame, and for one whose frames are not described, or
        not as many as it says: a film, or damage.
    """
    if is_enhanced(dataset):
        return enhanced_frames(dataset)
    if "MOSAIC" in values.texts(dataset, "ImageType"):
        return mosaic_frames(dataset)
    return reconstructed_frames(dataset)
