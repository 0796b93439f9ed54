"""A codestream states its own size; one that differs from the header's is a bomb."""

import tracemalloc
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.encaps import generate_frames
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless

from tests.frame_makers import an_enhanced
from tests.makers import Series, a_slice, compressed, save_dicom
from voxray.core.errors import UnreadableScanError
from voxray.core.records import FileFormat, ScanId, ScanSource
from voxray.scan_io import read_volume
from voxray.scan_io.dicom.codestream import stated_size


def first_frame(name):
    dataset = pydicom.dcmread(Path(str(get_testdata_file(name))))
    return dataset, next(generate_frames(dataset.PixelData, number_of_frames=1))


@pytest.mark.parametrize(
    "name",
    [
        "JPGExtended.dcm",
        "SC_rgb_jpeg_dcmtk.dcm",
        "SC_rgb_jpeg_gdcm.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
        "MR_small_jp2klossless.dcm",
        "GDCMJ2K_TextGBR.dcm",
        "examples_jpeg2k.dcm",
    ],
)
def test_size_is_that_of_the_header(name):
    dataset, frame = first_frame(name)

    size = dataset.Rows, dataset.Columns, dataset.SamplesPerPixel
    assert stated_size(frame) == size


def test_boxes_before_the_codestream_are_passed():
    _, frame = first_frame("MR_small_jp2klossless.dcm")

    signature, header = b"\0\0\0\x0cjP  \r\n\x87\n", b"\0\0\0\x3cjp2h" + bytes(52)
    boxes = signature + header + b"\0\0\0\0jp2c"
    assert stated_size(boxes + frame) == (64, 64, 1)


@pytest.mark.parametrize(
    "frame",
    [b"", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8" + b"\xff" * 9999, b"\1\0\0\0RLE"],
)
def test_what_states_no_size_has_none(frame):
    assert stated_size(frame) is None


def enlarged(dataset, syntax):
    """The image, whose codestream claims 60,000 rows and columns."""
    content = bytearray(dataset.PixelData)
    large = (60_000).to_bytes(4, "big")
    if syntax == JPEG2000Lossless:
        place = content.index(b"\xff\x4f\xff\x51") + 8
        content[place : place + 8] = large * 2
    else:
        place = content.index(b"\xff\xf7") + 5
        content[place : place + 4] = large[2:] * 2
    dataset.PixelData = bytes(content)
    return dataset


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless])
@pytest.mark.parametrize("n_frames", [1, 2])
def test_frame_that_unpacks_to_more_is_refused_before_it_does(
    tmp_path, syntax, n_frames
):
    voxels = np.zeros((n_frames, 64, 64), np.uint16)
    series = Series(n_slices=n_frames, voxels=voxels)
    plain = a_slice(series, 0) if n_frames == 1 else an_enhanced(series)
    path = save_dicom(enlarged(compressed(plain, syntax), syntax), tmp_path / "a.dcm")
    frames = (0, 1) if n_frames > 1 else ()
    source = ScanSource(ScanId("s"), FileFormat.DICOM, (path,) * n_frames, frames)
    tracemalloc.start()

    with pytest.raises(UnreadableScanError, match=r"cannot be decoded .*ValueError"):
        read_volume(source)

    assert tracemalloc.get_traced_memory()[1] < 1 << 22
    tracemalloc.stop()


def test_a_box_without_length_is_refused_and_not_searched_for_ever():
    _, frame = first_frame("GDCMJ2K_TextGBR.dcm")
    second_box = len(b"\0\0\0\x0cjP  ") + 4
    broken = frame[:second_box] + bytes(4) + frame[second_box + 4 :]

    assert stated_size(frame) == (400, 400, 3)
    with pytest.raises(ValueError, match="a JP2 box has no length"):
        stated_size(broken)
