import pytest

from tests.unit.evaluate.makers import a_prediction
from tests.unit.folds.makers import a_scan
from tests.unit.model.makers import a_package, a_plan
from voxray.core.ids import Pseudonymizer
from voxray.core.records import Sha256
from voxray.core.seen import remember
from voxray.mlflow_store import ModelVersionRef
from voxray.stages.entrants import Entrant, entrant_checks, named_alike, seen_in_words

IDS = Pseudonymizer(b"k" * 32)
SEEN = remember([], IDS, "salt")


def an_entrant(version, task="both", seen=SEEN):
    package = a_package(a_plan(task))
    return Entrant(ModelVersionRef("m", version), Sha256("0"), package, seen)


@pytest.mark.parametrize(
    ("task", "lost"),
    [("segment", "class 'healthy', class 'ill'"), ("classify", "mask 'lesion'")],
)
def test_a_version_must_predict_all_that_the_champion_predicts(task, lost):
    (check,) = entrant_checks([an_entrant(2, task), an_entrant(1)])

    assert (check.rule, check.passed) == ("predicts", False)
    assert check.found == f"models:/m/1 predicts {lost}, and it does not"


def test_a_version_may_predict_more_than_the_champion():
    assert not list(entrant_checks([an_entrant(2), an_entrant(1, "segment")]))


def test_a_version_that_does_not_say_what_it_has_seen_is_refused():
    (check,) = entrant_checks([an_entrant(2, seen=None), an_entrant(1)])

    assert (check.rule, check.passed) == ("seen", False)


def test_a_champion_that_does_not_say_so_can_be_replaced_and_it_is_said():
    both = [an_entrant(2), an_entrant(1, seen=None)]

    assert not list(entrant_checks(both))
    said = seen_in_words(both, 3, IDS)
    assert said.startswith("3 patients that either model has seen are left out; models")
    assert "models:/m/1 does not say what it has seen" in said


def test_a_model_that_was_made_under_another_key_is_said():
    said = seen_in_words([an_entrant(1)], 0, Pseudonymizer(b"o" * 32))

    assert "models:/m/1 was made under another key" in said
    assert "key" not in seen_in_words([an_entrant(1)], 0, IDS)


def exams_of(**scans):
    return {
        exam: [a_scan(name, "p") for name in names] for exam, names in scans.items()
    }


def names_of(rows):
    return [row.exam_id for row in rows]


def test_an_exam_of_more_channels_is_the_champions_exam_of_one_of_its_scans():
    rows = [a_prediction(exam, "p", 0, "yes", 0.5) for exam in ("x1", "x2")]
    own = exams_of(x1=["t1_a", "flair_a"], x2=["t1_b", "flair_b"])
    champion = exams_of(t1_a=["t1_a"], t1_b=["t1_b"])

    assert names_of(named_alike(rows, own, champion)) == ["t1_a", "t1_b"]
    back = [a_prediction(exam, "p", 0, "yes", 0.5) for exam in champion]
    assert names_of(named_alike(back, champion, own)) == ["x1", "x2"]
    assert names_of(named_alike(rows, own, own)) == ["x1", "x2"]


def test_an_exam_that_meets_several_or_none_keeps_its_name():
    rows = [a_prediction(exam, "p", 0, "yes", 0.5) for exam in ("x1", "x2", "x3")]
    own = exams_of(x1=["a", "b"], x2=["c"], x3=["d"])
    champion = exams_of(a=["a"], b=["b"], y=["d", "e"])

    assert names_of(named_alike(rows, own, champion)) == ["x1", "x2", "y"]


def test_two_exams_that_meet_the_same_one_keep_their_names():
    rows = [a_prediction(exam, "p", 0, "yes", 0.5) for exam in ("x1", "x2")]
    own, champion = exams_of(x1=["a"], x2=["b"]), exams_of(y=["a", "b"])

    assert names_of(named_alike(rows, own, champion)) == ["x1", "x2"]
