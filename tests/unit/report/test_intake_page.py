import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import PurePosixPath
from typing import Any

import pytest

from tests.unit.report.intake_makers import (
    a_finding,
    a_pair,
    a_seen_scan,
    an_intake,
    an_unused,
)
from voxray.core.findings import FindingCode as C
from voxray.core.records import PatientId, ScanId
from voxray.report import IntakeContent, Thumbnail, render_intake_page, scans_on_page
from voxray.report.distributions import word_bars


class _Page(HTMLParser):
    """Tags and text; fails on a tag that is closed in the wrong place."""

    VOID = frozenset({"meta", "link", "img", "br", "input", "rect", "line"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.said: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.said.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.said).split())


def page_of(content: IntakeContent) -> _Page:
    page = _Page(render_intake_page(content))
    assert page.open == []
    return page


def a_full_intake(**changes: Any) -> IntakeContent:
    labels = {"record": {"labels": {"sick": 1}, "sex": "F", "age_years": 40.0}}
    plain: dict[str, Any] = {
        "unused": (an_unused(C.MISSING_SLICE), an_unused(C.NO_LABEL)),
        "near_copies": (a_pair("a", "b"),),
        "linked_patients": ((PatientId("p-1"), PatientId("p-2")),),
        "label_rows_without_scan": 3,
        "label_row_examples": ("s-x",),
        "thumbnails": {ScanId("a"): Thumbnail("thumbnails/a.png", 292, 96)},
        "notes": ("the scans are a mixture in age",),
    }
    return an_intake(
        a_seen_scan("a", C.NEAR_COPY, C.EXTENT_UNVERIFIED, **labels),
        a_seen_scan("b", C.NEAR_COPY, C.EXTENT_UNVERIFIED, manufacturer="ACME"),
        a_seen_scan("c", C.EXTENT_UNVERIFIED),
        **(plain | changes),
    )


def test_everything_has_its_place_on_the_page() -> None:
    text = page_of(a_full_intake()).text
    for said in (
        "3 scans of 3 patients",
        "ACME",
        "Label sick",
        "Field of view left-right",
        "near-copy · 2 scans",
        "missing-slice · 1 row",
        "p-1 and p-2",
        "They name no scan that was found. Among them: s-x .",
        "The scans are a mixture in age.",
    ):
        assert said in text


def test_masks_and_labels_of_several_channels_are_counted_by_exam() -> None:
    one, two = (a_seen_scan(name, record={"labels": {"sick": 1}}) for name in "ab")
    two = replace(two, record=replace(two.record, exam_id=one.record.exam_id))
    masked = replace(one.record, mask_path=PurePosixPath("a.nii.gz"))
    bars = word_bars((replace(one, record=masked), two, a_seen_scan("c")))
    rows = {bar.title: {word: n for word, n, _ in bar.rows} for bar in bars}
    assert rows["Mask, by exam"] == {"yes": 1, "no": 1}
    assert rows["Label sick, by exam"] == {"1": 1, "(not stated)": 1}


def test_an_empty_intake_says_so() -> None:
    page = page_of(an_intake(unused=(an_unused(C.MISSING_SLICE),)))
    assert "No scan can be used." in page.text
    assert "0 scans of 0 patients" in page.text


def test_scans_with_rare_findings_come_first() -> None:
    scans = a_full_intake().scans
    assert scans_on_page(scans[::-1]) == ["a", "b", "c"]


def test_pictures_are_relative_lazy_and_sized() -> None:
    images = [a for tag, a in page_of(a_full_intake()).tags if tag == "img"]
    assert {image["src"] for image in images} == {"thumbnails/a.png"}
    assert {image["loading"] for image in images} == {"lazy"}
    assert {(image["width"], image["height"]) for image in images} == {("292", "96")}


def test_a_scan_without_a_picture_says_so() -> None:
    assert "not shown" in page_of(a_full_intake()).text


def test_nothing_is_loaded_from_anywhere_else() -> None:
    html = render_intake_page(a_full_intake())
    assert not re.findall(r"(?:https?:)?//[a-z]", html.replace("// ", ""))


def test_paths_do_not_stand_on_the_page() -> None:
    assert "secret-path" not in render_intake_page(a_full_intake())


@pytest.mark.parametrize("evil", ['"><script>alert(1)</script>', "a&b'c", "</style>"])
def test_hostile_text_is_shown_and_not_obeyed(evil: str) -> None:
    scan = a_seen_scan(
        evil,
        body_part=evil,
        manufacturer=evil,
        record={
            "modality": evil,
            "site": evil,
            "sex": evil,
            "labels": {evil: evil},
            "findings": (a_finding(C.NEAR_COPY, evil),),
        },
    )
    plain = page_of(an_intake(a_seen_scan("x"), a_seen_scan("y")))
    page = page_of(
        an_intake(
            scan,
            a_seen_scan("y"),
            near_copies=(a_pair(evil, "y"),),
            linked_patients=((PatientId(evil), PatientId("y")),),
            label_rows_without_scan=1,
            label_row_examples=(evil,),
            notes=(evil,),
        )
    )
    tags = [tag for tag, _ in page.tags]
    assert tags.count("script") == [tag for tag, _ in plain.tags].count("script")
    assert page.text.count(evil) > 8


def test_equal_content_gives_equal_text() -> None:
    assert render_intake_page(a_full_intake()) == render_intake_page(a_full_intake())


def test_ten_thousand_scans_get_five_hundred_cards() -> None:
    scans = [a_seen_scan(f"s{n:05}") for n in range(9_999)]
    html = render_intake_page(an_intake(*scans, a_seen_scan("odd", C.UNLIKE_SIBLINGS)))
    page = _Page(html)
    assert sum("data-codes" in attributes for _, attributes in page.tags) == 500
    assert "500 scans of 10,000" in page.text
    assert "The other 9,500 scans are in manifest.csv" in page.text
    assert html.index(">odd<") < html.index(">s00000<")
    assert len(html) < 1_000_000
