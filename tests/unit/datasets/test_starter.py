"""The experiment that is written beside a data set."""

import pytest
import yaml

from voxray.core.specs import Experiment, Target
from voxray.core.specs.channels import ExamPattern
from voxray.datasets import find_card, list_cards
from voxray.datasets.starter import starter_experiment


def experiment(name, splits=()):
    text = starter_experiment(find_card(name), name, splits)
    return Experiment.model_validate(yaml.safe_load(text))


@pytest.mark.parametrize("name", [card.name for card in list_cards()])
def test_every_card_gives_a_valid_experiment(name):
    made = experiment(name, ("train", "val", "test"))
    assert made.name == name
    assert made.register_.licence == find_card(name).licence


def test_the_published_test_split_is_held_out_when_it_is_there():
    assert experiment("breastmnist", ("train", "val")).folds.holdout is None
    held_out = experiment("breastmnist", ("train", "test")).folds.holdout
    assert held_out is not None
    assert held_out.model_dump() == {"column": "split", "value": "test"}


def test_malignant_is_positive_in_breastmnist_though_it_is_0():
    classify = experiment("breastmnist").task.classify
    assert classify is not None
    assert classify.classes == {"malignant": 0, "normal_benign": 1}
    assert classify.positive_class == "malignant"


def test_many_labels_are_learned_together():
    classify = experiment("chestmnist").task.classify
    assert classify is not None
    assert classify.target is Target.LABELS
    assert len(classify.columns) == 14
    assert classify.columns[0] == "atelectasis"


def test_ordered_classes_are_learned_as_such():
    classify = experiment("retinamnist").task.classify
    assert classify is not None
    assert classify.target is Target.ORDINAL
    assert list(classify.classes.values()) == [0, 1, 2, 3, 4]


def test_several_channels_are_one_exam_and_one_patient():
    data = experiment("prostate").data
    assert list(data.channels) == ["t2", "adc"]
    assert data.channels["adc"].path == "*_adc.nii.gz"
    assert data.exam == "folder"
    assert not isinstance(data.patient, str | ExamPattern)


def test_nodules_are_grouped_by_patient():
    data = experiment("lidc_nodules").data
    assert data.masks is not None
    assert data.patient.model_dump() == {"column": "patient_id"}
