"""Two channels through all stages, and a study that lacks one of them."""

import csv
from pathlib import Path

import pytest

from tests.stages.two_sequences import a_two_channel_experiment, a_two_sequence_cohort
from tests.unit.stages.makers import KEY
from voxray.core.specs import Experiment
from voxray.core.specs.experiment import ScoreSpec
from voxray.model import read_package
from voxray.stages.run import Session, run_experiment


def run(root: Path, experiment: Experiment) -> tuple[int, list[str]]:
    said: list[str] = []
    session = Session(root / "workspace", KEY, say=said.append)
    return run_experiment(experiment, session), said


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Eight patients of two sequences; three new ones, of whom the last lacks FLAIR."""
    root = tmp_path_factory.mktemp("channels")
    a_two_sequence_cohort(root)
    a_two_sequence_cohort(root / "new", 3, first=20, lacking=[(22, "flair")])
    score = ScoreSpec(scans=root / "new" / "scans")
    experiment = a_two_channel_experiment(root).model_copy(update={"score": score})
    code, said = run(root, experiment)
    assert code == 0, said
    return root / "workspace" / experiment.name


def rows_of(folder):
    with (folder / "score" / "scores.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_complete_study_is_scored_as_one_exam(trained):
    scored = [row for row in rows_of(trained) if row["status"] == "scored"]

    exams = {row["exam_id"] for row in scored}
    assert len(scored) == 4
    assert len(exams) == 2
    assert sum(bool(row["p_ill"]) for row in scored) == 2
    assert sum("see scan" in row["reason"] for row in scored) == 2


def test_a_study_in_which_a_channel_is_missing_is_refused_with_the_reason(trained):
    (row,) = [row for row in rows_of(trained) if row["status"] == "refused"]

    assert row["reason_code"] == "channel-missing"
    assert row["reason"] == (
        "no flair: none of 1 scans passes its rules; the exam has t1"
    )


def test_the_rules_travel_in_the_model(trained):
    package = read_package(trained / "model")

    assert package.rules.channels["flair"].description == "flair"
    assert package.plan.channels == ("t1", "flair")
    assert set(package.channel_references) == {"flair"}


def test_the_report_shows_an_exam_of_several_scans(trained):
    page = (trained / "report" / "index.html").read_text(encoding="utf-8")

    assert "channel-missing" in page
    assert "SECRET" not in page
