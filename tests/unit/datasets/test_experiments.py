"""The experiment files that ship with the package."""

from pathlib import Path

import pytest
import yaml

from voxray.core.specs import Experiment
from voxray.datasets import find_card
from voxray.datasets.starter import class_name

EXPERIMENTS = Path(__file__).parents[3] / "pipelines" / "experiments"


def test_demo_experiment_learns_class_and_mask_and_says_it_is_synthetic():
    text = (EXPERIMENTS / "demo.yaml").read_text()
    demo = Experiment.model_validate(yaml.safe_load(text))
    assert demo.task.classify is not None
    assert demo.task.classify.classes == {"healthy": "no", "lesion": "yes"}
    assert demo.task.segment is not None
    assert "synthetic" in demo.note


def test_hippocampus_experiment_has_two_structures_and_the_licence():
    text = (EXPERIMENTS / "hippocampus.yaml").read_text()
    experiment = Experiment.model_validate(yaml.safe_load(text))
    assert experiment.task.segment is not None
    values = {n: c.value for n, c in experiment.task.segment.classes.items()}
    assert values == {"anterior": 1, "posterior": 2}
    assert experiment.register_.licence == "CC BY-SA 4.0"


@pytest.mark.parametrize(
    "name", ["lidc_nodules", "breastmnist", "pneumoniamnist", "adrenalmnist3d"]
)
def test_experiment_of_a_data_set_agrees_with_its_card(name):
    text = (EXPERIMENTS / f"{name}.yaml").read_text()
    experiment = Experiment.model_validate(yaml.safe_load(text))
    card = find_card(name)
    classify = experiment.task.classify
    assert experiment.name == name
    assert experiment.register_.licence == card.licence
    assert classify is not None
    own = {class_name(meaning): value for value, meaning in card.classes.items()}
    assert classify.classes == own
    assert classify.positive_class == class_name(card.positive or card.classes[1])
