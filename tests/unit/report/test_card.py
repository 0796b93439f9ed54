from dataclasses import replace

import pytest

from tests.unit.mlflow_store.makers import a_package
from tests.unit.report.makers import a_metric
from voxray.core.records import ENSEMBLE
from voxray.core.specs import DecisionRule, OperatingPoint, Target
from voxray.core.specs.gate import CARD_SECTIONS
from voxray.report import ModelCard, pictures_section, render_card
from voxray.stages.own_checks import card_lacks

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


def test_a_card_has_every_section_that_the_gate_asks_for(tmp_path):
    (tmp_path / "card.md").write_text(a_card())

    assert card_lacks(tmp_path / "card.md", CARD_SECTIONS) == []


def test_what_a_card_lacks_is_named(tmp_path):
    path = tmp_path / "card.md"
    assert card_lacks(path, ["Limits"]) == ["the model has no card.md"]
    path.write_text("# m\n\n## Limits\n\n## Licence\n\nunstated.\n")

    assert card_lacks(path, ["Limits", "Licence", "Use"]) == [
        "section 'Limits' is empty",
        "section 'Licence' is empty",
        "section 'Use' is missing",
    ]


def test_a_card_says_of_each_channel_which_scans_are_refused():
    plain = a_package({})
    other = plain.references.model_copy(update={"modalities": ("PT",)})
    both = plain.plan.model_copy(update={"channels": ("ct", "pet")})
    changes = {"plan": both, "channel_references": {"pet": other}}
    package = plain.model_copy(update=changes)

    said = render_card(ModelCard(package, 20, 10, [a_metric()]))

    assert "- ct, modality: MR\n" in said
    assert "- pet, modality: PT\n" in said
    assert "- modality: MR\n" in a_card()


def test_limits_are_those_of_a_person_and_those_of_the_evidence():
    package = a_package({})
    rows = [a_metric(), replace(a_metric(), metric="ppv", low=None, high=None)]
    said = render_card(ModelCard(package, 20, 10, rows, limits="Not for children."))
    limits = said.partition("## Limits")[2].partition("## Plan")[0]

    assert "- Not for children." in limits
    assert "the 10 patients of these training data" in limits
    assert "No interval could be given of: ppv" in limits


def test_patients_kept_for_the_decision_are_counted_beside_the_others():
    kept = replace(a_metric(), model=ENSEMBLE, n_patients=8)
    alone = render_card(ModelCard(a_package({}), 20, 10, [a_metric()]))
    both = render_card(ModelCard(a_package({}), 20, 10, [a_metric(), kept]))

    assert "All figures are of the 10 patients of these training data. " in alone
    assert "10 patients of these training data and 8 kept for the decision. " in both


def test_pictures_are_shown_by_their_place_beside_the_card():
    assert "![roc](figures/roc.png)" in pictures_section(["figures/roc.png"])
    assert pictures_section([]) == ""
