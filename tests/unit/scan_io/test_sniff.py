import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from pydicom.data import get_testdata_file

from tests.makers import (
    Series,
    a_slice,
    save_dicom,
    save_without_preamble,
    write_nifti,
)
from voxray.core.errors import UnreadableScanError
from voxray.scan_io import FileKind, file_kind, inspect, read_dicom_header


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
        gzip.compress(b"text" * 200, mtime=0),
        bz2.compress(b"text" * 200),
        b"BZh9 not bzip2 after all",
        lzma.compress(b"text" * 200),
        b"\xfd7zXZ\0 not xz after all",
        gzip.compress(b"\x89PNG\r\n\x1a\n" + b"\0" * 400, mtime=0),
        gzip.compress(b"PK\x03\x04" + b"\0" * 600, mtime=0),
        b"\0" * 600,
        b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0" * 600,
        gzip.compress(b"text" * 200, mtime=0)[:15],
    ],
)
def test_anything_else_is_other(tmp_path, content):
    path = tmp_path / "scan.dcm"
    path.write_bytes(content)

    assert file_kind(path) is FileKind.OTHER


def test_missing_file_is_named_by_its_scan_id(tmp_path):
    with pytest.raises(UnreadableScanError, match=r"scan 's1': .*cannot be opened: No"):
        file_kind(tmp_path / "DOE^JANE", "s1")


def packed(path):
    target = path.with_name(path.name + ".gz")
    target.write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    return target


def test_dicom_packed_with_gzip_is_dicom(tmp_path):
    path = save_dicom(a_slice(Series(), 0), tmp_path / "f.dcm")
    old = save_without_preamble(a_slice(Series(), 0), tmp_path / "old")

    assert file_kind(packed(path)) is FileKind.DICOM
    assert file_kind(packed(old)) is FileKind.DICOM


@pytest.mark.parametrize(
    "name", ["ExplVR_BigEndNoMeta.dcm", "ExplVR_LitEndNoMeta.dcm", "image_dfl.dcm"]
)
def test_big_endian_without_preamble_and_deflated_are_dicom(name):
    assert file_kind(Path(str(get_testdata_file(name)))) is FileKind.DICOM


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_png_and_jpeg_are_pictures(tmp_path, form):
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "IM1", form)

    assert file_kind(tmp_path / "IM1") is FileKind.PICTURE


def tar_of(path, mode="w", form=tarfile.PAX_FORMAT):
    with tarfile.open(path, mode, format=form) as archive:
        member = tarfile.TarInfo("scan/IM1")
        member.size = 5
        archive.addfile(member, io.BytesIO(b"hello"))
    return path


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT])
def test_tar_is_an_archive_however_it_is_packed(tmp_path, mode, form):
    assert file_kind(tar_of(tmp_path / "IM1", mode, form)) is FileKind.ARCHIVE


def test_tar_of_1979_is_an_archive(tmp_path):
    head = bytearray(tar_of(tmp_path / "a").read_bytes())
    head[257:265] = b"\0" * 8  # no word "ustar"
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head[:512])
    (tmp_path / "b").write_bytes(head)

    assert file_kind(tmp_path / "b") is FileKind.ARCHIVE


def zip_of(path, *names):
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "hello")
    return path


@pytest.mark.parametrize("names", [["scan/IM1"], []])
def test_zip_is_an_archive(tmp_path, names):
    assert file_kind(zip_of(tmp_path / "IM1", *names)) is FileKind.ARCHIVE


@pytest.mark.parametrize(
    "first", ["[Content_Types].xml", "mimetype", "META-INF/MANIFEST.MF", "images.npy"]
)
def test_document_or_array_that_is_a_zip_inside_is_other(tmp_path, first):
    assert file_kind(zip_of(tmp_path / "labels", first, "b")) is FileKind.OTHER


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("kind", [nib.Nifti1Pair, nib.Nifti2Pair])
def test_nifti_pair_is_a_header_and_its_voxels(tmp_path, kind, suffix):
    write_nifti(tmp_path / f"scan.img{suffix}", kind=kind)

    assert file_kind(tmp_path / f"scan.hdr{suffix}") is FileKind.NIFTI
    assert file_kind(tmp_path / f"scan.img{suffix}") is FileKind.NIFTI_PIXELS


def test_image_file_without_a_nifti_header_is_other(tmp_path):
    image = nib.AnalyzeImage(np.zeros((3, 3, 3), np.int16), np.eye(4))
    image.to_filename(tmp_path / "scan.img")
    (tmp_path / "alone.img").write_bytes(b"\0" * 600)

    kinds = {path.name: file_kind(path) for path in tmp_path.iterdir()}

    assert set(kinds.values()) == {FileKind.OTHER}
    assert {"scan.img", "scan.hdr", "alone.img"} <= kinds.keys()


def test_inspect_gives_kind_and_header_in_one_reading(tmp_path):
    dicom = save_dicom(a_slice(Series(), 3), tmp_path / "f")
    nifti = write_nifti(tmp_path / "a.nii")

    kind, header = inspect(dicom)

    assert (kind, header) == (FileKind.DICOM, read_dicom_header(dicom))
    assert inspect(nifti) == (FileKind.NIFTI, None)


def test_inspect_names_the_scan_whose_header_cannot_be_read(tmp_path):
    (tmp_path / "f").write_bytes(b"\0" * 128 + b"DICM" + b"\0" * 7)

    with pytest.raises(UnreadableScanError, match=r"scan 's7': the DICOM header"):
        inspect(tmp_path / "f", "s7")
