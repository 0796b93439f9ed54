import numpy as np

from voxray.core.records import ExamId, ScanId
from voxray.preprocess import ScanStatistics
from voxray.train.baselines import column_table, scan_tables

E1, E2 = ExamId("e1"), ExamId("e2")


def a_scan(shape=(10, 20, 30), intensity=(1.0, 2.0)):
    return ScanStatistics(
        ScanId("s"), shape, (1.0, 0.5, 2.0), "", 0, 1, 0.5, 0.1, (), intensity
    )


def test_size_is_extent_volume_and_voxels():
    tables = scan_tables({E1: {"ct": a_scan()}}, ["ct"])
    assert tables["extent"].to_numpy().tolist() == [[10, 10, 60]]
    assert tables["size"].to_numpy().tolist() == [[10, 10, 60, 10, 20, 30, 6]]


def test_intensity_of_a_channel_that_an_exam_lacks_is_missing():
    exams = {E1: {"a": a_scan(), "b": a_scan()}, E2: {"a": a_scan()}}
    table = scan_tables(exams, ["a", "b"])["intensity"]
    assert table.columns.tolist() == ["a_0", "a_1", "b_0", "b_1"]
    assert np.isnan(table.to_numpy()[1, 2])


def test_all_features_of_a_scan_stand_together():
    tables = scan_tables({E1: {"ct": a_scan()}}, ["ct"])
    width = len(tables["size"].columns) + len(tables["intensity"].columns)
    assert len(tables["size+intensity"].columns) == width


def test_a_column_of_numbers_is_a_number_and_what_is_absent_missing():
    column = column_table("age", {E1: "61", E2: None})["age"]
    assert column.dtype == np.float64
    assert column[E1] == 61
    assert np.isnan(column[E2])


def test_a_column_with_one_word_is_a_category():
    column = column_table("side", {E1: "1", E2: "left"})["side"]
    assert column.tolist() == ["1", "left"]
    assert column.dtype == object
