"""A header may declare any size; no memory is taken for an absurd one."""

import tracemalloc

import pytest
from pydicom.uid import RLELossless

from tests.makers import Series, a_slice, compressed, save_dicom
from voxray.core.errors import TooLargeError, UnreadableScanError
from voxray.scan_io import read_volume, size_problem


def test_bound_is_8_gib_of_float32():
    assert size_problem((1024, 1024, 2048)) is None
    assert size_problem((1024, 1024, 2049)) == (
        "the header declares 1024 x 1024 x 2049 voxels, more than 2147483648 in all"
    )


def test_slice_beyond_the_bound_is_refused_before_memory_is_taken(tmp_path):
    series = Series(n_slices=1)
    dataset = compressed(a_slice(series, 0), RLELossless)
    dataset.Rows = dataset.Columns = 65535
    path = save_dicom(dataset, tmp_path / "a.dcm")
    tracemalloc.start()

    with pytest.raises(TooLargeError, match=r"declares 65535 x 65535 x 1 voxels"):
        read_volume(series.source([path]))

    assert tracemalloc.get_traced_memory()[1] < 1 << 22
    tracemalloc.stop()


def test_stack_beyond_the_bound_is_refused_by_its_first_slice(tmp_path):
    series = Series(n_slices=1)
    dataset = compressed(a_slice(series, 0), RLELossless)
    dataset.Rows = dataset.Columns = 20000
    path = save_dicom(dataset, tmp_path / "a.dcm")

    with pytest.raises(TooLargeError, match=r"declares 20000 x 20000 x 6 voxels"):
        read_volume(series.source([path] * 6))


@pytest.mark.parametrize("keyword", ["Rows", "Columns"])
def test_image_without_a_size_is_refused(tmp_path, keyword):
    series = Series(n_slices=1)
    dataset = a_slice(series, 0)
    delattr(dataset, keyword)
    path = save_dicom(dataset, tmp_path / "a.dcm")

    with pytest.raises(UnreadableScanError, match="states no rows or no columns"):
        read_volume(series.source([path]))
