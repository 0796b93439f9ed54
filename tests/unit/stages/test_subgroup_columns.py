from dataclasses import replace

import pytest

from tests.unit.evaluate.makers import a_mask
from tests.unit.folds.makers import a_scan
from tests.unit.stages.makers import an_experiment
from voxray.core.errors import ConfigError
from voxray.core.records import ExamId
from voxray.core.specs.experiment import EvaluateSpec, SubgroupColumn
from voxray.stages.subgroup_columns import check_subgroups, find_groupings


def scans(**columns):
    """One scan of one patient per value; None is not stated."""
    n = max(len(values) for values in columns.values())
    return [
        replace(
            a_scan(f"s{i:02}", f"p{i:02}"),
            exam_id=ExamId(f"s{i:02}"),
            meta={
                name: str(values[i])
                for name, values in columns.items()
                if values[i] is not None
            },
        )
        for i in range(n)
    ]


def experiment(folder, *subgroups):
    return an_experiment(folder, evaluate=EvaluateSpec(subgroups=subgroups))


def parts(folder, records, *subgroups):
    """Subgroup of each exam in order, of the first column."""
    asked = experiment(folder, *subgroups)
    rows = [
        a_mask(r.exam_id, r.patient_id, 0.5, drawn=n) for n, r in enumerate(records)
    ]
    by_exam = {record.exam_id: record for record in records}
    (grouping,) = find_groupings(by_exam, rows, asked)
    assert set(grouping.of_exam.values()) == set(grouping.names)
    return grouping, [grouping.of_exam[record.exam_id] for record in records]


def test_words_part_by_value_and_unknown_is_a_part(tmp_path):
    grouping, names = parts(tmp_path, scans(scanner=["B", None, "A", "B"]), "scanner")
    assert names == ["scanner=B", "scanner=unknown", "scanner=A", "scanner=B"]
    assert grouping.names == ("scanner=A", "scanner=B", "scanner=unknown")


def test_edges_part_numbers_and_an_edge_belongs_above(tmp_path):
    bands = SubgroupColumn(column="mm", edges=(6, 12))
    records = scans(mm=[5.9, 6, 11.9, 12, None])
    grouping, names = parts(tmp_path, records, bands)
    assert names == ["mm<6", "6<=mm<12", "6<=mm<12", "mm>=12", "mm=unknown"]
    assert grouping.names == ("mm<6", "6<=mm<12", "mm>=12", "mm=unknown")
    assert grouping.how == ""


def test_many_numbers_without_edges_are_parted_at_thirds(tmp_path):
    grouping, names = parts(tmp_path, scans(age=list(range(10, 100, 10))), "age")
    assert [names.count(name) for name in grouping.names] == [3, 3, 3]
    assert grouping.how == "parted at thirds of the exams"


def test_few_numbers_part_by_value(tmp_path):
    grouping, _ = parts(tmp_path, scans(grade=[1, 2, 2, 3]), "grade")
    assert grouping.names == ("grade=1", "grade=2", "grade=3")


def test_headers_are_columns_too(tmp_path):
    records = [replace(r, sex="F", modality="CT") for r in scans(x=[1, 2])]
    assert parts(tmp_path, records, "sex")[1] == ["sex=F", "sex=F"]
    assert parts(tmp_path, records, "modality")[1] == ["modality=CT", "modality=CT"]


def test_the_drawn_volume_is_a_column(tmp_path):
    bands = SubgroupColumn(column="drawn_ml", edges=(2,))
    _, names = parts(tmp_path, scans(x=[1, 2, 3]), bands)
    assert names == ["drawn_ml<2", "drawn_ml<2", "drawn_ml>=2"]


def test_the_drawn_volume_needs_masks(tmp_path):
    task = {"classify": {"column": "y", "classes": {"no": 0, "yes": 1}}}
    data = {"scans": tmp_path, "labels": {"table": tmp_path / "t.csv"}}
    asked = an_experiment(
        tmp_path, task=task, data=data, evaluate=EvaluateSpec(subgroups=("drawn_ml",))
    )
    with pytest.raises(ConfigError, match=r"drawn volume; give task\.segment"):
        check_subgroups(scans(x=[1]), asked)


def test_an_unknown_column_is_refused_with_the_nearest(tmp_path):
    with pytest.raises(ConfigError, match="'scaner'; did you mean 'scanner'"):
        check_subgroups(scans(scanner=["A"]), experiment(tmp_path, "scaner"))


def test_a_column_that_was_never_checked_is_refused_when_it_is_needed(tmp_path):
    with pytest.raises(ConfigError, match="'scaner'; did you mean 'scanner'"):
        parts(tmp_path, scans(scanner=["A"]), "scaner")


def test_a_header_that_no_scan_has_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"evaluate\.subgroups: .* column 'site'"):
        check_subgroups(scans(scanner=["A"]), experiment(tmp_path, "site"))


def test_edges_on_words_are_refused(tmp_path):
    asked = experiment(tmp_path, SubgroupColumn(column="mm", edges=(6,)))
    with pytest.raises(ConfigError, match=r"1 of its 2 values are no number.*'big'"):
        check_subgroups(scans(mm=["big", 7]), asked)


def test_too_many_values_are_refused(tmp_path):
    names = [f"site {n}" for n in range(21)]
    with pytest.raises(ConfigError, match="has 21 different values, at most 20"):
        check_subgroups(scans(site=names), experiment(tmp_path, "site"))
