import numpy as np
import pytest

from tests.unit.evaluate.makers import BINARY, SPEC, a_study
from tests.unit.evaluate.test_local import a_point, ranked
from voxray.core.specs import DecisionRule
from voxray.evaluate import Grouping, confusion_tables, subgroup_metrics
from voxray.evaluate.estimate import Settings
from voxray.evaluate.registered import evaluate_registered, registered_points


def evaluated(rows, threshold=0.525):
    settings = Settings(SPEC, 1, {"yes": a_point(threshold=threshold)})
    found = evaluate_registered(rows, (), BINARY, settings, 0.05)
    return {row.metric: row for row in found}


def test_the_registered_threshold_decides_every_exam():
    found = evaluated(ranked(), threshold=0.525)

    assert (found["sensitivity"].value, found["specificity"].value) == (0.9, 1.0)
    assert found["sensitivity"].n_exams == 20
    assert "registered threshold of 0.5250" in found["sensitivity"].method
    assert found["accuracy_at_operating_point"].value == pytest.approx(38 / 40)


def test_figures_that_need_other_folds_are_left_out():
    found = evaluated(a_study(np.random.default_rng(2), n_folds=1))

    assert not [name for name in found if "_at_s" in name or "pooled" in name]
    assert "scores of one predictor" in found["auc"].method
    assert {"auc", "ppv", "calibration_slope", "local_threshold"} <= found.keys()


def test_subgroups_and_the_confusion_table_use_the_registered_threshold():
    rows, points = ranked(), {"yes": a_point(threshold=0.525)}
    everyone = Grouping(("site=a",), {row.exam_id: "site=a" for row in rows})

    (sensitivity,) = (
        row
        for row in subgroup_metrics(rows, [everyone], BINARY, SPEC, 1, points)
        if row.metric == "sensitivity"
    )
    assert BINARY.classify is not None
    table = confusion_tables(rows, BINARY.classify, SPEC, points)[""]

    assert sensitivity.value == 0.9
    assert table.exams == ((20.0, 0.0), (2.0, 18.0))


def test_points_are_by_class():
    two = DecisionRule(classes=("no", "yes"), positive="yes", operating_point=a_point())
    more = DecisionRule(classes=("a", "b", "c"), positive="c")

    assert registered_points(two) == {"yes": a_point()}
    assert registered_points(more) == registered_points(None) == {}
