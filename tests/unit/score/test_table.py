import csv
from dataclasses import replace

import pytest

from voxray.core.findings import FindingCode
from voxray.core.records import ScoreRow, ScoreStatus
from voxray.score import ScoreColumns, read_scores, write_scores
from voxray.score.table import append_scores

COLUMNS = ScoreColumns(("healthy", "ill"), ("lesion",))


def a_row(**values):
    return ScoreRow(**values)


SCORED = a_row(
    exam_id="s2",
    scan_id="s2",
    patient_id="p1",
    status=ScoreStatus.SCORED,
    decision="ill",
    probabilities={"healthy": 0.25, "ill": 0.75},
    threshold=0.5,
    uncertainty=0.125,
    disagreement=0.25,
    mask="masks/s2.nii.gz",
    volume_ml={"lesion": 1.5},
    model="toy",
    model_sha256="f" * 64,
)
REFUSED = a_row(
    exam_id="s1",
    scan_id="s1",
    patient_id=None,
    status=ScoreStatus.REFUSED,
    reason_code=FindingCode.MISSING_SLICE,
    reason='a gap, of "6" mm',
    refer=True,
)


def test_the_columns_are_those_of_the_interface():
    assert COLUMNS.names == (
        "exam_id",
        "scan_id",
        "patient_id",
        "status",
        "reason_code",
        "reason",
        "decision",
        "refer",
        "p_healthy",
        "p_ill",
        "threshold",
        "uncertainty",
        "disagreement",
        "ood",
        "mask",
        "volume_ml_lesion",
        "model",
        "model_sha256",
    )


def test_rows_come_back_sorted_and_whole(tmp_path):
    write_scores(tmp_path / "scores.csv", [SCORED, REFUSED], COLUMNS)
    assert read_scores(tmp_path / "scores.csv", COLUMNS) == (REFUSED, SCORED)


def test_appended_rows_stand_under_one_header(tmp_path):
    path = tmp_path / "scores.csv"
    for row in (SCORED, REFUSED):
        append_scores(path, [row], COLUMNS)
    with path.open(encoding="utf-8", newline="") as stream:
        assert [row["scan_id"] for row in csv.DictReader(stream)] == ["s2", "s1"]
    assert read_scores(path, COLUMNS) == (SCORED, REFUSED)


@pytest.mark.parametrize("lost", [1, 20, 60])
def test_a_torn_last_row_is_dropped(tmp_path, lost):
    path = tmp_path / "scores.csv"
    for row in (SCORED, REFUSED):
        append_scores(path, [row], COLUMNS)
    path.write_bytes(path.read_bytes()[:-lost])
    assert read_scores(path, COLUMNS) == (SCORED,)


@pytest.mark.parametrize("text", ["", "exam_id,sc", "a,b\n1,2\n"])
def test_a_table_that_is_none_of_ours_gives_no_rows(tmp_path, text):
    (tmp_path / "scores.csv").write_text(text)
    assert read_scores(tmp_path / "scores.csv", COLUMNS) == ()
    assert read_scores(tmp_path / "absent.csv", COLUMNS) == ()


def test_numbers_are_rounded_to_nine_digits(tmp_path):
    row = replace(SCORED, volume_ml={"lesion": 100 / 3})
    write_scores(tmp_path / "scores.csv", [row], COLUMNS)
    assert ",33.3333333," in (tmp_path / "scores.csv").read_text()


def test_small_probabilities_stay_on_their_side_of_a_small_threshold(tmp_path):
    path = tmp_path / "scores.csv"
    row = replace(
        SCORED,
        threshold=2e-7,
        probabilities={**SCORED.probabilities, COLUMNS.classes[-1]: 3e-7},
    )
    write_scores(path, [row], COLUMNS)
    (back,) = read_scores(path, COLUMNS)

    assert back.threshold is not None
    assert back.probabilities[COLUMNS.classes[-1]] > back.threshold > 1e-7


def test_thresholds_of_labels_read_back(tmp_path):
    labels = ("healthy", "ill")
    columns = ScoreColumns(labels, (), labels)
    row = replace(
        SCORED, volume_ml={}, threshold=None, thresholds={"healthy": 0.25, "ill": 0.5}
    )
    write_scores(tmp_path / "scores.csv", [row], columns)
    assert read_scores(tmp_path / "scores.csv", columns) == (row,)
