from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import PurePosixPath

import pytest

from tests.unit.report.makers import (
    NOTE,
    a_content,
    a_metric,
    a_model,
    a_png,
    a_refusal,
    a_score,
    training_data,
)
from voxray.core.findings import FindingCode
from voxray.core.records import ScanId, ScoreStatus
from voxray.report import (
    ReportContent,
    ReportFigure,
    SuspectScan,
    WorstMask,
    render_report,
)

VOID = {"meta", "link", "img", "input", "br", "hr"}


class Page(HTMLParser):
    """Reads a page, and fails on tags that do not close in order."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag, f"</{tag}> closes another tag"

    def handle_data(self, data):
        if "style" not in self._open and "script" not in self._open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def ids(self) -> list[str | None]:
        return [attributes["id"] for _, attributes in self.tags if "id" in attributes]


def render(content: ReportContent) -> tuple[Page, dict[str, bytes | str]]:
    files = dict(render_report(content))
    html = files["index.html"]
    assert isinstance(html, str)
    return Page(html), files


def full_content() -> ReportContent:
    rows = (
        a_score("s-1", 0.9),
        a_score("s-2", 0.1),
        a_refusal("s-3"),
        a_refusal("s-4", FindingCode.PROCESSING_FAILED, ScoreStatus.FAILED),
    )
    return a_content(
        note=NOTE,
        model=a_model(),
        training=training_data(),
        evidence=(
            a_metric(),
            a_metric(metric="dice", resamples=2000),
            *a_comparison(),
        ),
        suspects=(a_suspect(png=a_png()),),
        worst=(a_worst_mask(png=a_png()), a_worst_mask("E8", hd95_mm=None)),
        figures=(ReportFigure("roc", "ROC curves.", a_png()),),
        scores=rows,
        score_files={"used": 310, "quarantined": 2},
        overlays=[(ScanId("s-1"), a_png()), (ScanId("s-2"), a_png())],
        structures=("lesion",),
    )


def test_page_loads_nothing_from_elsewhere():
    page, files = render(full_content())
    html = str(files["index.html"])
    assert "http:" not in html
    assert "https:" not in html
    assert "@import" not in html
    assert "url(" not in html
    assert all("src" not in script for script in page.all("script"))
    assert [link["href"] for link in page.all("link")] == ["data:,"]


def test_every_picture_and_link_of_the_page_exists():
    page, files = render(full_content())
    pictures = {image["src"] for image in page.all("img")}
    links = {str(link["href"]) for link in page.all("a")}
    assert pictures == set(files) - {"index.html"}
    assert {link for link in links if not link.startswith("#")} == pictures
    assert {link[1:] for link in links if link.startswith("#")} <= set(page.ids)


def test_page_is_accessible():
    page, _ = render(full_content())
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == 1
    assert all(image["alt"] for image in page.all("img"))
    assert all("scope" in head for head in page.all("th"))
    assert len(page.ids) == len(set(page.ids))


def test_same_content_gives_same_bytes():
    assert dict(render_report(full_content())) == dict(render_report(full_content()))


def test_summary_comes_before_scans_refusals_and_evidence():
    page, _ = render(full_content())
    places = [
        page.text.index(words)
        for words in (
            "4 volumes found: 2 scored, 1 refused, 1 failed",
            "Pictures are in radiological convention",
            "These volumes were not scored",
            "Every patient was predicted by a network that never saw",
            "Never for a person.",
        )
    ]
    assert places == sorted(places)


def test_scored_scan_shows_decision_probability_threshold_and_volume():
    page, _ = render(a_content(model=a_model(), scores=(a_score("s-1", 0.91),)))
    assert "s-1 patient p-s-1 lesion 0.910 threshold 0.400 1.23 ml" in page.text


def test_without_a_positive_class_every_class_has_a_column():
    page, _ = render(a_content(scores=(a_score("s-1", 0.9),)))
    assert "Probability of healthy" in page.text
    assert "Probability of lesion" in page.text
    assert "threshold" not in page.text


def test_missing_numbers_are_said_to_be_none():
    bare = a_score("s-2", decision=None, probabilities={}, volume_ml={}, mask=None)
    unsure = a_score("s-1", uncertainty=0.25, refer=True)
    page, _ = render(a_content(model=a_model(), scores=(unsure, bare)))
    assert "a person must read it" in page.text
    assert "0.250" in page.text
    assert "s-2 patient p-s-2 none none none none" in page.text


def test_refusals_are_explained_in_words_with_what_to_do():
    page, _ = render(a_content(scores=(a_refusal("s-3"),)))
    assert "A gap between slices is a whole multiple of the others" in page.text
    assert "missing-slice" in page.text
    assert "What to do Export the missing slice again, or set repair" in page.text
    assert "s-3 details of s-3" in page.text


def test_empty_parts_have_no_section():
    page, files = render(a_content())
    assert page.ids == ["main", "summary"]
    assert page.all("img") == page.all("table") == page.all("script") == []
    assert list(files) == ["index.html"]
    assert "Nothing was scored, and there is no evidence yet" in page.text


def test_report_without_scoring_starts_with_the_evidence():
    page, _ = render(a_content(evidence=(a_metric(),)))
    assert "Evaluated on 24 patients held out of training" in page.text
    assert "scored" not in page.ids


def test_folder_without_volumes_is_said():
    page, _ = render(a_content(scores=()))
    assert "0 volumes found: 0 scored, 0 refused, 0 failed" in page.text


def test_metric_stands_with_interval_counts_and_method():
    page, _ = render(a_content(evidence=(a_metric(metric="dice", resamples=2000),)))
    assert "Estimate [95 % interval]" in page.text
    assert (
        "Dice, lesion 0.874 [0.710, 0.950] 24 patients, 30 exams, 12 positive "
        "DeLong on the logit scale; 2,000 resamples, seed 1" in page.text
    )


def test_levels_that_differ_stand_at_each_metric():
    metrics = (a_metric(), a_metric(metric="dice", level=0.9))
    page, _ = render(a_content(evidence=metrics))
    assert "Estimate [interval]" in page.text
    assert "90 %" in page.text


def test_subgroups_stand_apart_from_figures_of_all():
    whose = {"subset": "scanner=C"}
    gap = {"value": -0.1, "low": -0.2, "high": -0.01, "method": "square-and-add"}
    metrics = (
        a_metric(),
        a_metric(value=0.7741, **whose),
        a_metric(metric="auc_less_rest", **whose, **gap),
    )
    page, _ = render(a_content(evidence=metrics))
    assert (
        "scanner=C Area under the ROC curve (AUC), lesion 0.774 [0.710, 0.950] "
        "-0.100 [-0.200, -0.010] 24 patients, 30 exams, 12 positive" in page.text
    )
    assert page.text.count("0.774 [") == 1
    assert "1 comparison with all other exams" in page.text


def test_repeats_have_a_table_of_their_own():
    metrics = (a_metric(), a_metric(subset="repeat 0", value=0.7741))
    page, _ = render(a_content(evidence=metrics))
    assert "Repeats of the split" in page.text
    assert "repeat 0 Area under the ROC curve (AUC), lesion 0.774" in page.text
    assert page.text.count("0.774 [") == 1


def test_values_that_were_left_out_have_a_table_of_their_own():
    metrics = (a_metric(), a_metric(subset="left out: site=A", value=0.7741))
    page, _ = render(a_content(evidence=metrics))
    assert "One value left out at a time" in page.text
    assert "site=A Area under the ROC curve (AUC), lesion 0.774" in page.text


def test_what_is_judged_on_labelled_scans_stands_before_the_scans():
    both = a_content(evidence=(a_metric(),), scores=(a_score("c1"),))
    page, _ = render(both)
    judged, _ = render(replace(both, account=("1 exam is judged",)))

    first, then = "Evidence for the model", "Filter by scan"
    assert judged.text.index(first) < judged.text.index(then)
    assert "1 exam is judged" in judged.text
    assert page.text.index(then) < page.text.index(first)


def test_the_locked_holdout_stands_apart_and_says_which_look_it_was():
    looked = (a_metric(subset="holdout", value=0.6543, method="look 2"),)
    line = "look 2 at 24 patients: auc lesion 0.654"
    page, _ = render(
        a_content(evidence=(a_metric(),), holdout=looked, holdout_line=line)
    )
    assert "Locked holdout" in page.text
    assert line in page.text
    assert page.text.count("0.654 [") == 1


def test_without_a_look_nothing_is_said_of_the_holdout():
    page, _ = render(a_content(evidence=(a_metric(),)))
    assert "Locked holdout" not in page.text


def test_not_estimable_metric_says_why():
    metric = a_metric(value=None, low=None, high=None, method="4 positive patients")
    page, _ = render(a_content(evidence=(metric,)))
    assert "not estimable" in page.text
    assert "4 positive patients" in page.text
    assert "None" not in page.text


def test_note_stands_on_top_and_beside_figures_scores_and_metrics():
    page, _ = render(full_content())
    assert page.text.count(NOTE) == 6
    assert page.text.index(NOTE) < page.text.index("4 volumes found")


def test_training_data_counts_files_and_reasons():
    page, _ = render(a_content(training=training_data()))
    assert "1,180 used 79 quarantined" in page.text
    assert "missing-slice 2 A gap between slices" in page.text


@pytest.mark.parametrize("evil", ['"><script>alert(1)</script>', "../../x", "a&b'c"])
def test_hostile_text_is_shown_and_not_obeyed(evil):
    content = a_content(
        title=evil,
        note=evil,
        model=a_model(name=evil, positive=evil),
        scores=(
            a_score(evil, decision=evil, probabilities={evil: 0.5}),
            a_refusal(evil + "2"),
        ),
        overlays=[(ScanId(evil), a_png())],
        figures=(ReportFigure(evil, evil, a_png()),),
        evidence=(a_metric(class_=evil, method=evil),),
    )
    page, files = render(content)
    assert evil in page.text
    assert page.all("script") == []
    assert all(set(image) <= IMAGE_ATTRIBUTES for image in page.all("img"))
    assert all(".." not in PurePosixPath(name).parts for name in files)
    assert {image["src"] for image in page.all("img")} == set(files) - {"index.html"}


IMAGE_ATTRIBUTES = {"src", "width", "height", "loading", "alt"}


def test_ten_thousand_scans_get_pictures_for_the_first_500_only():
    rows = tuple(a_score(f"s-{n:05d}") for n in range(10_000))
    pictures = ((row.scan_id, a_png()) for row in rows)
    files = dict(render_report(a_content(scores=rows, overlays=pictures)))
    html = str(files["index.html"])  # parsing five megabytes would take seconds
    assert html.count("<img ") == len(files) - 1 == 500
    assert html.count("<tr>") == 10_001
    assert "first 500 scored scans; the other 9,500 scans are listed" in html


def test_long_list_of_refusals_says_what_it_leaves_out():
    rows = tuple(a_refusal(f"s-{n:05d}") for n in range(1_234))
    page, _ = render(a_content(scores=rows))
    assert "The first 200 of 1,234 volumes" in page.text
    assert "1,034 more volumes with this reason: see scores.csv" in page.text


def test_pictures_are_streamed_and_the_page_comes_last():
    drawn: list[str] = []

    def overlays() -> Iterator[tuple[ScanId, bytes]]:
        for name in ("s-1", "s-2", "s-2", "unknown"):
            drawn.append(name)
            yield ScanId(name), a_png()

    rows = (a_score("s-1"), a_score("s-2"))
    stream = render_report(a_content(scores=rows, overlays=overlays()))
    assert next(stream)[0] == "img/scan-s-1.png"
    assert drawn == ["s-1"]
    assert [name for name, _ in stream] == ["img/scan-s-2.png", "index.html"]


def test_scan_without_picture_says_so():
    rows = (a_score("s-1"), a_score("s-2"))
    page, _ = render(a_content(scores=rows, overlays=[(ScanId("s-1"), a_png())]))
    assert "no picture s-2" in page.text


def test_a_wide_figure_takes_the_whole_row():
    figures = (
        ReportFigure("a", "A.", a_png(9, 3)),
        ReportFigure("b", "B.", a_png(3, 3)),
    )
    page, _ = render(a_content(figures=figures))
    assert page.all("figure") == [{"class": "wide"}, {}]


def test_picture_that_is_no_png_is_an_error():
    content = a_content(figures=(ReportFigure("roc", "ROC.", b"GIF89a"),))
    with pytest.raises(ValueError, match="must be a PNG, got 6 bytes"):
        list(render_report(content))


def a_comparison():
    own = a_metric(metric="auc", model="baseline:size", method="logistic; DeLong")
    gap = replace(own, metric="auc_difference", value=0.1, low=0.02, high=0.18)
    return own, gap


def a_suspect(png=None):
    return SuspectScan(1, "class", "e7", "p7", "healthy", "lesion", 3.2, "why", png)


def test_baselines_have_a_section_of_their_own_with_a_verdict():
    page, _ = render(a_content(evidence=(a_metric(), *a_comparison())))
    assert "Is the network worth it?" in page.text
    assert "The network beats the scan's size." in page.text
    assert "+0.100 [+0.020, +0.180]" in page.text
    assert page.text.count("AUC, lesion") == 2


def test_suspected_scans_are_shown_with_picture_and_both_opinions():
    shown = a_content(evidence=(a_metric(),), suspects=(a_suspect(png=a_png()),))
    page, files = render(shown)
    assert "Scans to look at again" in page.text
    assert "healthy" in page.text
    assert "better than guessing" not in page.text
    assert any(name.startswith("img/suspect") for name in files)


def a_worst_mask(exam="e7", hd95_mm=7.25, png=None):
    why = "less is predicted than drawn"
    return WorstMask(1, "lesion", exam, "p7", 0.3125, hd95_mm, 2.0, 0.5, why, png)


def test_worst_masks_are_shown_with_picture_measures_and_reason():
    worst = (a_worst_mask(png=a_png()), a_worst_mask("E8", hd95_mm=None))
    page, files = render(a_content(evidence=(a_metric(),), worst=worst))
    for words in ("The worst masks", "0.312", "7.250", "2.00 ml", "0.500 ml"):
        assert words in page.text
    assert "less is predicted than drawn" in page.text
    assert "no picture" in page.text
    assert "img/worst-lesion-e7.png" in files


@pytest.mark.parametrize("ends", [(0.4, 0.6), (None, None)])
def test_suspects_of_a_network_that_may_guess_come_with_a_warning(ends):
    guess = a_metric(value=0.52, low=ends[0], high=ends[1])
    page, _ = render(a_content(evidence=(guess,), suspects=(a_suspect(),)))
    assert "not shown to be better than guessing" in page.text


def test_each_label_shows_its_threshold():
    score = a_score(
        "s-1", threshold=None, thresholds={"lesion": 0.25}, decision="lesion"
    )
    page, _ = render(a_content(scores=(score,), model=a_model(positive=None)))
    assert page.words.count("threshold 0.250") == 1
    assert "Probability of healthy" in page.words
