import pytest

from tests.unit.model.makers import a_package, a_plan
from voxray.core.ids import Pseudonymizer
from voxray.core.records import Sha256
from voxray.core.seen import remember
from voxray.mlflow_store import ModelVersionRef
from voxray.stages.entrants import Entrant, entrant_checks, seen_in_words

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
