"""2D DICOM images: where they lie, and how large a pixel is."""

import numpy as np
import pytest
import SimpleITK

from tests.makers import CORONAL, Series, a_slice, save_dicom
from voxray.core.errors import GeometryError
from voxray.scan_io import is_plane, pixel_size_mm, read_dicom_header, read_volume

NO_PLACE = {"ImagePositionPatient": None, "ImageOrientationPatient": None}


def a_plane(tmp_path, modality="DX", spacing=(0.3, 0.2, 5.0), **extra):
    series = Series(
        modality=modality, n_slices=1, spacing_mm=spacing, extra={**NO_PLACE, **extra}
    )
    path = save_dicom(a_slice(series, 0), tmp_path / "a.dcm")
    return path, read_volume(series.source([path]))


@pytest.mark.parametrize("modality", ["CR", "DX", "MG", "US", "OT", "XC"])
def test_unplaced_image_lies_as_an_axial_slice_would(tmp_path, modality):
    _, volume = a_plane(tmp_path, modality)

    assert volume.voxels.shape == (6, 8, 1)
    assert volume.grid.affine.tolist() == np.diag([-0.2, -0.3, 1, 1]).tolist()


def test_unplaced_image_lies_as_simpleitk_says(tmp_path):
    path, volume = a_plane(tmp_path)

    image = SimpleITK.ReadImage(str(path))

    itk_lps = image.TransformIndexToPhysicalPoint((5, 7, 0))
    ours_ras = volume.grid.affine @ (5, 7, 0, 1)
    np.testing.assert_allclose(ours_ras[:3] * [-1, -1, 1], itk_lps, atol=1e-6)
    np.testing.assert_array_equal(
        volume.voxels[:, :, 0].T, SimpleITK.GetArrayFromImage(image)[0]
    )


def test_size_at_the_detector_counts_where_there_is_no_other(tmp_path):
    extra = {"PixelSpacing": None, "ImagerPixelSpacing": [0.1, 0.4]}

    path, volume = a_plane(tmp_path, **extra)

    assert volume.grid.spacing_mm == (0.4, 0.1, 1)
    assert pixel_size_mm(read_dicom_header(path)) == (0.1, 0.4)


@pytest.mark.parametrize("spacing", [None, [0, 0], [-1, 1]])
def test_pixels_without_a_size_are_1_mm(tmp_path, spacing):
    path, volume = a_plane(tmp_path, PixelSpacing=spacing)

    assert volume.grid.spacing_mm == (1, 1, 1)
    assert pixel_size_mm(read_dicom_header(path)) is None


def test_place_of_an_image_counts_where_it_is_stated(tmp_path):
    place = {
        "ImagePositionPatient": [1, 2, 3],
        "ImageOrientationPatient": list(CORONAL),
    }

    _, volume = a_plane(tmp_path, "MG", **place)

    assert volume.grid.affine[:3, 3].tolist() == [-1, -2, 3]
    assert volume.grid.affine[:3, 1].tolist() == [0, 0, -0.3]
    assert volume.grid.spacing_mm == pytest.approx((0.2, 0.3, 1))


@pytest.mark.parametrize("modality", ["CT", "MR", "PT", "NM"])
def test_slice_without_a_place_is_no_2d_image(tmp_path, modality):
    with pytest.raises(GeometryError, match="lacks a position, orientation"):
        a_plane(tmp_path, modality)


def test_impossible_pixel_size_is_refused(tmp_path):
    with pytest.raises(GeometryError, match="no scan is that large"):
        a_plane(tmp_path, spacing=(1e12, 1, 1))


def test_image_that_two_modalities_share_is_a_slice_if_it_has_a_place(tmp_path):
    series = Series(modality="OT", n_slices=1)
    path = save_dicom(a_slice(series, 0), tmp_path / "a.dcm")

    assert not is_plane(read_dicom_header(path))
