"""Every file that pydicom ships, however odd: read as pydicom does, or refused."""

import warnings
from functools import cache
from pathlib import Path, PurePosixPath

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.data import get_testdata_files
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut

from tests.unit.ingest.makers import take_in
from voxray.core.errors import ScanError
from voxray.core.records import FileFormat, ScanId, ScanSource
from voxray.scan_io import FileKind, file_kind, read_dicom_header, read_volume
from voxray.scan_io.dicom.decode import opened_pixels
from voxray.scan_io.dicom.quiet import READ_ERRORS, quiet_pydicom

FILES = sorted({Path(name) for name in get_testdata_files() if Path(name).is_file()})
DICOM = [path for path in FILES if file_kind(path) is FileKind.DICOM]
LUMINANCE = [0.299, 0.587, 0.114]
IMAGES = [path for path in DICOM if read_dicom_header(path).has_pixels]
DAMAGED = {
    "JPEG-lossy.dcm",
    "JPEG2000-embedded-sequence-delimiter.dcm",
    "MR_truncated.dcm",
    "badVR.dcm",
    "meta_missing_tsyntax.dcm",
    "nested_priv_SQ.dcm",
}
WITHOUT_A_PLACE = {"JPEG2000.dcm", "JPGExtended.dcm"}
FILMS = {
    "SC_rgb_rle_16bit_2frame.dcm",
    "SC_rgb_rle_2frame.dcm",
    "SC_rgb_rle_32bit_2frame.dcm",
    "examples_ybr_color.dcm",
}
DOSES = {
    f"rtdose{kind}.dcm"
    for kind in ("", "_1frame", "_expb", "_expb_1frame", "_rle", "_rle_1frame")
}


def source(path: Path) -> ScanSource:
    frames = tuple(frame.index for frame in read_dicom_header(path).frames)
    files = (path,) * max(len(frames), 1)
    return ScanSource(ScanId("s"), FileFormat.DICOM, files, frames)


@cache
def silently_read(path: Path) -> NDArray[np.generic] | None:
    """Voxels; None if the file is refused."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return read_volume(source(path)).voxels
        except ScanError:
            return None


def by_pydicom(path: Path) -> NDArray[np.generic]:
    """Grey values (row, column) of one frame, before window and inversion."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(path, force=True)
        pixels = dataset.pixel_array
        kind = dataset.PhotometricInterpretation
        if kind == "PALETTE COLOR":
            pixels = apply_color_lut(pixels, dataset)
        if not kind.startswith("MONOCHROME"):
            return (pixels @ LUMINANCE).astype(np.float32)
        return np.asarray(apply_modality_lut(pixels, dataset), dtype=np.float32)


@pytest.mark.parametrize("path", DICOM, ids=lambda path: path.name)
def test_odd_file_is_read_as_pydicom_does_or_refused_silently(path):
    voxels = silently_read(path)

    if voxels is None or read_dicom_header(path).modality == "CR" or is_packed(path):
        return  # a radiograph is windowed; a packed file is beyond pydicom
    expected = by_pydicom(path)
    np.testing.assert_array_equal(voxels[:, :, 0].T, expected)


def is_packed(path):
    return path.read_bytes()[:2] == b"\x1f\x8b"


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.name)
def test_every_frame_is_decoded_as_by_pydicom_or_neither_can(path):
    with quiet_pydicom(), opened_pixels(path, "s") as file:
        expected = every_frame(path)
        if expected is None and not is_packed(path):
            with pytest.raises(READ_ERRORS):
                file.frame(0)
            return
        n_frames = 1 if expected is None else len(expected)
        decoded = [file.frame(index) for index in range(n_frames)]

    if expected is not None:
        np.testing.assert_array_equal(decoded, expected)


def every_frame(path: Path) -> NDArray[np.generic] | None:
    dataset = pydicom.dcmread(path, force=True)
    try:
        frames = np.asarray(dataset.pixel_array)
    except READ_ERRORS:
        return None
    return frames if int(dataset.get("NumberOfFrames") or 1) > 1 else frames[None]


def test_images_that_are_refused_are_known():
    refused = {path.name for path in IMAGES if silently_read(path) is None}

    assert len(IMAGES) - len(refused) >= 78
    assert refused <= DAMAGED | WITHOUT_A_PLACE | FILMS | DOSES


def test_every_file_is_accounted_for_by_a_code(tmp_path):
    folder = tmp_path / "scans"
    names = set()
    for number, path in enumerate(FILES):
        own = folder / f"{number:03d}" / path.name
        own.parent.mkdir(parents=True)
        own.write_bytes(path.read_bytes())
        names.add(PurePosixPath(own.relative_to(folder)))

    intake = take_in(folder)

    assert {row.path for row in intake.files} == names
    assert all(row.code for row in intake.files if row.disposition != "used")
    assert len(intake.records) > 20


def test_most_files_are_known_as_dicom():
    others = {path.name for path in FILES} - {path.name for path in DICOM}

    assert len(DICOM) > 90
    assert not {name for name in others if name.endswith(".dcm")} - {
        "ExplVR_BigEndNoMeta.dcm",
        "no_meta.dcm",
    }
