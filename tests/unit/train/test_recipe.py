import pytest

from tests.unit.model.makers import a_plan
from voxray.train.recipe import augmentation_strength, weight_decay


@pytest.mark.parametrize(
    ("task", "decay"), [("classify", 0.05), ("segment", 1e-4), ("both", 1e-4)]
)
def test_weights_decay_more_where_only_a_class_is_learned(task, decay):
    assert weight_decay(a_plan(task), None) == decay
    assert weight_decay(a_plan(task), 0.0) == 0.0


@pytest.mark.parametrize(
    ("views", "strength"), [(0, 1), (20, 1), (56.57, 1.5), (160, 2), (9999, 2)]
)
def test_augmentation_grows_with_how_often_an_exam_is_seen(views, strength):
    assert augmentation_strength(None, views) == pytest.approx(strength, abs=1e-3)
    assert augmentation_strength(0.5, views) == 0.5
