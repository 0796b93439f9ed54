import numpy as np
import pandas as pd
import pytest

from tests.unit.preprocess.makers import a_geometry, a_grid, an_affine
from voxray.core.errors import ManifestError
from voxray.core.geometry import VoxelGrid
from voxray.core.records import ScanId, Volume
from voxray.preprocess import (
    ScanGeometry,
    read_statistics,
    scan_statistics,
    write_statistics,
)
from voxray.preprocess.statistics import INTENSITY_PERCENTILES


def a_volume(voxels):
    return Volume(voxels, VoxelGrid.from_affine("s1", voxels.shape, an_affine()))


def measured(modality, volume, mask, values, name="s1"):
    return scan_statistics(ScanId(name), modality, volume, mask, values)


def test_the_whole_scan_counts_without_a_mask():
    voxels = np.arange(1000, dtype=np.float32).reshape(10, 10, 10)
    row = measured("MR", a_volume(voxels), None, ())
    assert row.mean == voxels.mean()
    assert row.std == pytest.approx(voxels.std())
    assert [row.low, row.high] == pytest.approx([4.995, 994.005])
    assert row.structure_voxels == ()


def test_only_the_structures_count_where_there_are_any():
    voxels = np.zeros((10, 10, 10), np.float32)
    voxels[2:4] = 7
    mask = np.zeros_like(voxels, dtype=np.uint8)
    mask[2:4] = 5
    row = measured("CT", a_volume(voxels), a_volume(mask), (5, 6))
    assert (row.mean, row.low, row.high) == (7, 7, 7)
    assert row.structure_voxels == (200, 0)


def test_an_empty_mask_lets_the_whole_scan_count():
    voxels = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
    mask = a_volume(np.zeros((2, 2, 2), np.uint8))
    row = measured("CT", a_volume(voxels), mask, (1,))
    assert row.mean == 3.5
    assert row.structure_voxels == (0,)


def test_geometry_is_told_along_patient_axes():
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    affine[2, 0], affine[0, 1], affine[1, 2] = 5.0, -1.0, 2.0
    grid = VoxelGrid.from_affine("s1", (3, 10, 20), affine)
    geometry = ScanGeometry.of(grid, "MR")
    assert geometry == a_geometry((10, 20, 3), (1.0, 2.0, 5.0))
    assert geometry.extent_mm == (10, 40, 15)


def test_statistics_come_back_from_disk_sorted(tmp_path):
    rng = np.random.default_rng(0)
    rows = [
        measured("MR", a_volume(rng.random((3, 4, 5))), None, (), name)
        for name in ("s2", "s1")
    ]
    write_statistics(rows, tmp_path / "statistics.parquet")
    assert read_statistics(tmp_path / "statistics.parquet") == (rows[1], rows[0])


def test_no_rows_come_back_as_none(tmp_path):
    write_statistics([], tmp_path / "statistics.parquet")
    assert read_statistics(tmp_path / "statistics.parquet") == ()


def test_geometry_of_a_grid_needs_no_voxel():
    assert ScanGeometry.of(a_grid(), "MR") == a_geometry()


def test_intensity_is_of_the_whole_scan_whatever_its_mask():
    voxels = np.arange(1, 9, dtype=np.float32).reshape(2, 2, 2)
    mask = np.zeros((2, 2, 2), np.uint8)
    mask[0, 0, 0] = 1
    row = measured("", a_volume(voxels), a_volume(mask), (1,))
    assert row.mean == 1
    mean, _, *percentiles = row.intensity
    assert mean == 4.5
    assert percentiles[INTENSITY_PERCENTILES.index(50)] == 4.5


def test_a_table_of_an_earlier_version_is_refused(tmp_path):
    path = tmp_path / "statistics.parquet"
    write_statistics([measured("", a_volume(np.ones((2, 2, 2))), None, ())], path)
    pd.read_parquet(path).drop(columns="intensity").to_parquet(path)
    with pytest.raises(ManifestError, match="lacks intensity; preprocess again"):
        read_statistics(path)
