import pytest

from tests.unit.report.intake_makers import a_seen_scan
from voxray.report.distributions import Histogram, number_histograms, word_bars
from voxray.report.intake_content import SeenScan


def histogram(title: str, scans: list[SeenScan]) -> Histogram:
    (found,) = [h for row in number_histograms(scans) for h in row if h.title == title]
    return found


def aged(*years: float | None) -> list[SeenScan]:
    return [
        a_seen_scan(str(n), record={"age_years": age}) for n, age in enumerate(years)
    ]


def test_words_are_counted_and_what_is_not_stated_is_said() -> None:
    scans = [a_seen_scan(str(n), record={"sex": sex}) for n, sex in enumerate("FFM")]
    (sex,) = [
        bars for bars in word_bars([*scans, a_seen_scan("x")]) if bars.title == "Sex"
    ]
    assert sex.rows == (("F", 2, 1.0), ("M", 1, 0.5), ("(not stated)", 1, 0.5))


def test_a_column_that_nobody_states_has_no_bars() -> None:
    assert [bars.title for bars in word_bars([a_seen_scan("a")])] == ["Modality"]


def test_many_words_are_summed_up() -> None:
    scans = [a_seen_scan(str(n), record={"site": f"site {n:02}"}) for n in range(20)]
    (site,) = [bars for bars in word_bars(scans) if bars.title == "Site"]
    assert site.rows[-1][:2] == ("12 others", 12)


def test_whole_numbers_have_bins_of_whole_numbers() -> None:
    age = histogram("Age", aged(40, 40, 41, 43, None))
    assert age.counts == (2, 1, 0, 1)
    assert (age.low, age.median, age.high, age.n) == (40, 40.5, 43, 4)


def test_equal_numbers_fill_one_bin() -> None:
    age = histogram("Age", aged(40.5, 40.5))
    assert sum(age.counts) == max(age.counts) == 2


def test_numbers_of_very_different_size_get_a_logarithmic_axis() -> None:
    scans = [a_seen_scan(str(n), p99_5=x) for n, x in enumerate((90.0, 900.0, 6e5))]
    assert histogram("Brightest values (percentile 99.5)", scans).logarithmic


def test_planes_have_no_voxel_size_across() -> None:
    flat = a_seen_scan("a", spacing_mm=(1.0, 1.0, None))
    titles = [h.title for row in number_histograms([flat]) for h in row]
    assert "Voxel size front-back" in titles
    assert not [title for title in titles if title.endswith("foot-head")]


@pytest.mark.parametrize("n", [1, 30, 1000])
def test_every_scan_is_in_a_bin(n: int) -> None:
    assert sum(histogram("Age", aged(*(i / 7 for i in range(n)))).counts) == n
