"""From stored values to grey values: known answers, a few pixels each."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian, RLELossless

from tests.frame_makers import an_enhanced, nested
from tests.makers import Series, a_slice, compressed, save_dicom, set_pixels
from voxray.core.errors import UnreadableScanError
from voxray.core.findings import FindingCode
from voxray.core.records import FileFormat, ScanId, ScanSource, Volume
from voxray.scan_io import grey_facts, read_dicom_header, read_volume

NO_PLACE = {"ImagePositionPatient": None, "ImageOrientationPatient": None}


def an_image(stored: NDArray[Any], modality: str = "DX", **extra: Any) -> Dataset:
    """One image of these rows of stored values; a radiograph by default."""
    pixels = np.array([stored])
    place = NO_PLACE if modality not in {"CT", "MR", "PT"} else {}
    series = Series(
        modality=modality, voxels=pixels, n_slices=1, extra={**place, **extra}
    )
    return a_slice(series, 0)


def words(*rows: list[int], dtype: Any = np.uint16) -> NDArray[Any]:
    return np.array(rows, dtype)


def read(path: Path, *repairs: FindingCode) -> Volume:
    source = ScanSource(ScanId("s"), FileFormat.DICOM, (path,), repairs=repairs)
    return read_volume(source)


def grey(tmp_path: Path, dataset: Dataset, *repairs: FindingCode) -> list[list[float]]:
    """Grey values, row by row."""
    path = save_dicom(dataset, tmp_path / "a.dcm")
    return [list(row) for row in read(path, *repairs).voxels[:, :, 0].T.tolist()]


def facts(tmp_path: Path, dataset: Dataset) -> dict[str, str]:
    path = save_dicom(dataset, tmp_path / "facts.dcm")
    return {str(k): v for k, v in grey_facts(read_dicom_header(path)).items()}


def a_table(first: int, *entries: int, bits: int = 16, signed: bool = False) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if signed else "US", [len(entries), first, bits])
    item.add_new("LUTData", "US", list(entries))
    return item


# Bits


def test_bits_above_the_stored_ones_are_ignored(tmp_path):
    dataset = an_image(words([0xF123, 0x0FFF]), BitsStored=12, HighBit=11)

    assert grey(tmp_path, dataset) == [[0x123, 0xFFF]]


def test_sign_stands_in_the_highest_stored_bit(tmp_path):
    stored = words([0x0800, 0x07FF, 0x7FFF], dtype=np.int16)
    dataset = an_image(stored, BitsStored=12, HighBit=11)

    assert grey(tmp_path, dataset) == [[-2048, 2047, -1]]


@pytest.mark.parametrize("syntax", [None, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_values_that_are_not_at_the_right_are_moved_there(tmp_path, syntax):
    dataset = an_image(words([0x1230, 0xFFF5]), BitsStored=12, HighBit=15)
    if syntax is not None:
        dataset.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = words([0x1230, 0xFFF5]).byteswap().tobytes()

    assert grey(tmp_path, dataset) == [[0x123, 0xFFF]]


@pytest.mark.parametrize("bits", [1, 7, 10, 12, 16])
def test_odd_bit_depths_agree_with_pydicom(tmp_path, bits):
    stored = np.random.default_rng(bits).integers(0, 1 << 16, (6, 4), np.uint16)
    dataset = an_image(stored, BitsStored=bits, HighBit=bits - 1)
    path = save_dicom(dataset, tmp_path / "a.dcm")

    expected = dataset.pixel_array

    np.testing.assert_array_equal(read(path).voxels[:, :, 0].T, expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16, np.int32])
def test_integers_of_every_size_are_read(tmp_path, dtype):
    limits = np.iinfo(dtype)
    stored = words([limits.min, 1], [7, limits.max], dtype=dtype)

    assert grey(tmp_path, an_image(stored)) == stored.astype(np.float32).tolist()


def test_single_bits_are_unpacked(tmp_path):
    dataset = an_image(words([0] * 8, dtype=np.uint8))
    dataset.BitsAllocated = dataset.BitsStored = 1
    dataset.HighBit, dataset.PixelData = 0, b"\x05\x00"

    assert grey(tmp_path, dataset) == [[1, 0, 1, 0, 0, 0, 0, 0]]


@pytest.mark.parametrize(
    ("keyword", "dtype"), [("FloatPixelData", "f4"), ("DoubleFloatPixelData", "f8")]
)
def test_real_numbers_are_read(tmp_path, keyword, dtype):
    dataset = an_image(words([0, 0]))
    for absent in ("PixelData", "BitsStored", "HighBit", "PixelRepresentation"):
        delattr(dataset, absent)
    dataset.BitsAllocated = 8 * np.dtype(dtype).itemsize
    setattr(dataset, keyword, np.array([0.25, -3.5], dtype).tobytes())

    assert grey(tmp_path, dataset) == [[0.25, -3.5]]


def test_real_numbers_that_are_none_stay_so_silently(tmp_path):
    dataset = an_image(words([0, 0]))
    for absent in ("PixelData", "BitsStored", "HighBit", "PixelRepresentation"):
        delattr(dataset, absent)
    dataset.BitsAllocated, dataset.RescaleSlope = 64, 1e9
    signalling = np.array([0x7FF0000000000001], np.uint64).tobytes()
    dataset.DoubleFloatPixelData = signalling + np.array([1e300]).tobytes()

    values = grey(tmp_path, dataset)[0]

    assert np.isnan(values[0])
    assert np.isinf(values[1])


# Modality rescale and table


@pytest.mark.parametrize(
    ("slope", "intercept"), [(1, -1024), (2, 0.5), (0.1, 3), (-1, 100), (1e-3, -7)]
)
def test_rescale_is_done_in_double_precision(tmp_path, slope, intercept):
    stored = words([0, 1, 2], [3, 1000, 65535])
    dataset = an_image(stored, RescaleSlope=slope, RescaleIntercept=intercept)

    expected = (stored.astype(float) * slope + intercept).astype(np.float32)

    assert grey(tmp_path, dataset) == expected.tolist()


@pytest.mark.parametrize("wrong", ["two", "1\\2"])
@pytest.mark.filterwarnings("ignore:Invalid value for VR")
def test_rescale_that_is_no_number_is_refused(tmp_path, wrong):
    dataset = an_image(words([0, 1]))
    dataset.add_new("RescaleSlope", "LO", wrong)

    with pytest.raises(UnreadableScanError, match=r"cannot be decoded .*ValueError"):
        grey(tmp_path, dataset)


def test_table_gives_its_ends_to_values_beyond_it(tmp_path):
    dataset = an_image(words([0, 9, 10, 11, 12, 500]))
    dataset.ModalityLUTSequence = [a_table(10, 100, 200, 300)]

    assert grey(tmp_path, dataset) == [[100, 100, 100, 200, 300, 300]]


def test_table_may_begin_below_zero(tmp_path):
    dataset = an_image(words([-5, -2, -1, 0], dtype=np.int16))
    dataset.ModalityLUTSequence = [a_table(-2, 7, 8, 9, signed=True)]

    assert grey(tmp_path, dataset) == [[7, 7, 8, 9]]


def test_table_of_bytes_is_read(tmp_path):
    dataset = an_image(words([0, 1, 2, 3]))
    item = a_table(0, 0, 0, 0, 0, bits=8)
    item.add_new("LUTData", "OW", bytes([5, 6, 7, 8]))
    dataset.ModalityLUTSequence = [item]

    assert grey(tmp_path, dataset) == [[5, 6, 7, 8]]


def test_table_with_too_few_entries_is_refused(tmp_path):
    dataset = an_image(words([0, 1]))
    dataset.ModalityLUTSequence = [a_table(0, 5, 6)]
    dataset.ModalityLUTSequence[0].LUTDescriptor = [9, 0, 16]

    with pytest.raises(UnreadableScanError, match=r"cannot be decoded .*ValueError"):
        grey(tmp_path, dataset)


def test_frames_of_an_enhanced_file_have_a_rescale_each(tmp_path):
    series = Series(voxels=np.full((3, 2, 2), 10, np.int16), modality="CT")
    slopes = [
        nested(
            "PixelValueTransformationSequence",
            RescaleSlope=slope,
            RescaleIntercept=-slope,
        )
        for slope in (1, 2, 0.5)
    ]
    path = save_dicom(an_enhanced(series, slopes), tmp_path / "a.dcm")
    source = ScanSource(ScanId("s"), FileFormat.DICOM, (path,) * 3, frames=(0, 1, 2))

    assert read_volume(source).voxels[0, 0].tolist() == [9, 18, 4.5]


# Inversion


def test_dark_is_high_is_inverted_within_the_stored_bits(tmp_path):
    dataset = an_image(words([0, 1000, 4095]), BitsStored=12, HighBit=11)
    dataset.PhotometricInterpretation = "MONOCHROME1"

    assert grey(tmp_path, dataset) == [[4095, 3095, 0]]
    assert facts(tmp_path, dataset).keys() == {"inverted-grey"}


def test_signed_values_are_inverted_after_rescale(tmp_path):
    stored = words([-128, 0, 127], dtype=np.int8)
    dataset = an_image(stored, RescaleSlope=2, RescaleIntercept=10)
    dataset.PhotometricInterpretation = "MONOCHROME1"

    assert grey(tmp_path, dataset) == [[264, 8, -246]]


def test_real_numbers_are_inverted_by_their_sign(tmp_path):
    dataset = an_image(words([0, 0]))
    for absent in ("PixelData", "BitsStored", "HighBit", "PixelRepresentation"):
        delattr(dataset, absent)
    dataset.BitsAllocated = 32
    dataset.FloatPixelData = np.array([0.25, -3.5], "f4").tobytes()
    dataset.PhotometricInterpretation = "MONOCHROME1"

    assert grey(tmp_path, dataset) == [[-0.25, 3.5]]


@pytest.mark.parametrize("modality", ["CT", "PT"])
def test_physical_values_are_never_inverted_or_windowed(tmp_path, modality):
    dataset = an_image(words([0, 1000]), modality, WindowCenter=10, WindowWidth=20)
    dataset.PhotometricInterpretation = "MONOCHROME1"

    assert grey(tmp_path, dataset) == [[0, 1000]]
    assert facts(tmp_path, dataset) == {}


# Windows of radiographs


def test_linear_window_cuts_off_at_its_ends(tmp_path):
    stored = words([0, 99, 100, 150, 199, 200, 4000])
    dataset = an_image(stored, WindowCenter=150, WindowWidth=100)

    assert grey(tmp_path, dataset) == [[100, 100, 100, 150, 199, 199, 199]]
    assert facts(tmp_path, dataset) == {
        "window-applied": "LINEAR window, centre 150, width 100: values below 100 and "
        "above 199 are cut off"
    }


def test_exact_window_ends_half_its_width_from_the_centre(tmp_path):
    dataset = an_image(words([0, 500]), WindowCenter=[150, 7], WindowWidth=[100, 9])
    dataset.VOILUTFunction = "LINEAR_EXACT"

    assert grey(tmp_path, dataset) == [[100, 200]]


def test_sigmoid_window_gives_zero_to_one(tmp_path):
    dataset = an_image(words([0, 150, 60000]), WindowCenter=150, WindowWidth=10)
    dataset.VOILUTFunction = "SIGMOID"

    assert grey(tmp_path, dataset) == [[pytest.approx(0, abs=1e-6), 0.5, 1]]


def test_window_is_of_values_after_rescale_and_before_inversion(tmp_path):
    dataset = an_image(
        words([0, 10, 90]), RescaleSlope=10, RescaleIntercept=0, WindowCenter=150
    )
    dataset.WindowWidth, dataset.PhotometricInterpretation = 101, "MONOCHROME1"

    # From 99.5 to 199.5; inverted, low + high - v.
    assert grey(tmp_path, dataset) == [[199.5, 199, 99.5]]


def test_table_for_presentation_comes_before_the_window(tmp_path):
    dataset = an_image(words([0, 1, 300, 2]), WindowCenter=1, WindowWidth=2)
    dataset.VOILUTSequence = [a_table(0, 10, 20, 200, bits=8)]

    assert grey(tmp_path, dataset) == [[10, 20, 200, 20 * 10]]
    found = facts(tmp_path, dataset)
    assert found == {"window-applied": "the first value-of-interest table is applied"}


@pytest.mark.parametrize("width", [0, 1, -5])
def test_window_that_would_leave_no_image_counts_as_none(tmp_path, width):
    dataset = an_image(words([0, 500]), WindowCenter=5, WindowWidth=width)

    assert grey(tmp_path, dataset) == [[0, 500]]
    assert facts(tmp_path, dataset) == {}


@pytest.mark.parametrize("modality", ["MR", "US", "OT"])
def test_only_radiographs_are_windowed(tmp_path, modality):
    dataset = an_image(words([0, 500]), modality, WindowCenter=50, WindowWidth=20)

    assert grey(tmp_path, dataset) == [[0, 500]]


# Padding


def test_padding_is_kept_and_said(tmp_path):
    dataset = an_image(words([-2000, 24], dtype=np.int16), "CT", RescaleSlope=1)
    dataset.RescaleIntercept, dataset.PixelPaddingValue = -1024, -2000

    assert grey(tmp_path, dataset) == [[-3024, -1000]]
    assert facts(tmp_path, dataset) == {
        "padding-value": "stored value -2000, after rescale -3024"
    }


def test_padding_becomes_the_lowest_value_of_the_image_on_repair(tmp_path):
    stored = words([-2000, 24], [3000, -2000], dtype=np.int16)
    dataset = an_image(stored, "CT", RescaleSlope=1, RescaleIntercept=-1024)
    dataset.PixelPaddingValue = -2000

    values = grey(tmp_path, dataset, FindingCode.PADDING_VALUE)

    assert values == [[-1000, -1000], [1976, -1000]]


def test_lowest_value_is_that_of_the_whole_volume(tmp_path):
    series = Series(voxels=np.full((2, 1, 2), 5, np.int16), n_slices=2)
    series.stored()[:] = [[[99, 50]], [[3, 60]]]
    files = []
    for k in range(2):
        dataset = a_slice(series, k)
        dataset.PixelPaddingValue = 99
        files.append(save_dicom(dataset, tmp_path / f"{k}"))
    source = ScanSource(
        ScanId("s"),
        FileFormat.DICOM,
        tuple(files),
        repairs=(FindingCode.PADDING_VALUE,),
    )

    assert read_volume(source).voxels[:, 0].T.tolist() == [[3, 50], [3, 60]]


def test_padding_may_be_a_range(tmp_path):
    dataset = an_image(words([0, 1, 2, 3, 9]))
    dataset.PixelPaddingValue, dataset.PixelPaddingRangeLimit = 2, 0

    assert grey(tmp_path, dataset, FindingCode.PADDING_VALUE) == [[3, 3, 3, 3, 9]]
    assert facts(tmp_path, dataset) == {"padding-value": "stored values 0 to 2"}


@pytest.mark.parametrize("syntax", [None, ImplicitVRLittleEndian])
def test_padding_stated_as_the_other_kind_of_16_bits_is_understood(tmp_path, syntax):
    dataset = an_image(words([-2000, 5], dtype=np.int16), "MR")
    dataset.add_new("PixelPaddingValue", "US", 63536)
    if syntax is not None:
        dataset.file_meta.TransferSyntaxUID = syntax

    assert facts(tmp_path, dataset) == {"padding-value": "stored value -2000"}


def test_padding_of_an_absurd_bit_depth_does_no_harm(tmp_path):
    dataset = an_image(words([1, 5]), PixelPaddingValue=3, RescaleSlope=2)
    dataset.BitsAllocated, dataset.PixelRepresentation = 65535, 1

    assert facts(tmp_path, dataset) == {
        "padding-value": "stored value 3, after rescale 6"
    }


def test_image_of_padding_alone_stays_as_it_is(tmp_path):
    dataset = an_image(words([7, 7]), PixelPaddingValue=7)

    assert grey(tmp_path, dataset, FindingCode.PADDING_VALUE) == [[7, 7]]


# Colour


def colour(kind: str, pixels: NDArray[Any], modality: str = "US") -> Dataset:
    """(row, column, 3) of 8 bits."""
    dataset = an_image(words([0, 0], dtype=np.uint8), modality)
    set_pixels(dataset, pixels.reshape(pixels.shape[0], -1))
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel, dataset.PlanarConfiguration = 3, 0
    dataset.PhotometricInterpretation = kind
    return dataset


def test_luminance_of_colours_by_hand(tmp_path):
    pixels = np.array(
        [[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [100, 100, 100]]], np.uint8
    )
    dataset = colour("RGB", pixels)

    assert grey(tmp_path, dataset) == [
        [pytest.approx(76.245), pytest.approx(149.685)],
        [pytest.approx(29.07), pytest.approx(100)],
    ]
    assert facts(tmp_path, dataset) == {
        "colour-to-grey": "RGB; luminance is 0.299 red + 0.587 green + 0.114 blue"
    }


@pytest.mark.parametrize("kind", ["YBR_FULL", "YBR_FULL_422"])
def test_luminance_of_stored_brightness_is_that_brightness(tmp_path, kind):
    pixels = np.array([[[50, 128, 128], [200, 128, 128]]], np.uint8)
    dataset = colour(kind, pixels)
    if kind == "YBR_FULL_422":
        dataset.PixelData = bytes([50, 200, 128, 128])

    assert grey(tmp_path, dataset) == [[pytest.approx(50), pytest.approx(200)]]


def test_one_colour_of_a_plane_is_read_where_it_is_asked_for(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    path = save_dicom(colour("RGB", pixels), tmp_path / "a.dcm")
    for n in range(3):
        source = ScanSource(ScanId("s"), FileFormat.DICOM, (path,), colour=n)
        read_one = read_volume(source).voxels[:, :, 0].T
        np.testing.assert_array_equal(read_one, pixels[..., n])


def test_planes_of_colours_are_put_together(tmp_path):
    dataset = colour("RGB", np.zeros((2, 2, 3), np.uint8))
    dataset.PlanarConfiguration = 1
    dataset.PixelData = bytes([10] * 4 + [20] * 4 + [30] * 4)

    assert grey(tmp_path, dataset)[0][0] == pytest.approx(18.15)


def test_compressed_colour_is_that_of_the_plain_file(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    plain = grey(tmp_path, colour("RGB", pixels))

    assert grey(tmp_path, compressed(colour("RGB", pixels), RLELossless)) == plain


def test_palette_gives_luminance_in_its_own_bits(tmp_path):
    dataset = an_image(words([0, 1], dtype=np.uint8), "US")
    dataset.PhotometricInterpretation = "PALETTE COLOR"
    for name, values in {"Red": [0, 10], "Green": [5, 20], "Blue": [0, 30]}.items():
        descriptor = f"{name}PaletteColorLookupTableDescriptor"
        dataset.add_new(descriptor, "US", [2, 0, 8])
        data = f"{name}PaletteColorLookupTableData"
        dataset.add_new(data, "OW", bytes(values))

    assert grey(tmp_path, dataset) == [[pytest.approx(2.935), pytest.approx(18.15)]]
    assert facts(tmp_path, dataset).keys() == {"colour-to-grey"}


@pytest.mark.parametrize("kind", ["RGB", "YBR_FULL"])
def test_colour_slices_are_refused(tmp_path, kind):
    dataset = colour(kind, np.zeros((2, 2, 3), np.uint8), "MR")

    with pytest.raises(UnreadableScanError, match=r"colour pixels of shape 2 x 2 x 3"):
        grey(tmp_path, dataset)


def test_plain_grey_has_nothing_to_say(tmp_path):
    assert facts(tmp_path, an_image(words([0, 1]), "MR")) == {}
