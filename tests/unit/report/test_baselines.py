from dataclasses import replace

import pytest

from tests.unit.report.makers import a_metric
from voxray.core.records import Metric
from voxray.report import Verdict, baselines_line, comparisons, verdict
from voxray.report.baselines import place, reach, signed


def a_gap(value, low, high, model="baseline:size", metric="auc"):
    """A baseline's figure and the difference to it."""
    own = a_metric(metric=metric, class_="ill", model=model, method="how; more")
    ends = {"value": value, "low": low, "high": high}
    return [own, replace(own, metric=f"{metric}_difference", **ends)]


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ((0.1, 0.02, 0.18), Verdict.BEATS),
        ((0.1, -0.02, 0.22), Verdict.NOT_SHOWN),
        ((-0.1, -0.12, -0.02), Verdict.WORSE),
        ((0.1, None, None), Verdict.UNKNOWN),
    ],
)
def test_the_verdict_is_that_of_the_interval(ends, expected):
    assert verdict(a_gap(*ends)[1]) is expected


def test_each_baseline_has_one_plain_sentence():
    (row,) = comparisons(a_gap(0.1, 0.02, 0.18))
    assert row.sentence == "The network beats the scan's size."
    assert row.what == "how"


def test_what_the_score_adds_to_columns_is_said_apart():
    (row,) = comparisons(a_gap(0.01, -0.02, 0.03, model="columns+network"))
    assert row.adds
    assert row.sentence == "The network's score is not shown to add to the columns."


def test_figures_of_the_network_are_no_baseline():
    network: Metric = a_metric()
    assert comparisons([network]) == ()
    assert baselines_line([network]) == ""


def test_one_line_says_what_was_beaten_and_what_not():
    rows = [
        *a_gap(0.1, 0.02, 0.18),
        *a_gap(0.0, -0.02, 0.02, model="baseline:age"),
        *a_gap(0.03, 0.01, 0.05, model="columns+network"),
    ]
    assert baselines_line(rows) == (
        "beats the scan's size; not shown to beat age; "
        "columns with the network +0.030 [+0.010, +0.050] over the columns alone"
    )


def of_label(label, rows):
    return [replace(row, class_=label) for row in rows]


def test_with_several_labels_each_sentence_names_its_own():
    rows = [
        *of_label("a", a_gap(0.1, 0.02, 0.18)),
        *of_label("b", a_gap(0.0, -0.02, 0.02, model="columns+network")),
    ]
    first, second = comparisons(rows)
    assert first.sentence == "For a: the network beats the scan's size."
    assert second.sentence.startswith("For b: the network's score is not shown to add")
    assert "columns with the network (b) +0.000" in baselines_line(rows)


def test_a_difference_has_a_sign():
    assert signed(a_gap(0.1, 0.02, 0.18)[1]) == "+0.100 [+0.020, +0.180]"
    assert signed(a_gap(-0.1, None, None)[1]) == "-0.100 [interval not estimable]"
    assert signed(a_gap(None, None, None)[1]) == "not estimable"


def test_the_scale_holds_every_interval():
    assert reach([a_gap(0.1, -0.3, 0.2)[1]]) == 0.3
    assert reach([a_gap(None, None, None)[1]]) == 0.05
    assert (place(-0.3, 0.3), place(0, 0.3), place(0.3, 0.3)) == (
        "0.0%",
        "50.0%",
        "100.0%",
    )


def test_a_column_keeps_its_spelling():
    rows = [*a_gap(0.1, 0, 0.2), *a_gap(0.1, 0, 0.2, model="baseline:age_years")]
    assert [row.title for row in comparisons(rows)] == ["The scan's size", "age_years"]
