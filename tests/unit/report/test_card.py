import pytest

from tests.unit.mlflow_store.makers import a_package
from tests.unit.report.makers import a_metric
from voxray.core.specs import DecisionRule, OperatingPoint, Target
from voxray.report import ModelCard, render_card

POINT = OperatingPoint(
    metric="sensitivity", at_least=0.9, threshold=0.3, n_positive=20, n_negative=30
)


def a_card(**rule):
    decision = DecisionRule(**rule) if rule else None
    package = a_package({}).model_copy(update={"decision": decision})
    return render_card(ModelCard(package, 20, 10, [a_metric()]))


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({}, "None: the model draws masks."),
        ({"classes": ("a", "b", "c"), "positive": "c"}, "The likeliest class."),
        (
            {"classes": ("a", "b", "c"), "positive": "c", "target": Target.ORDINAL},
            "The median class: the first at which",
        ),
        (
            {"classes": ("a", "b"), "positive": "b", "operating_point": POINT},
            "'b' when its probability is at least 0.3000, chosen for sensitivity",
        ),
    ],
)
def test_a_card_says_how_the_model_decides(rule, said):
    assert said in a_card(**rule)


def test_a_card_names_the_threshold_of_each_label():
    other = POINT.model_copy(update={"threshold": 0.7})
    card = a_card(
        classes=("a", "b"),
        positive="",
        target=Target.LABELS,
        operating_points={"a": POINT, "b": other},
    )
    assert "- 'a' when its probability is at least 0.3000" in card
    assert "- 'b' when its probability is at least 0.7000" in card
