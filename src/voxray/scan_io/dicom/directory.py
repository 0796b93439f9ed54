"""A DICOMDIR: which files it names. Nothing else of it is used."""

from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

from voxray.core.errors import UnreadableScanError
from voxray.scan_io.dicom import values
from voxray.scan_io.dicom.opened import dicom_stream
from voxray.scan_io.dicom.quiet import READ_ERRORS, kind_of, quiet_pydicom


def read_dicomdir(path: Path, scan_id: str = "-") -> tuple[str, ...]:
    """Give the paths that a DICOMDIR names, relative to its folder.

    Returns:
        Sorted, each once; empty if it names none.

    Raises:
        UnreadableScanError: If it cannot be read.
    """
    try:
        with quiet_pydicom(), dicom_stream(path) as stream:
            records = pydicom.dcmread(stream, force=True).get("DirectoryRecordSequence")
            return tuple(sorted({p for r in records or () if (p := _path(r))}))
    except READ_ERRORS as error:
        problem = f"the DICOMDIR cannot be read: {kind_of(error)}"
        raise UnreadableScanError(scan_id, problem) from error


def _path(record: Dataset) -> str:
    """ReferencedFileID has a value per folder (PS3.3 F.3.2.2)."""
    return "/".join(values.texts(record, "ReferencedFileID"))
