import gzip
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    JPEG2000Lossless,
    RLELossless,
)

from tests.makers import (
    AXIAL,
    CORONAL,
    SAGITTAL,
    Series,
    a_slice,
    compressed,
    save_dicom,
    save_without_preamble,
    set_pixels,
    truncate,
    write_series,
)
from voxray.core.errors import GeometryError, UnreadableScanError
from voxray.core.records import FileFormat, IntensityUnit, ScanId, ScanSource
from voxray.scan_io import read_dicom_header, read_series, read_volume

OBLIQUE = (0.8, 0.6, 0.0, -0.36, 0.48, 0.8)


def read(folder, series, order=slice(None)):
    return read_volume(series.source(write_series(folder, series)[order]))


def read_with(folder, change, series=None, k=2):
    """Read a series whose slice k was changed."""
    series = series or Series()
    files = write_series(folder, series)
    dataset = a_slice(series, k)
    change(dataset)
    save_dicom(dataset, files[k])
    return read_volume(series.source(files))


def test_voxel_axes_are_column_row_slice(tmp_path):
    series = Series()

    volume = read(tmp_path, series)

    assert volume.voxels.shape == (6, 8, 5)
    assert volume.voxels.dtype == np.float32
    assert volume.voxels[4, 7, 2] == series.stored()[2, 7, 4]
    assert volume.unit is IntensityUnit.ARBITRARY


def test_axial_slices_are_placed_in_ras_by_hand(tmp_path):
    series = Series(origin_lps_mm=(10, 20, 30), spacing_mm=(0.5, 0.75, 3.0))

    affine = read(tmp_path, series).grid.affine

    # Columns run to the left (-x), rows to the back (-y), slices to the head.
    assert affine.tolist() == [
        [-0.75, 0, 0, -10],
        [0, -0.5, 0, -20],
        [0, 0, 3, 30],
        [0, 0, 0, 1],
    ]


@pytest.mark.parametrize("orientation", [CORONAL, SAGITTAL, OBLIQUE])
def test_grid_agrees_with_simpleitk(tmp_path, orientation):
    series = Series(
        orientation=orientation,
        origin_lps_mm=(-11.5, 7.25, 90.0),
        spacing_mm=(0.9, 0.7, 2.5),
    )
    files = write_series(tmp_path, series)

    volume = read_volume(series.source(files))

    image = SimpleITK.ReadImage([str(f) for f in files])
    index = (5, 7, 4)
    itk_lps = image.TransformIndexToPhysicalPoint(index)
    ours_ras = volume.grid.affine @ (*index, 1)
    np.testing.assert_allclose(ours_ras[:3] * [-1, -1, 1], itk_lps, atol=1e-4)
    np.testing.assert_array_equal(volume.voxels, SimpleITK.GetArrayFromImage(image).T)


def test_reversed_order_of_files_gives_the_same_places(tmp_path):
    series = Series(origin_lps_mm=(0, 0, 7))
    forward, backward = (
        read(tmp_path, series),
        read(tmp_path, series, slice(None, None, -1)),
    )

    assert backward.grid.spacing_mm == forward.grid.spacing_mm
    assert backward.grid.affine[2].tolist() == [0, 0, -2, 15]
    np.testing.assert_array_equal(backward.voxels[..., ::-1], forward.voxels)


def test_ct_becomes_hounsfield_by_slope_and_intercept(tmp_path):
    stored = np.full((3, 4, 4), 1000, np.int16)
    series = Series(modality="CT", voxels=stored, slope=2, intercept=-1024)

    volume = read(tmp_path, series)

    assert volume.unit is IntensityUnit.HOUNSFIELD
    assert np.unique(volume.voxels) == 976


def test_each_slice_keeps_its_own_slope(tmp_path):
    series = Series(voxels=np.full((3, 4, 4), 10, np.int16), slope=1.0, intercept=0.0)

    volume = read_with(tmp_path, lambda d: setattr(d, "RescaleSlope", 0.5), series, k=1)

    assert volume.voxels[0, 0].tolist() == [10, 5, 10]


def test_empty_rescale_counts_as_none(tmp_path):
    volume = read_with(tmp_path, lambda d: setattr(d, "RescaleSlope", None))

    assert volume.voxels[0, 0, 2] == Series().stored()[2, 0, 0]


@pytest.mark.parametrize(
    ("dtype", "value"),
    [(np.int16, -1000), (np.uint16, 65000), (np.uint8, 200), (np.int8, -100)],
)
def test_signed_and_unsigned_values_are_kept(tmp_path, dtype, value):
    volume = read(tmp_path, Series(voxels=np.full((2, 4, 4), value, dtype)))

    assert np.unique(volume.voxels) == value


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_lossless_compression_changes_nothing(tmp_path, syntax):
    series = Series(rows=64, columns=64, n_slices=2)
    plain = read(tmp_path, series)
    files = [
        save_dicom(compressed(a_slice(series, k), syntax), tmp_path / f"c{k}")
        for k in range(2)
    ]

    np.testing.assert_array_equal(
        read_volume(series.source(files)).voxels, plain.voxels
    )


@pytest.mark.parametrize(
    "name",
    [
        "MR_small_RLE.dcm",
        "MR_small_bigendian.dcm",
        "MR_small_expb.dcm",
        "MR_small_implicit.dcm",
        "MR_small_jp2klossless.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
        "MR_small_padded.dcm",
    ],
)
def test_every_lossless_syntax_gives_the_same_voxels(name):
    def one(file_name):
        path = Path(str(get_testdata_file(file_name)))
        return read_series(ScanSource(ScanId("s"), FileFormat.DICOM, (path,)))

    np.testing.assert_array_equal(one(name).voxels, one("MR_small.dcm").voxels)


def test_lossy_jpeg_with_twelve_bits_is_decoded(tmp_path):
    dataset = dcmread(str(get_testdata_file("JPGExtended.dcm")))
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [0, 0, 0], [*AXIAL]
    dataset.PixelSpacing, dataset.SliceThickness = [1, 1], 1
    path = save_dicom(dataset, tmp_path / "f")

    volume = read_series(ScanSource(ScanId("s"), FileFormat.DICOM, (path,)))

    # The values that pydicom's own tests expect of this file.
    assert volume.voxels.shape == (256, 1024, 1)
    assert (volume.voxels[140, 420, 0], volume.voxels[120, 230, 0]) == (244, 95)


def test_file_without_preamble_is_read(tmp_path):
    series = Series(n_slices=2)
    files = [
        save_without_preamble(a_slice(series, k), tmp_path / f"{k}") for k in range(2)
    ]

    volume = read_volume(series.source(files))

    np.testing.assert_array_equal(volume.voxels, series.stored().T)


def test_deflated_file_is_read(tmp_path):
    def deflate(dataset):
        dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian

    volume = read_with(tmp_path, deflate)

    np.testing.assert_array_equal(volume.voxels, Series().stored().T)


def test_one_slice_alone_takes_its_stated_spacing(tmp_path):
    series = Series(n_slices=1, spacing_mm=(1, 1, 4))

    volume = read(tmp_path, series)

    assert volume.voxels.shape == (6, 8, 1)
    assert volume.grid.affine[:3, 2].tolist() == [0, 0, 4]


def test_one_slice_alone_without_spacing_is_refused(tmp_path):
    series = Series(n_slices=1, extra={"SliceThickness": None})

    with pytest.raises(GeometryError, match=r"states neither slice spacing nor"):
        read(tmp_path, series)


def test_no_files_are_refused():
    with pytest.raises(UnreadableScanError, match="it has no files"):
        read_volume(Series().source([]))


def test_missing_slice_is_refused_with_its_place(tmp_path):
    series = Series(n_slices=12)
    files = write_series(tmp_path, series)
    del files[7]

    with pytest.raises(GeometryError, match=r"from slice 7 to 8 it is 4\.00 mm, on av"):
        read_volume(series.source(files))


def test_slices_at_one_position_are_refused(tmp_path):
    files = write_series(tmp_path, Series())

    with pytest.raises(GeometryError, match=r"on average 0\.00 mm"):
        read_volume(Series().source([files[1], files[1]]))


def test_turned_slice_is_refused(tmp_path):
    with pytest.raises(GeometryError, match=r"slice 3 is turned or scaled"):
        read_with(
            tmp_path, lambda d: setattr(d, "ImageOrientationPatient", list(CORONAL))
        )


def test_other_pixel_size_is_refused(tmp_path):
    with pytest.raises(GeometryError, match=r"slice 3 is turned or scaled"):
        read_with(tmp_path, lambda d: setattr(d, "PixelSpacing", [1.0, 1.1]))


def test_other_matrix_size_is_refused(tmp_path):
    with pytest.raises(GeometryError, match=r"differ in size: 5 x 7, 6 x 8 voxels"):
        read_with(tmp_path, lambda d: set_pixels(d, np.zeros((7, 5), np.int16)))


@pytest.mark.parametrize(
    "keyword", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"]
)
def test_slice_without_place_is_refused(tmp_path, keyword):
    with pytest.raises(GeometryError, match=r"slice 3 of 5 lacks a position, orient"):
        read_with(tmp_path, lambda d: delattr(d, keyword))


@pytest.mark.parametrize(
    "orientation", [(1, 0, 0, 1, 0, 0), (2, 0, 0, 0, 1, 0), (0, 0, 0, 0, 0, 0)]
)
def test_impossible_orientation_is_refused(tmp_path, orientation):
    with pytest.raises(GeometryError, match=r"slice 3 of 5 has an impossible"):
        read_with(
            tmp_path, lambda d: setattr(d, "ImageOrientationPatient", list(orientation))
        )


def test_negative_pixel_spacing_is_refused(tmp_path):
    with pytest.raises(GeometryError, match="impossible orientation or pixel spacing"):
        read_with(tmp_path, lambda d: setattr(d, "PixelSpacing", [-1.0, 1.0]))


def test_truncated_slice_is_refused_by_number_not_by_name(tmp_path):
    files = write_series(tmp_path / "DOE^JANE", Series())
    truncate(files[1], files[1].stat().st_size - 40)

    with pytest.raises(UnreadableScanError) as error:
        read_volume(Series().source(files))

    assert str(error.value) == (
        "scan 'series1': slice 2 of 5 has pixels that cannot be decoded "
        "(Explicit VR Little Endian): ValueError"
    )


def test_missing_slice_file_says_so(tmp_path):
    files = write_series(tmp_path, Series())
    files[4].unlink()

    with pytest.raises(
        UnreadableScanError, match=r"slice 5 of 5 cannot be read: No su"
    ):
        read_volume(Series().source(files))


def test_colour_image_is_refused(tmp_path):
    def colour(dataset):
        set_pixels(dataset, np.zeros((8, 18), np.uint8))
        dataset.Columns, dataset.SamplesPerPixel = 6, 3
        dataset.PhotometricInterpretation, dataset.PlanarConfiguration = "RGB", 0

    with pytest.raises(UnreadableScanError, match=r"no grey image of one frame"):
        read_with(tmp_path, colour)


def test_big_endian_file_is_read(tmp_path):
    series = Series(n_slices=1)
    dataset = a_slice(series, 0)
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    dataset.PixelData = series.stored()[0].astype(">i2").tobytes()
    path = save_dicom(dataset, tmp_path / "big")

    np.testing.assert_array_equal(
        read_volume(series.source([path])).voxels, series.stored().T
    )


@pytest.mark.parametrize("packed", [False, True])
def test_known_headers_change_no_voxel(tmp_path: Path, packed: bool) -> None:
    series = Series(slope=2, intercept=-7)
    files = write_series(tmp_path, series)
    if packed:
        for file in files:
            file.write_bytes(gzip.compress(file.read_bytes()))
    known = [read_dicom_header(file) for file in files]

    one, other = (read_volume(series.source(files), headers) for headers in ((), known))

    np.testing.assert_array_equal(one.voxels, other.voxels)
    np.testing.assert_array_equal(one.grid.affine, other.grid.affine)
