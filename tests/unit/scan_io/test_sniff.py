import gzip

import nibabel as nib
import pytest

from tests.makers import (
    Series,
    a_slice,
    save_dicom,
    save_without_preamble,
    write_nifti,
)
from voxray.core.errors import UnreadableScanError
from voxray.scan_io import FileKind, file_kind


@pytest.mark.parametrize("name", ["IM0001", "a.dcm", "a.nii.gz", "12.5"])
def test_dicom_is_known_by_its_content_whatever_its_name(tmp_path, name):
    path = save_dicom(a_slice(Series(), 0), tmp_path / name)

    assert file_kind(path) is FileKind.DICOM


def test_dicom_without_preamble_is_dicom(tmp_path):
    path = save_without_preamble(a_slice(Series(), 0), tmp_path / "old")

    assert file_kind(path) is FileKind.DICOM


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nifti_is_known_by_its_content_whatever_its_name(tmp_path, kind, suffix):
    path = write_nifti(tmp_path / f"scan{suffix}", kind=kind)

    assert file_kind(path.rename(tmp_path / "scan.dcm")) is FileKind.NIFTI


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"patient,label\n1,0\n" * 50,
        b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100" + b"\x99" * 400,
        b"\x02\x00\x10\x00",
        b"\x1f\x8b not gzip after all",
        gzip.compress(b"text" * 200),
        gzip.compress(b"\0" * 128 + b"DICM" + b"\0" * 400),
        gzip.compress(b"text" * 200)[:15],
    ],
)
def test_anything_else_is_other(tmp_path, content):
    path = tmp_path / "scan.dcm"
    path.write_bytes(content)

    assert file_kind(path) is FileKind.OTHER


def test_missing_file_is_named_by_its_scan_id(tmp_path):
    with pytest.raises(UnreadableScanError, match=r"scan 's1': .*cannot be opened: No"):
        file_kind(tmp_path / "DOE^JANE", "s1")
