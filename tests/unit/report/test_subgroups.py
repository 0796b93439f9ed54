from dataclasses import replace
from typing import Any

import pytest

from tests.unit.report.makers import NOTE, a_metric
from voxray.report.forest import draw_subgroups
from voxray.report.naming import png_size
from voxray.report.subgroups import subgroup_rows, subgroups_line


def a_part(subset, low=-0.1, high=0.1, **changes):
    """A figure of a subgroup and its difference from the rest."""
    metric = a_metric(subset=subset, **changes)
    gap = replace(
        metric,
        metric=f"{metric.metric}_less_rest",
        value=None if low is None else (low + high) / 2,
        low=low,
        high=high,
    )
    return [metric, gap]


LACKING: dict[str, Any] = {
    "value": None,
    "low": None,
    "high": None,
    "method": "not estimable: 3 patients",
}


def lacking(subset):
    figure, gap = a_part(subset)
    return [replace(figure, **LACKING), replace(gap, **LACKING)]


def test_each_figure_stands_beside_its_difference():
    (row,) = subgroup_rows([a_metric(), *a_part("sex=F")])
    assert (row.metric.metric, row.difference.metric) == ("auc", "auc_less_rest")


@pytest.mark.parametrize(
    ("low", "high", "differs"),
    [(-0.1, 0.1, False), (0.0, 0.1, False), (0.01, 0.1, True), (-0.2, -0.1, True)],
)
def test_a_difference_counts_when_its_interval_is_without_0(low, high, differs):
    (row,) = subgroup_rows(a_part("sex=F", low, high))
    assert row.differs is differs


def test_what_cannot_be_estimated_says_why():
    (row,) = subgroup_rows(lacking("sex=F"))
    assert (row.differs, row.why) == (False, "3 patients")


def test_no_subgroups_have_no_line():
    assert subgroups_line([a_metric()]) == ""


def test_the_line_counts_comparisons_and_what_is_open():
    metrics = [*a_part("sex=F"), *lacking("sex=M")]
    assert subgroups_line(metrics) == (
        "Subgroups: 2 comparisons with all other exams, 1 not estimable; no interval "
        "of a difference is without 0"
    )


def test_the_line_names_at_most_four_that_differ():
    metrics = [m for n in range(6) for m in a_part(f"site={n}", 0.1, 0.2)]
    line = subgroups_line(metrics)
    assert "site=3 auc +0.150 [+0.100, +0.200], 2 more" in line


def test_the_plot_grows_with_rows_and_panels():
    one = [a_metric(), *a_part("sex=F")]
    more = [*one, *lacking("sex=M"), *a_part("sex=F", metric="dice")]
    small, large = png_size(draw_subgroups(one)), png_size(draw_subgroups(more, NOTE))
    assert large[0] > small[0]
    assert large[1] > small[1]


def test_equal_figures_give_equal_bytes():
    metrics = [a_metric(), *a_part("sex=F", 0.1, 0.2)]
    assert draw_subgroups(metrics) == draw_subgroups(metrics)


def test_names_with_dollar_signs_and_no_figure_at_all_can_be_drawn():
    assert draw_subgroups([*a_part("cost=$5$")])[:4] == b"\x89PNG"
    assert draw_subgroups([])[:4] == b"\x89PNG"
