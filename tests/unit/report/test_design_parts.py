from tests.unit.report.makers import a_metric
from voxray.report.design_parts import part_rows, parts_line, parts_title
from voxray.report.forest import draw_parts
from voxray.report.naming import png_size


def of_repeats(n):
    return [a_metric(subset=f"repeat {k}", value=0.8 + k / 100) for k in range(n)]


def test_parts_are_apart_from_all_subgroups_and_baselines():
    rows = of_repeats(2)
    others = [
        a_metric(),
        a_metric(subset="site=A"),
        a_metric(subset="holdout"),
        a_metric(subset="repeat 0", model="baseline:size"),
    ]
    assert part_rows([*others, *rows]) == tuple(rows)


def test_repeats_and_values_have_headings_of_their_own():
    assert parts_title(of_repeats(2)) == "Repeats of the split"
    left_out = [a_metric(subset="left out: site=A")]
    assert parts_title(left_out) == "One value left out at a time"


def test_the_line_has_the_headline_figure_of_each_part_with_its_interval():
    rows = [*of_repeats(2), a_metric(metric="sensitivity", subset="repeat 0")]
    assert parts_line(rows) == (
        "Repeats of the split. auc lesion: repeat 0 0.800 [0.710, 0.950], "
        "repeat 1 0.810 [0.710, 0.950]"
    )


def test_the_line_names_a_few_parts_and_counts_the_others():
    assert parts_line(of_repeats(8)).endswith(
        "repeat 5 0.850 [0.710, 0.950], and 2 more parts"
    )


def test_without_parts_there_is_no_line():
    assert not parts_line([a_metric(), a_metric(subset="site=A")])


def test_a_value_is_named_without_its_mark():
    rows = [a_metric(subset="left out: site=A", low=None, high=None)]
    assert "auc lesion: site=A 0.874 [interval not estimable]" in parts_line(rows)


def test_the_plot_has_a_row_for_each_part():
    rows = [a_metric(), *of_repeats(5)]
    small, large = png_size(draw_parts(rows[:3])), png_size(draw_parts(rows))
    assert large[0] == small[0]
    assert large[1] > small[1]
