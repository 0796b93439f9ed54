from tests.unit.report.makers import a_refusal, a_score
from voxray.core.findings import FindingCode
from voxray.core.records import ScoreStatus
from voxray.report import summary_line, wanted_overlays
from voxray.report.tables import by_reason, decision_line, score_columns


def test_summary_counts_every_volume_once():
    rows = [a_score("a"), *(a_refusal(f"r{n}") for n in range(4))]
    assert summary_line(rows) == "5 volumes found: 1 scored, 4 refused, 0 failed"


def test_summary_names_volumes_that_were_not_selected():
    rows = [a_refusal("a", FindingCode.NOT_SELECTED, ScoreStatus.NOT_SELECTED)]
    assert summary_line(rows) == (
        "1 volume found: 0 scored, 0 refused, 1 not selected, 0 failed"
    )


def test_summary_counts_exams_where_they_hold_several_scans():
    rows = [a_score("a"), a_score("b", reason="channel flair of the exam; see scan a")]
    assert summary_line(rows) == (
        "2 volumes found: 2 scored (1 exam), 0 refused, 0 failed"
    )


def test_decisions_are_counted_by_class():
    rows = [a_score("a", 0.9), a_score("b", 0.1, refer=True), a_score("c", 0.2)]
    assert decision_line(rows) == (
        "Decisions: healthy 2, lesion 1; 1 to be read by a person"
    )


def test_no_decision_gives_no_line():
    assert decision_line([a_refusal("a")]) == ""


def test_most_frequent_reason_comes_first():
    rows = [
        a_refusal("a", FindingCode.TRUNCATED_FILE),
        a_refusal("b"),
        a_refusal("c"),
    ]
    groups = by_reason(rows, ScoreStatus.REFUSED)
    assert [(g.code, g.n) for g in groups] == [
        ("missing-slice", 2),
        ("truncated-file", 1),
    ]


def test_refusal_without_code_still_has_words():
    (group,) = by_reason([a_refusal("a", None)], ScoreStatus.REFUSED)
    assert (group.code, group.remedy) == ("", "")
    assert group.meaning == "The scan was left out without a code."


def test_pictures_are_wanted_for_scored_scans_in_order_of_id():
    rows = [a_score("b"), a_refusal("r"), a_score("a"), a_score("b")]
    assert wanted_overlays(rows) == ("a", "b")


def test_columns_are_those_that_a_scan_fills():
    columns = score_columns([a_score("a", ood=2.0)], "lesion")
    assert columns.classes == ("lesion",)
    assert columns.structures == ("lesion",)
    assert columns.extras == ("ood",)


def test_unknown_positive_class_keeps_all_columns():
    assert score_columns([a_score("a")], "other").classes == ("healthy", "lesion")
