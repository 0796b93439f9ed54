from dataclasses import replace

import pytest

from tests.unit.evaluate.makers import a_mask
from voxray.core.errors import ManifestError
from voxray.evaluate import read_worst, worst_exams, write_worst


def names(rows):
    return [row.exam_id for row in rows]


def test_lowest_dice_is_first_and_half_of_the_exams_at_most():
    rows = [a_mask(f"e{n}", f"p{n}", n / 10) for n in (3, 1, 2, 5)]

    found = worst_exams(rows, ["lesion"])

    assert names(found) == ["e1", "e2"]
    assert [row.rank for row in found] == [1, 2]
    assert (
        len(worst_exams([a_mask(f"e{n}", "p", 0.5) for n in range(99)], ["lesion"]))
        == 20
    )


def test_exams_without_any_mask_are_not_listed():
    rows = [a_mask("e0", "p0", None, 0, 0), a_mask("e1", "p1", 0.4)]

    assert names(worst_exams(rows, ["lesion"])) == ["e1"]
    assert worst_exams(rows[:1], ["lesion"]) == ()


def test_repeats_are_averaged():
    rows = [a_mask("e0", "p0", 0.2), a_mask("e0", "p0", 0.6, repeat=1)]

    (found,) = worst_exams(rows, ["lesion"])

    assert found.dice == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("dice", "drawn", "predicted", "said"),
    [
        (0.0, 0.0, 2.0, "nothing is drawn, something is predicted"),
        (0.0, 2.0, 0.0, "drawn, and nothing is predicted"),
        (0.0, 2.0, 2.0, "predicted somewhere else"),
        (0.3, 1.0, 2.0, "more is predicted than drawn"),
        (0.3, 2.0, 1.0, "less is predicted than drawn"),
    ],
)
def test_reason_is_said_in_words(dice, drawn, predicted, said):
    (found,) = worst_exams([a_mask("e0", "p0", dice, drawn, predicted)], ["lesion"])

    assert found.reason == said


def test_list_reads_back(tmp_path):
    rows = [
        replace(a_mask("e0", "p0", 0.25), nsd={"lesion": 0.5}, hd95_mm={"lesion": 7.5}),
        a_mask("e1", "p1", 0.5),
    ]
    found = worst_exams(
        [*rows, a_mask("e2", "p2", 0.9), a_mask("e3", "p3", 0.8)], ["lesion"]
    )
    write_worst(found, tmp_path / "worst.csv")

    assert read_worst(tmp_path / "worst.csv") == found
    assert found[0].hd95_mm == 7.5
    assert found[1].hd95_mm is None


def test_no_exam_is_an_empty_list(tmp_path):
    write_worst((), tmp_path / "worst.csv")

    assert read_worst(tmp_path / "worst.csv") == ()


def test_missing_or_broken_list_is_refused(tmp_path):
    (tmp_path / "b.csv").write_text("rank,structure\none,lesion\n")
    for name in ("a.csv", "b.csv"):
        with pytest.raises(ManifestError, match=rf"cannot read '{name}'.*run stage 5"):
            read_worst(tmp_path / name)
