import pytest

from tests.unit.mlflow_store.makers import a_metric
from voxray.core.comparison import Answer, answer_of


@pytest.mark.parametrize(
    ("low", "high", "margin", "answer"),
    [
        (0.01, 0.03, None, Answer.SUPERIOR),
        (0.01, 0.03, 0.02, Answer.SUPERIOR),
        (-0.01, 0.03, None, Answer.CANNOT_TELL),
        (-0.01, 0.03, 0.02, Answer.NON_INFERIOR),
        (-0.02, 0.03, 0.02, Answer.CANNOT_TELL),
        (-0.015, -0.001, 0.02, Answer.NON_INFERIOR),
        (-0.015, -0.001, None, Answer.INFERIOR),
        (-0.05, -0.001, 0.02, Answer.INFERIOR),
        (None, None, 0.02, Answer.CANNOT_TELL),
    ],
)
def test_the_answer_is_read_from_the_interval(low, high, margin, answer):
    metric = a_metric("auc_difference", value=0.0, low=low, high=high)
    assert answer_of(metric, margin) is answer
