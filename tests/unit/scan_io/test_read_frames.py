"""Voxels of files with many frames, and of stacks that the reader puts right."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from pydicom.uid import JPEG2000Lossless, RLELossless

from tests.frame_makers import a_mosaic, an_enhanced
from tests.makers import Series, a_slice, compressed, save_dicom, write_series
from voxray.core.errors import UnreadableScanError
from voxray.core.findings import FindingCode
from voxray.core.records import FileFormat, ScanId, ScanSource
from voxray.scan_io import read_volume


def frames_of(path, *frames):
    return ScanSource(
        ScanId("s"), FileFormat.DICOM, (path,) * len(frames), frames=frames
    )


@pytest.mark.parametrize("syntax", [None, RLELossless, JPEG2000Lossless])
def test_frames_are_taken_in_the_order_asked_for(tmp_path, syntax):
    series = Series(rows=32, columns=32)
    dataset = an_enhanced(series)
    if syntax is not None:
        dataset = compressed(dataset, syntax)
    path = save_dicom(dataset, tmp_path / "a.dcm")

    volume = read_volume(frames_of(path, 4, 3, 2))

    np.testing.assert_array_equal(volume.voxels, series.stored()[[4, 3, 2]].T)
    assert volume.grid.affine[2].tolist() == [0, 0, -2, 8]


def test_slices_of_two_files_may_alternate(tmp_path):
    series = Series(n_slices=4)
    even, odd = an_enhanced(series, order=[0, 2]), an_enhanced(series, order=[1, 3])
    files = [save_dicom(even, tmp_path / "e"), save_dicom(odd, tmp_path / "o")] * 2
    source = replace(series.source(files), frames=(0, 0, 1, 1))

    np.testing.assert_array_equal(read_volume(source).voxels, series.stored().T)


@pytest.mark.parametrize("downwards", [False, True])
@pytest.mark.parametrize("syntax", [None, RLELossless])
def test_tiles_of_a_mosaic_are_the_slices(tmp_path, downwards, syntax):
    series = Series()
    dataset = a_mosaic(series, downwards=downwards)
    if syntax is not None:
        dataset = compressed(dataset, syntax)
    path = save_dicom(dataset, tmp_path / "a.dcm")

    volume = read_volume(frames_of(path, 0, 1, 2, 3, 4))

    stored = series.stored()[::-1] if downwards else series.stored()
    np.testing.assert_array_equal(volume.voxels, stored.T)
    plain = read_volume(series.source(write_series(tmp_path / "d", series)))
    if not downwards:
        assert volume.grid.matches(plain.grid)


@pytest.mark.parametrize("syntax", [None, RLELossless])
def test_memory_holds_the_volume_and_little_more(tmp_path, syntax):
    series = Series(n_slices=60, rows=128, columns=128)
    dataset = an_enhanced(series)
    if syntax is not None:
        dataset = compressed(dataset, syntax)
    path = save_dicom(dataset, tmp_path / "a.dcm")
    del dataset
    tracemalloc.start()

    volume = read_volume(frames_of(path, *range(60)))

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    n_bytes, one_frame = volume.voxels.nbytes, volume.voxels[..., 0].nbytes
    assert peak < n_bytes + 6 * one_frame + (1 << 20)


def test_frame_that_is_not_there_is_refused(tmp_path):
    path = save_dicom(an_enhanced(), tmp_path / "a.dcm")

    with pytest.raises(UnreadableScanError, match="slice 1 of 1 has no frame of its"):
        read_volume(frames_of(path, 5))


def test_film_is_refused(tmp_path):
    dataset = a_slice(Series(n_slices=1, modality="US"), 0)
    dataset.NumberOfFrames, dataset.PixelData = 2, dataset.PixelData * 2
    path = save_dicom(dataset, tmp_path / "a.dcm")

    with pytest.raises(UnreadableScanError, match="one frame: it has 2 frames"):
        read_volume(ScanSource(ScanId("s"), FileFormat.DICOM, (path,)))


def test_more_frames_than_the_header_says_are_refused(tmp_path):
    dataset = a_slice(Series(n_slices=1), 0)
    dataset.PixelData = dataset.PixelData * 2
    path = save_dicom(dataset, tmp_path / "a.dcm")

    with pytest.raises(UnreadableScanError, match="grey pixels of shape 2 x 8 x 6"):
        read_volume(ScanSource(ScanId("s"), FileFormat.DICOM, (path,)))


def test_tilted_stack_is_moved_onto_a_grid_of_right_angles(tmp_path):
    series = Series(n_slices=3, voxels=np.zeros((3, 4, 5), np.int16) + 7)
    files = []
    for k in range(3):
        dataset = a_slice(series, k)
        dataset.ImagePositionPatient = [0, 1.0 * k, 2.0 * k]  # one row a slice
        files.append(save_dicom(dataset, tmp_path / f"{k}"))
    source = replace(series.source(files), repairs=(FindingCode.GANTRY_TILT,))

    volume = read_volume(source)

    assert volume.grid.affine[:3, 2].tolist() == [0, 0, 2]
    assert volume.voxels.shape == (5, 6, 3)
    assert np.unique(volume.voxels) == 7


def test_uneven_stack_is_read_at_even_steps(tmp_path):
    series = Series(n_slices=4)
    series = replace(series, voxels=np.ones((4, 2, 2), np.int16))
    files = []
    for k, z_mm in enumerate([0.0, 2.0, 5.0, 6.0]):
        dataset = a_slice(series, k)
        dataset.ImagePositionPatient = [0, 0, z_mm]
        files.append(save_dicom(dataset, tmp_path / f"{k}"))
    source = replace(series.source(files), repairs=(FindingCode.UNEVEN_SPACING,))

    assert read_volume(source).grid.affine[:3, 2].tolist() == [0, 0, 2]
