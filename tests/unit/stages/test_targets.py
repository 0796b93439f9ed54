import math

import pytest

from tests.unit.folds.makers import a_scan
from voxray.core.errors import DatasetError
from voxray.core.specs import ClassifySpec, FoldValues, Target
from voxray.stages.targets import (
    check_drawn,
    check_learnable,
    class_name,
    class_target,
    labels_of,
)

CLASSES = ClassifySpec(column="y", classes={"no": 0, "maybe": 1, "yes": 2})
LABELS = ClassifySpec(columns=("nodule", "fluid"))


def a_record(**labels):
    record = a_scan("s1", "p1")
    return type(record)(
        **{
            name: getattr(record, name) for name in record.__slots__ if name != "labels"
        },
        labels=labels,
    )


def test_a_class_is_one_among_all():
    assert class_target(a_record(y=1), CLASSES) == (0, 1, 0)
    assert class_name(a_record(y=1), CLASSES) == "maybe"


def test_labels_are_there_absent_or_not_stated():
    nodule, fluid = class_target(a_record(nodule=1), LABELS) or ()
    assert nodule == 1
    assert math.isnan(fluid)
    assert labels_of(a_record(nodule=1), LABELS) == {"nodule": 1}
    assert class_name(a_record(nodule=1), LABELS) is None


def test_without_classes_there_is_no_target():
    assert class_target(a_record(), None) is None
    assert class_target(a_record(), CLASSES) is None
    assert labels_of(a_record(y=1), CLASSES) == {}
    assert check_learnable("fold 1", (), {}, Target.EXCLUSIVE) == ""


@pytest.mark.parametrize(
    ("target", "share"),
    [
        (Target.EXCLUSIVE, {"a": 1.0, "b": 0.0}),
        (Target.ORDINAL, {"a": 0.0, "b": 1.0, "c": 0.0}),
        (Target.LABELS, {"a": 1.0, "b": 0.0}),
        (Target.LABELS, {"a": 0.0}),
    ],
)
def test_a_fold_without_any_difference_is_refused(target, share):
    classes = tuple(share) if target is not Target.LABELS else ("a", "b")
    with pytest.raises(DatasetError, match="fold 2 of 5: its training exams do not d"):
        check_learnable("fold 2 of 5", classes, share, target)


@pytest.mark.parametrize(
    ("target", "share"),
    [
        (Target.EXCLUSIVE, {"a": 0.4, "b": 0.6, "c": 0.0}),
        (Target.LABELS, {"a": 0.5, "b": 0.2}),
        (Target.LABELS, {"a": 0.5, "b": 0.2, "c": 1.0}),
    ],
)
def test_a_fold_that_lacks_one_of_several_says_so_and_goes_on(target, share):
    said = check_learnable("fold 1", ("a", "b", "c"), share, target)
    assert "fold 1: its training exams do not differ in the" in said
    assert "'c', which this network cannot learn" in said


def test_a_fold_that_can_learn_everything_says_nothing():
    assert check_learnable("f", ("a", "b"), {"a": 0.5, "b": 0.5}, Target.LABELS) == ""


def drawn(**share):
    return FoldValues(structure_share=share, n_exams=4)


def test_a_structure_that_no_training_mask_has_is_said_and_the_others_are_learned():
    said = check_drawn("fold 1", {"a": 1, "b": 5}, drawn(a=0.1, b=0.0), ())
    assert "fold 1: none of its 4 training exams has a voxel of 'b' (mask val" in said


def test_a_fold_in_which_nothing_is_drawn_is_refused_unless_a_class_is_learned():
    assert "'a'" in check_drawn("fold 1", {"a": 1}, drawn(a=0.0), ("no", "yes"))
    with pytest.raises(DatasetError, match=r"value 1\), so there is nothing"):
        check_drawn("fold 1", {"a": 1}, drawn(a=0.0), ())


def test_a_fold_in_which_all_is_drawn_says_nothing():
    assert check_drawn("fold 1", {"a": 1}, drawn(a=0.1), ()) == ""
    assert check_drawn("fold 1", {}, drawn(), ("no", "yes")) == ""
