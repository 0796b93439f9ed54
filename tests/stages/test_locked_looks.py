import pytest

from tests.stages.registry import *  # noqa: F403 - fixtures
from tests.unit.mlflow_store.makers import a_model_folder, a_run
from voxray.core.specs.gate import GatePolicy
from voxray.mlflow_store import ModelVersionRef, Registration, list_models
from voxray.mlflow_store import register_model as register
from voxray.stages.contest import Contest
from voxray.stages.locked_looks import look_at, may_look, take_look
from voxray.stages.truth import LabelledScans


@pytest.fixture
def given(tmp_path):
    for name in ("scans/a.nii", "scans/b.nii", "masks/a.nii", "labels.csv"):
        path = tmp_path / "locked" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    root = tmp_path / "locked"
    return LabelledScans(root / "scans", root / "labels.csv", root / "masks")


@pytest.fixture
def look(tmp_path, store, session, given):
    """One look of a pair of models, under a policy of these numbers."""
    run = a_run(store, "m")
    folder = a_model_folder(tmp_path / "model")
    register(store, run.run_id, folder, Registration("m"))

    def count(pair, locked=None, **rule):
        plain = {"goal": "superior", "margin": 0.0, "looks": 2, "alpha": 0.1}
        said = {"locked": {"name": "one"} | (locked or {}), "compare": plain | rule}
        gate = GatePolicy.model_validate({"models": {"m": said}}).models["m"]
        version = ModelVersionRef("m", 1)
        contest = Contest(store, version, None, gate, given, session)
        own = look_at(contest, given, [pair])
        check = may_look(contest, own)
        return check if check.passed is False else take_look(contest, own)

    return count


def looks_taken(store):
    (model,) = list_models(store)
    return sum(tag.startswith("gate_look.") for tag in model.tags)


def test_planned_looks_pass_and_the_next_is_refused_and_not_counted(look, store):
    assert [look(pair).passed for pair in ("x", "y", "x")] == [True, True, True]

    assert "look 3 of 2 planned at 'one'; it is used up" in look("z").found
    assert not look("z").passed
    assert looks_taken(store) == 2


@pytest.mark.parametrize(
    ("part", "name"),
    [("labels", "labels.csv"), ("masks", "masks/a.nii"), ("scans", "scans/b.nii")],
)
def test_a_part_of_the_set_that_changed_is_named_to_the_same_models_too(
    look, store, given, part, name
):
    look("x")
    path = given.scans.parent / name
    path.write_text("longer than it was before")

    for pair in ("x", "y"):
        check = look(pair)
        assert not check.passed
        assert f"changed since an earlier look: {part}; give the set" in check.found
    assert looks_taken(store) == 1


def test_a_scan_that_is_taken_out_changes_the_set_and_a_hidden_file_does_not(
    look, given
):
    look("x")
    (given.scans / ".listing").write_text("of a file manager")
    assert look("x").passed

    (given.scans / "b.nii").unlink()

    assert "changed since an earlier look: scans" in look("x").found


def test_labels_of_another_column_change_the_set(look):
    look("x")

    check = look("x", locked={"column": "grade"})

    assert "changed since an earlier look: how it is read" in check.found
    assert not check.passed


def test_the_same_models_under_another_margin_are_a_further_look_and_it_is_said(
    look, store
):
    look("x", margin=0.1)

    check = look("x", margin=0.05)

    assert check.passed
    assert "look 2 of 2" in check.found
    assert "earlier looks asked superior by 0.1, alpha 0.1 / 2" in check.found
    assert looks_taken(store) == 2


def test_planning_more_looks_afterwards_gives_no_alpha_back(look):
    look("x", looks=1)

    more = look("y", looks=10)
    fewer = look("y", looks=20, alpha=0.2)

    assert "it is used up: plan a new set" in more.found
    assert not more.passed
    assert not fewer.passed


def test_a_look_that_takes_more_than_is_left_of_alpha_is_refused(look):
    look("x", looks=4)

    check = look("y", looks=1)
    within = look("y", looks=2)

    assert "it is used up" in check.found
    assert within.passed
    assert "earlier looks have left 0.025" in look("z", looks=3).found
