"""Against real scanners and dcm2niix. Needs the data named by VOXRAY_SHARED_DATA."""

import os
from itertools import groupby
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from voxray.core.geometry import VoxelGrid, to_nearest_ras
from voxray.core.hashing import sha256_pixels
from voxray.core.records import FileFormat, ScanId, ScanSource
from voxray.scan_io import FileKind, file_kind, read_dicom_header, read_volume


@pytest.fixture(scope="module")
def dicom_data():
    folder = Path(os.environ.get("VOXRAY_SHARED_DATA", "absent")) / "dicom"  # noqa: TID251
    if not folder.is_dir():
        pytest.skip("VOXRAY_SHARED_DATA names no folder with dicom/ in it")
    return folder


def headers_of(folder):
    files = sorted(p for p in folder.iterdir() if file_kind(p) is FileKind.DICOM)
    return [(read_dicom_header(path), path) for path in files]


def first_time_point(folder):
    """Slices of the first volume of a time series, from foot to head."""

    def height(pair):
        return pair[0].position_lps_mm[2]

    rows = sorted(headers_of(folder), key=lambda p: (height(p), p[0].instance_number))
    files = [next(group)[1] for _, group in groupby(rows, key=height)]
    return ScanSource(ScanId(folder.name), FileFormat.DICOM, tuple(files))


@pytest.mark.parametrize("number", [4, 5, 6, 7])
def test_series_agrees_with_dcm2niix(dicom_data, number):
    root = dicom_data / "dcm_qa_nih"
    volume = read_volume(first_time_point(root / f"In/20180918GE/mr_000{number}"))

    reference: Any = nib.load(root / f"Ref/DCM2NIIX_regression_test_{number}.nii")
    voxels = np.asarray(reference.dataobj)[..., 0].astype(np.float32)
    grid = VoxelGrid.from_affine("ref", voxels.shape, reference.affine)
    ours, our_grid = to_nearest_ras(volume.voxels, volume.grid)
    theirs, their_grid = to_nearest_ras(voxels, grid)
    assert our_grid.matches(their_grid, atol_mm=1e-3)
    np.testing.assert_array_equal(ours, theirs)
    assert sha256_pixels(volume.voxels, volume.grid) == sha256_pixels(voxels, grid)


def test_slices_with_numbers_for_names_are_placed_by_position(dicom_data):
    rows = headers_of(dicom_data / "brain_study/11_HCropVolume")
    rows.sort(key=lambda pair: pair[0].position_lps_mm[2])
    files = tuple(path for _, path in rows)

    volume = read_volume(ScanSource(ScanId("crop"), FileFormat.DICOM, files))

    assert [path.name for path in files[:3]] == ["1.dcm", "2.dcm", "3.dcm"]
    assert volume.grid.shape == (34, 50, 40)
    assert volume.grid.affine.tolist() == [
        [-1, 0, 0, 0],
        [0, -1, 0, 0],
        [0, 0, 1, 1],
        [0, 0, 0, 1],
    ]


def test_headers_of_whole_series_are_whole(dicom_data):
    rows = headers_of(dicom_data / "brain_study/11-T1post-18670")

    assert len(rows) == 22
    assert not any(header.truncated for header, _ in rows)
    assert len({header.series_instance_uid for header, _ in rows}) == 1
