"""Scans in and out of files; the only door to DICOM and NIfTI libraries."""

from voxray.scan_io.archives import list_archive
from voxray.scan_io.dicom import (
    DicomHeader,
    grey_facts,
    read_dicom_header,
    read_dicomdir,
    read_series,
)
from voxray.scan_io.encode import encode_png, encode_unplaced_nifti, split_nifti
from voxray.scan_io.files import open_scan
from voxray.scan_io.mr_series import (
    MrPatient,
    MrScanner,
    MrSeriesHeader,
    write_mr_series,
)
from voxray.scan_io.nifti import (
    read_label_map,
    read_nifti_grid,
    read_nifti_volume,
    write_label_map,
)
from voxray.scan_io.sniff import FileKind, file_kind, inspect
from voxray.scan_io.volume import read_volume

__all__ = [
    "DicomHeader",
    "FileKind",
    "MrPatient",
    "MrScanner",
    "MrSeriesHeader",
    "encode_png",
    "encode_unplaced_nifti",
    "file_kind",
    "grey_facts",
    "inspect",
    "list_archive",
    "open_scan",
    "read_dicom_header",
    "read_dicomdir",
    "read_label_map",
    "read_nifti_grid",
    "read_nifti_volume",
    "read_series",
    "read_volume",
    "split_nifti",
    "write_label_map",
    "write_mr_series",
]
