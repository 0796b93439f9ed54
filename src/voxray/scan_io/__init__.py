"""Scans in and out of files; the only door to DICOM and NIfTI libraries."""

from voxray.scan_io.archives import list_archive
from voxray.scan_io.bounds import size_problem
from voxray.scan_io.dicom import (
    SLICE_MODALITIES,
    DicomHeader,
    grey_facts,
    is_plane,
    pixel_size_mm,
    read_dicom_header,
    read_dicomdir,
    read_series,
)
from voxray.scan_io.encode import encode_png, encode_unplaced_nifti, split_nifti
from voxray.scan_io.files import open_scan
from voxray.scan_io.masks import (
    Drawing,
    MaskReferences,
    is_mask_modality,
    read_drawing,
    read_mask,
    read_mask_references,
)
from voxray.scan_io.mr_series import (
    MrPatient,
    MrScanner,
    MrSeriesHeader,
    write_mr_series,
)
from voxray.scan_io.nifti import (
    read_label_map,
    read_nifti_doubt,
    read_nifti_grid,
    read_nifti_volume,
    write_label_map,
)
from voxray.scan_io.pictures import read_picture_facts
from voxray.scan_io.sniff import FileKind, file_kind, inspect
from voxray.scan_io.volume import read_volume

__all__ = [
    "SLICE_MODALITIES",
    "DicomHeader",
    "Drawing",
    "FileKind",
    "MaskReferences",
    "MrPatient",
    "MrScanner",
    "MrSeriesHeader",
    "encode_png",
    "encode_unplaced_nifti",
    "file_kind",
    "grey_facts",
    "inspect",
    "is_mask_modality",
    "is_plane",
    "list_archive",
    "open_scan",
    "pixel_size_mm",
    "read_dicom_header",
    "read_dicomdir",
    "read_drawing",
    "read_label_map",
    "read_mask",
    "read_mask_references",
    "read_nifti_doubt",
    "read_nifti_grid",
    "read_nifti_volume",
    "read_picture_facts",
    "read_series",
    "read_volume",
    "size_problem",
    "split_nifti",
    "write_label_map",
    "write_mr_series",
]
