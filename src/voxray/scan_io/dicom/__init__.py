"""DICOM series in. LPS becomes RAS+ here and nowhere else."""

from voxray.scan_io.dicom.header import DicomHeader, read_dicom_header
from voxray.scan_io.dicom.series import read_series

__all__ = ["DicomHeader", "read_dicom_header", "read_series"]
