from dataclasses import replace

import pytest

from tests.unit.folds.makers import a_scan
from tests.unit.stages.makers import an_experiment
from voxray.core.errors import ConfigError
from voxray.core.specs.experiment import EvaluateSpec
from voxray.stages.baseline_columns import check_columns, column_values

CLASSIFY = {"classify": {"column": "y", "classes": {"no": 0, "yes": 1}}}
SCAN = replace(
    a_scan("s1", "p1"), meta={"diameter_mm": "7.5", "sex": "W"}, sex="F", age_years=61.0
)


def check(tmp_path, *columns, task=CLASSIFY):
    data = {
        "scans": tmp_path,
        "masks": tmp_path,
        "labels": {"table": tmp_path / "t.csv"},
        "patient": "each_file",
    }
    experiment = an_experiment(
        tmp_path,
        data=data,
        task=task,
        evaluate=EvaluateSpec(baseline_columns=columns),
    )
    check_columns([SCAN], experiment)


def test_columns_of_the_table_and_of_headers_are_known(tmp_path):
    check(tmp_path, "diameter_mm", "age_years", "sex")


def test_the_nearest_name_is_given(tmp_path):
    with pytest.raises(ConfigError, match="'diametre_mm'; did you mean 'diameter_mm'"):
        check(tmp_path, "diametre_mm")


def test_without_a_near_name_all_are_given(tmp_path):
    with pytest.raises(ConfigError, match="'zzz'; there is diameter_mm, sex"):
        check(tmp_path, "zzz")


def test_the_label_is_no_baseline(tmp_path):
    with pytest.raises(ConfigError, match="'y' is what the network predicts"):
        check(tmp_path, "y")


def test_columns_need_a_class_to_predict(tmp_path):
    segment = {"segment": {"classes": {"lesion": {"value": 1}}}}
    with pytest.raises(ConfigError, match="columns predict a class"):
        check(tmp_path, "diameter_mm", task=segment)


def test_a_column_of_the_table_comes_before_that_of_the_header():
    assert column_values({SCAN.exam_id: SCAN}, "sex") == {SCAN.exam_id: "W"}
    assert column_values({SCAN.exam_id: SCAN}, "age_years") == {SCAN.exam_id: 61.0}


def test_the_scanner_of_the_header_is_a_column():
    scan = replace(SCAN, scanner="Maker One")
    assert column_values({SCAN.exam_id: scan}, "scanner") == {SCAN.exam_id: "Maker One"}
