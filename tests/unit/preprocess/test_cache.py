import numpy as np
import pytest

from tests.unit.preprocess.makers import SHAPE, a_grid, linear_in_mm
from voxray.core.errors import ManifestError
from voxray.core.records import ExamId
from voxray.preprocess import PreparedExam, read_index, write_exam, write_index


def a_scan(with_mask=True):
    mask = np.ones(SHAPE, np.uint8) if with_mask else None
    return PreparedExam(linear_in_mm(a_grid())[None], mask, a_grid())


def written(folder, name, *, with_mask=True):
    return write_exam(folder, ExamId(name), a_scan(with_mask))


def indexed(folder):
    return {str(name): exam for name, exam in read_index(folder).items()}


def test_arrays_come_back_as_they_were_written(tmp_path):
    exams = [written(tmp_path, name, with_mask=name == "e1") for name in ("e2", "e1")]
    write_index(tmp_path, exams)
    found = indexed(tmp_path)
    assert list(found) == ["e1", "e2"]
    assert isinstance(found["e1"].read_image(), np.memmap)
    np.testing.assert_array_equal(found["e1"].read_image(), a_scan().image)
    np.testing.assert_array_equal(found["e1"].read_mask(), 1)
    assert found["e2"].read_mask() is None
    assert found["e1"].grid.matches(a_grid())


def test_a_missing_array_is_named(tmp_path):
    exam = written(tmp_path, "e1")
    write_index(tmp_path, [exam])
    exam.image.unlink()
    with pytest.raises(ManifestError, match="'e1' is gone; preprocess again"):
        read_index(tmp_path)


def test_a_missing_mask_is_named(tmp_path):
    exam = written(tmp_path, "e1")
    write_index(tmp_path, [exam])
    exam.mask.unlink()
    with pytest.raises(ManifestError, match="'e1' is gone; preprocess again"):
        read_index(tmp_path)
