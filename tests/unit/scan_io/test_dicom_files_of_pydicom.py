"""No file that pydicom ships, however odd, may raise anything but a scan error."""

import contextlib
import warnings
from pathlib import Path

import pytest
from pydicom.data import get_testdata_files

from voxray.core.errors import ScanError
from voxray.core.records import FileFormat, ScanId, ScanSource
from voxray.scan_io import FileKind, file_kind, read_dicom_header, read_volume

FILES = sorted({Path(name) for name in get_testdata_files() if Path(name).is_file()})
DICOM = [path for path in FILES if file_kind(path) is FileKind.DICOM]


@pytest.mark.parametrize("path", DICOM, ids=lambda path: path.name)
def test_odd_file_is_read_or_refused_silently(path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_dicom_header(path)
        with contextlib.suppress(ScanError):
            read_volume(ScanSource(ScanId("s"), FileFormat.DICOM, (path,)))


def test_most_files_are_known_as_dicom():
    others = {path.name for path in FILES} - {path.name for path in DICOM}

    assert len(DICOM) > 90
    assert not {name for name in others if name.endswith(".dcm")} - {
        "ExplVR_BigEndNoMeta.dcm",
        "no_meta.dcm",
    }
