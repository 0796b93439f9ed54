"""One way in for voxels, whatever the format."""

from collections.abc import Sequence

from voxray.core.records import FileFormat, ScanSource, Volume
from voxray.scan_io.dicom import DicomHeader, read_series
from voxray.scan_io.nifti import read_nifti_volume
from voxray.scan_io.pictures import read_picture


def read_volume(source: ScanSource, known: Sequence[DicomHeader] = ()) -> Volume:
    """Read a scan's voxels.

    Args:
        source: One NIfTI file or picture, or the slices of a DICOM series in order.
        known: Header of each DICOM file, if they were read before; else none.

    Returns:
        float32 (i, j, k) in source order after the rescale the file states, RAS+
        affine. A 2D image has one slice.

    Raises:
        UnreadableScanError: If a file is missing, truncated, or cannot be decoded.
        TooLargeError: If it declares more voxels than the bound for one scan.
        GeometryError: If the voxels cannot be placed, or are not one volume.
    """
    match source.format:
        case FileFormat.DICOM:
            return read_series(source, known)
        case FileFormat.NIFTI:
            return read_nifti_volume(source)
        case FileFormat.PICTURE:
            return read_picture(source)
