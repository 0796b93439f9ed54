import pytest

from tests.unit.model.makers import a_plan
from voxray.train.recipe import weight_decay


@pytest.mark.parametrize(
    ("task", "decay"), [("classify", 0.05), ("segment", 1e-4), ("both", 1e-4)]
)
def test_weights_decay_more_where_only_a_class_is_learned(task, decay):
    assert weight_decay(a_plan(task), None) == decay
    assert weight_decay(a_plan(task), 0.0) == 0.0
