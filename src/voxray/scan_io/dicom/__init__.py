"""DICOM series in. LPS becomes RAS+ here and nowhere else."""

from voxray.scan_io.dicom.directory import read_dicomdir
from voxray.scan_io.dicom.grey import grey_facts
from voxray.scan_io.dicom.header import DicomHeader
from voxray.scan_io.dicom.plane import SLICE_MODALITIES, is_plane, pixel_size_mm
from voxray.scan_io.dicom.reading import read_dicom_header
from voxray.scan_io.dicom.series import read_series

__all__ = [
    "SLICE_MODALITIES",
    "DicomHeader",
    "grey_facts",
    "is_plane",
    "pixel_size_mm",
    "read_dicom_header",
    "read_dicomdir",
    "read_series",
]
