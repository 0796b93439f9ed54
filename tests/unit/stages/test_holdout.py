import pytest

from tests.unit.model.makers import a_package, a_plan
from voxray.core.records import Sha256
from voxray.stages.holdout import LookedAt, in_words, model_identity
from voxray.stages.looks import Look, Seen

WEIGHTS = {"fold_0.safetensors": "a" * 64, "fold_1.safetensors": "b" * 64}
PACKAGE = a_package(a_plan(), files={**WEIGHTS, "card.md": "c" * 64})


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"},
        {"licence": "CC0"},
        {"note": "Tests."},
        {"intended_use": "none"},
        {"voxray_version": "9"},
        {"experiment_sha256": "9" * 64},
        {"files": {**WEIGHTS, "card.md": "d" * 64}},
        {
            "plan": PACKAGE.plan.model_copy(
                update={"reasons": {"spacing": "other words"}}
            )
        },
    ],
)
def test_a_model_that_says_the_same_is_the_same(changes):
    other = PACKAGE.model_copy(update=changes)
    assert model_identity(other) == model_identity(PACKAGE)


def another_threshold():
    rule = PACKAGE.decision
    assert rule is not None
    assert rule.operating_point is not None
    point = rule.operating_point.model_copy(update={"threshold": 0.123})
    return rule.model_copy(update={"operating_point": point})


@pytest.mark.parametrize(
    "changes",
    [
        {"files": {**WEIGHTS, "fold_1.safetensors": "e" * 64}},
        {"decision": another_threshold()},
        {"fold_values": PACKAGE.fold_values[:1]},
        {"plan": PACKAGE.plan.model_copy(update={"spacing_mm": (9.0, 9.0, 9.0)})},
    ],
)
def test_a_model_that_may_say_something_else_is_another(changes):
    other = PACKAGE.model_copy(update=changes)
    assert model_identity(other) != model_identity(PACKAGE)


def looked(number, tmp_path):
    seen = Seen("toy", Sha256("m"), Sha256("h"), 12, ("a",))
    return LookedAt(Look(number, "2026-01-01", seen, Sha256("e")), (), tmp_path)


def test_the_first_look_says_no_more(tmp_path):
    assert in_words(looked(1, tmp_path)).startswith("look 1 at 12 patients: ")


def test_a_further_look_says_how_many_there_were(tmp_path):
    assert "(looked at 2 times before: the best of" in in_words(looked(3, tmp_path))
