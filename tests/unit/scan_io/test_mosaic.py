"""Siemens mosaics: tiles, their places, and the private header that tells them."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRBigEndian, ImplicitVRLittleEndian

from tests.frame_makers import a_mosaic, csa_header, tiled
from tests.makers import CORONAL, Series, save_dicom
from voxray.scan_io import read_dicom_header
from voxray.scan_io.dicom.csa import csa_values
from voxray.scan_io.dicom.frames import frames_of
from voxray.scan_io.dicom.mosaic import mosaic_tile

OBLIQUE = (0.8, 0.6, 0.0, -0.36, 0.48, 0.8)
VALUES = {"SliceNormalVector": ["0.0", "0.6", "0.8"], "B_value": ["1000"], "Empty": []}


with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "The DICOM readers are highly experimental")
    from nibabel.nicom import csareader, dicomwrappers


def positions(dataset: Dataset) -> NDArray[np.float64]:
    return np.array([frame.position_lps_mm for frame in frames_of(dataset)])


@pytest.mark.parametrize("orientation", [CORONAL, OBLIQUE])
@pytest.mark.parametrize("downwards", [False, True])
def test_tiles_lie_where_the_slices_of_the_series_lay(
    orientation: tuple[float, ...], downwards: bool
) -> None:
    series = Series(orientation=orientation, origin_lps_mm=(-10.5, 20, 3))

    places = positions(a_mosaic(series, downwards=downwards))

    step = 2.0 * np.cross(orientation[:3], orientation[3:])
    expected = np.array(series.origin_lps_mm) + np.outer(range(5), step)
    np.testing.assert_allclose(places, expected[::-1] if downwards else expected)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_private_header_is_found_however_the_file_is_encoded(
    tmp_path: Path, syntax: UID
) -> None:
    dataset = a_mosaic()
    dataset.file_meta.TransferSyntaxUID = syntax

    header = read_dicom_header(save_dicom(dataset, tmp_path / "a.dcm"))

    assert len(header.frames) == 5


def test_headers_of_tiles_have_the_size_of_a_tile(tmp_path: Path) -> None:
    header = read_dicom_header(save_dicom(a_mosaic(), tmp_path / "a.dcm"))

    slices = header.slices()

    assert {(s.rows, s.columns, s.mosaic_tiles) for s in slices} == {(8, 6, 5)}
    assert (header.rows, header.mosaic_tiles) == (24, None)


def test_tiles_agree_with_nibabel() -> None:
    dataset = a_mosaic(Series(orientation=OBLIQUE, origin_lps_mm=(-10.5, 20, 3)))
    content = dataset[0x0029, 0x1010].value

    wrapper = dicomwrappers.MosaicWrapper(dataset, csareader.read(content))

    np.testing.assert_allclose(positions(dataset)[0], wrapper.image_position, atol=1e-6)


def test_diffusion_is_read_from_the_private_header() -> None:
    direction = ["0.0", "0.6", "0.8"]
    dataset = a_mosaic(B_value=["1000"], DiffusionGradientDirection=direction)

    frame = frames_of(dataset)[0]

    assert (frame.b_value, frame.diffusion_direction) == (1000.0, (0.0, 0.6, 0.8))


def without(dataset: Dataset, *elements: Any) -> Dataset:
    for element in elements:
        del dataset[element]
    return dataset


@pytest.mark.parametrize(
    "dataset",
    [
        without(a_mosaic(), (0x0029, 0x1010)),
        a_mosaic(SliceNormalVector=["1", "0", "0"]),
        a_mosaic(SliceNormalVector=["0", "nan", "1"]),
        a_mosaic(SliceNormalVector=["0", "1"]),
        a_mosaic(NumberOfImagesInMosaic=["7"]),
        without(a_mosaic(NumberOfImagesInMosaic=["0"]), (0x0019, 0x100A)),
        without(a_mosaic(NumberOfImagesInMosaic=["100000"]), (0x0019, 0x100A)),
        without(a_mosaic(NumberOfImagesInMosaic=["many"]), (0x0019, 0x100A)),
        without(a_mosaic(), "SpacingBetweenSlices"),
        without(a_mosaic(), "ImagePositionPatient"),
    ],
    ids=range(10),
)
def test_mosaic_whose_tiles_are_not_placed_has_no_frames(dataset: Dataset) -> None:
    assert frames_of(dataset) == ()


@pytest.mark.parametrize("missing", [(0x0019, 0x100A), (0x0019, 0x0010)])
def test_number_of_tiles_may_stand_in_either_header(missing: tuple[int, int]) -> None:
    assert len(frames_of(without(a_mosaic(), missing))) == 5


def test_size_that_tiles_do_not_fill_is_no_mosaic() -> None:
    dataset = a_mosaic()
    dataset.Rows = 25

    assert frames_of(dataset) == ()


@given(st.integers(1, 40))
def test_tiles_come_back(n_tiles: int) -> None:
    stored = np.random.default_rng(0).integers(0, 99, (n_tiles, 3, 2), np.int16)
    plane = tiled(stored, int(np.ceil(np.sqrt(n_tiles))))

    found = [mosaic_tile(plane, n_tiles, n) for n in range(n_tiles)]

    np.testing.assert_array_equal(found, stored)


@pytest.mark.parametrize(
    ("shape", "index", "message"),
    [
        ((6, 6), 5, "no tile 5 in a mosaic of 5"),
        ((6, 6), -1, "no tile -1"),
        ((7, 6), 0, "a plane of 7 x 6 pixels is no mosaic of 3 x 3 tiles"),
        ((2, 2), 0, "is no mosaic"),
    ],
)
def test_tile_that_is_not_there_is_refused(
    shape: tuple[int, int], index: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        mosaic_tile(np.zeros(shape), 5, index)


@pytest.mark.parametrize("modern", [True, False])
def test_private_header_of_either_format_is_read(modern: bool) -> None:
    content = csa_header(VALUES, modern=modern)

    assert csa_values(content, VALUES) == {
        name: tuple(items) for name, items in VALUES.items()
    }


def test_private_header_agrees_with_nibabel() -> None:
    tags = csareader.read(csa_header(VALUES))["tags"]

    assert tags["SliceNormalVector"]["items"] == [0.0, 0.6, 0.8]


def test_what_comes_before_damage_is_found() -> None:
    content = csa_header(VALUES)[:-90]

    assert "SliceNormalVector" in csa_values(content, VALUES)


@given(st.binary(max_size=400), st.booleans())
def test_any_bytes_are_survived(noise: bytes, modern: bool) -> None:
    csa_values(b"SV10" * modern + noise, VALUES)


@given(st.integers(0, 400), st.binary(min_size=1, max_size=8))
def test_any_damage_is_survived(place: int, noise: bytes) -> None:
    content = csa_header(VALUES)
    csa_values(content[:place] + noise + content[place + len(noise) :], VALUES)
