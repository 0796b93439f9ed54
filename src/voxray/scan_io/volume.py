"""One way in for voxels, whatever the format."""

from voxray.core.errors import UnreadableScanError
from voxray.core.records import FileFormat, ScanSource, Volume
from voxray.scan_io.dicom import read_series
from voxray.scan_io.nifti import read_nifti_volume


def read_volume(source: ScanSource) -> Volume:
    """Read a scan's voxels.

    Args:
        source: One NIfTI file, or the slices of a DICOM series in order.

    Returns:
        float32 (i, j, k) in source order after the rescale the file states, RAS+
        affine.

    Raises:
        UnreadableScanError: If a file is missing, truncated, or cannot be decoded.
        GeometryError: If the voxels cannot be placed, or are not one volume.
    """
    match source.format:
        case FileFormat.DICOM:
            return read_series(source)
        case FileFormat.NIFTI:
            return read_nifti_volume(source)
        case FileFormat.PICTURE:
            raise UnreadableScanError(source.scan_id, "pictures are not read yet")
