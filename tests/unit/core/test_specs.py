from copy import deepcopy
from typing import Any

import pytest
from pydantic import ValidationError

from voxray.core.findings import Action, FindingCode
from voxray.core.specs import (
    ClassifySpec,
    Experiment,
    FoldsSpec,
    NetworkPlan,
    OperatingPointSpec,
    Target,
    TaskSpec,
    TrainSpec,
)
from voxray.core.specs.data import LabelKey
from voxray.core.specs.experiment import HoldoutColumn, HoldoutFraction

WHOLE: dict[str, Any] = {
    "name": "nodules",
    "data": {
        "scans": "scans",
        "masks": "masks",
        "labels": {"table": "labels.csv"},
    },
    "task": {
        "classify": {"column": "y", "classes": {"benign": 0, "malignant": 1}},
        "segment": {"classes": {"nodule": {"value": 1}}},
    },
}


def changed(path, value):
    """The whole experiment with one key set."""
    whole = deepcopy(WHOLE)
    *folders, last = path.split(".")
    node = whole
    for key in folders:
        node = node.setdefault(key, {})
    node[last] = value
    return whole


def test_defaults_are_those_of_the_documentation():
    experiment = Experiment.model_validate(WHOLE)

    assert experiment.seed == 20260101
    assert (experiment.folds.n, experiment.folds.repeats) == (5, 1)
    assert experiment.evaluate.operating_point.at_least == 0.95
    assert experiment.data.channel == "image"
    assert experiment.data.patient == "dicom"
    assert experiment.model_name == "nodules"


def test_model_name_is_the_registered_one():
    experiment = Experiment.model_validate(changed("register.name", "lidc"))

    assert experiment.model_name == "lidc"


def test_experiment_reads_back_from_its_json():
    experiment = Experiment.model_validate(WHOLE)
    text = experiment.model_dump_json(by_alias=True)

    assert Experiment.model_validate_json(text) == experiment


def test_experiment_cannot_be_edited():
    with pytest.raises(ValidationError, match="frozen"):
        Experiment.model_validate(WHOLE).seed = 1


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("typo", 1, "Extra inputs are not permitted"),
        ("train.typo", 1, "Extra inputs are not permitted"),
        ("name", "a b", "should match pattern"),
        ("name", "../up", "should match pattern"),
        ("seed", -1, "greater than or equal to 0"),
        ("folds.n", 1, "greater than or equal to 2"),
        ("folds.validation", 0, "greater than 0"),
        ("folds.holdout", {"fraction": 1.5}, "less than 1"),
        ("folds.calibration", {"fraction": 0}, "greater than 0"),
        ("evaluate.refer", {"at_most": 1}, "less than 1"),
        (
            "evaluate.operating_point",
            {"metric": "cost", "false_negative": 5},
            "'cost' needs false_positive",
        ),
        (
            "evaluate.operating_point",
            {"metric": "net_benefit"},
            "'net_benefit' needs probability",
        ),
        (
            "evaluate.operating_point",
            {"at_least": 0.9, "probability": 0.2},
            r"'probability'. have no effect with metric 'sensitivity'",
        ),
        (
            "evaluate.operating_point",
            {"metric": "net_benefit", "probability": 0.2},
            "net_benefit takes probabilities at their word; set evaluate.calibration",
        ),
        ("train.budget_minutes", float("nan"), "finite number"),
        ("train", {"steps": 1, "epochs": 1}, "'steps' or 'epochs', not both"),
        (
            "train",
            {"input_mm": 40, "input_shape": [8, 8, 8]},
            "'input_mm' or 'input_shape', not both",
        ),
        ("train.input_mm", 0, "greater than 0"),
        ("evaluate.prevalence", 1.5, "less than 1"),
        ("evaluate.prevalence", {"benign": 0.1}, "are none of .'malignant'."),
        ("evaluate.fixed_specificity", [0.9, 0.9], "a value stands twice"),
        ("evaluate.fixed_sensitivity", [1.0], "less than 1"),
        ("evaluate.patient_score", "median", "'maximum' or 'mean'"),
        ("train.features", [], "at least one level"),
        ("train.strides", [[2, 2, 2]], r"the first level is the input.*\[2, 2, 2\]"),
        ("train.mirror_axes", [3], "less than or equal to 2"),
        ("train.memory_gb", 0, "greater than 0"),
        ("train.normalisation", {"t9": "window"}, "'t9' is no channel, only image"),
        ("task.classify.classes", {"a": 0}, "at least two classes"),
        ("task.classify.classes", {"a": 0, "b": 0}, "at least two classes"),
        ("task.classify.classes", {"0": 1, "1": 0}, "names a class, but is the value"),
        ("task.classify.positive", "no", "'no' is none of"),
        ("task.segment.classes", {}, "at least 1 item"),
        ("task.segment.classes", {"a": {"value": 0}}, "greater than or equal to 1"),
        (
            "task.segment.classes",
            {"a": {"value": 1}, "b": {"value": 1}},
            r"two classes share a value: \[1, 1\]",
        ),
        ("task", {}, "give 'classify', 'segment' or both"),
        ("data.channels", {}, "at least one channel"),
        ("data.channels", {"t1": {"required": False}}, "gives the grid"),
        ("data.channels", {"mask": {}}, "may be called 'mask'"),
        ("data.channels.t1.typo", 1, "Extra inputs are not permitted"),
        ("data.channels.t1.description", "(", "no regular expression"),
        ("data.channels.t1.n_slices", [9, 3], "lower bound 9 is above the upper"),
        ("data.channels.t1.orientation", "oblong", "Input should be 'axial'"),
        ("data.channels.t1.volume", -1, "greater than or equal to 0"),
        ("data.exam", "folder", "is for several channels"),
        ("data.exam", {"pattern": "[0-9]+"}, "has no group"),
        ("data.policy", {"missing-slice": "accept"}, "accept is not possible, only"),
        ("data.policy", {"no-such-code": "accept"}, "Input should be"),
        ("data.patient", {"pattern": "[0-9]+"}, "has no group"),
        ("data.masks", None, "task.segment needs data.masks"),
        ("data.labels", None, "task.classify needs data.labels"),
        ("data.labels.key", {"column": "a", "columns": ["b"]}, "either 'column' or"),
        ("data.labels.key", {"columns": ["b"]}, "'columns' needs 'format'"),
        ("evaluate.resamples", 10, "greater than or equal to 200"),
        ("evaluate.lesions", ["cyst"], r"'cyst' is none of the structures \["),
        ("evaluate.lesion_iou", 0, "greater than 0"),
        ("evaluate.subgroups", ["sex", "sex"], "a column stands twice"),
        ("evaluate.subgroups", [{"column": "x", "edges": [9, 3]}], "edges must ascend"),
    ],
)
def test_impossible_setting_is_refused_in_words(path, value, said):
    with pytest.raises(ValidationError, match=said):
        Experiment.model_validate(changed(path, value))


def test_patient_column_needs_a_label_table():
    whole = changed("data.patient", {"column": "patient_id"})
    del whole["data"]["labels"], whole["task"]["classify"]

    with pytest.raises(ValidationError, match=r"needs data\.labels"):
        Experiment.model_validate(whole)


def test_policy_takes_a_choice_that_the_table_allows():
    whole = changed("data.policy", {"mask-empty": "refuse"})

    policy = Experiment.model_validate(whole).data.policy

    assert policy == {FindingCode.MASK_EMPTY: Action.REFUSE}


@pytest.mark.parametrize("patient", ["dicom", "each_file", {"pattern": "^(p[0-9]+)_"}])
def test_every_way_of_naming_patients_is_understood(patient):
    experiment = Experiment.model_validate(changed("data.patient", patient))

    assert experiment.model_dump()["data"]["patient"] == patient


def test_positive_class_is_the_last_unless_named():
    spec = ClassifySpec(column="y", classes={"malignant": 0, "benign": 1})

    assert spec.positive_class == "benign"
    named = spec.model_copy(update={"positive": "malignant"})
    assert named.positive_class == "malignant"


@pytest.mark.parametrize("cell", [1, 1.0, "1", " 1.0 ", True, "True", "malignant"])
def test_cells_that_mean_the_same_class_are_understood(cell):
    spec = ClassifySpec(column="y", classes={"benign": 0, "malignant": 1})

    assert spec.class_of(cell) == "malignant"


@pytest.mark.parametrize("cell", [2, "", None, float("nan"), "Malignant?"])
def test_cells_of_no_class_are_none(cell):
    spec = ClassifySpec(column="y", classes={"benign": 0, "malignant": 1})

    assert spec.class_of(cell) is None


def test_classes_may_be_text_or_truth_values():
    text = ClassifySpec(column="y", classes={"no": "N", "yes": "Y"})
    truth = ClassifySpec(column="y", classes={"no": False, "yes": True})

    assert (text.class_of("Y"), text.class_of("y")) == ("yes", None)
    assert (truth.class_of("false"), truth.class_of(1)) == ("no", "yes")


def test_holdout_is_a_column_or_a_fraction():
    by_column = FoldsSpec.model_validate({"holdout": {"column": "site", "value": "B"}})
    by_share = FoldsSpec.model_validate({"holdout": {"fraction": 0.2}})

    assert by_column.holdout == HoldoutColumn(column="site", value="B")
    assert by_share.holdout == HoldoutFraction(fraction=0.2)


def test_label_key_of_several_columns_has_a_format():
    key = LabelKey(columns=("patient", "nodule"), format="{patient}_R_{nodule}")

    assert key.format is not None
    assert key.format.format(patient="p1", nodule=2) == "p1_R_2"


def test_plan_records_refuse_unknown_keys():
    with pytest.raises(ValidationError, match="Extra inputs"):
        NetworkPlan.model_validate(
            {"features": [8], "strides": [[1, 1, 1]], "kernels": [[3, 3, 3]], "x": 1}
        )


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({}, "give 'column' with 'classes', or 'columns'"),
        ({"column": "a", "columns": ["b", "c"]}, "give 'column' with 'classes', or"),
        ({"column": "a"}, "at least two classes"),
        ({"columns": ["a"]}, "at least two different ones"),
        ({"columns": ["a", "a"]}, "at least two different ones"),
        ({"columns": ["a", "b"], "ordinal": True}, "without classes, positive and"),
        ({"columns": ["a", "b"], "classes": {"x": 1}}, "without classes, positive"),
        ({"columns": ["a;b", "c"]}, "'a;b' cannot name a label, since decisions are"),
        ({"columns": ["None", "c"]}, "'None' cannot name a label"),
        ({"columns": ["macro", "c"]}, "'macro' names the mean over all in figures"),
        (
            {"column": "a", "classes": {"none": 0, "micro": 1, "macro": 2}},
            "'macro' names the mean over all in figures",
        ),
    ],
)
def test_labels_are_one_column_of_classes_or_several_of_0_and_1(said, message):
    with pytest.raises(ValidationError, match=message):
        ClassifySpec.model_validate(said)


def test_ordinal_classes_keep_their_order():
    spec = ClassifySpec(
        column="grade", classes={"mild": 1, "severe": 3, "none": 0}, ordinal=True
    )

    assert spec.label_names == ("mild", "severe", "none")


def test_several_labels_are_their_columns():
    spec = ClassifySpec(columns=("effusion", "nodule"))

    assert spec.label_columns == spec.label_names == ("effusion", "nodule")


@pytest.mark.parametrize(
    ("said", "target"),
    [
        ({"column": "y", "classes": {"a": 0, "b": 1}}, Target.EXCLUSIVE),
        ({"column": "y", "classes": {"a": 0, "b": 1, "c": 2}}, Target.EXCLUSIVE),
        ({"column": "y", "classes": {"a": 0, "b": 1}, "ordinal": True}, "exclusive"),
        (
            {"column": "y", "classes": {"a": 0, "b": 1, "c": 2}, "ordinal": True},
            Target.ORDINAL,
        ),
        ({"columns": ["a", "b"]}, Target.LABELS),
    ],
)
def test_how_classes_hang_together_follows_from_the_task(said, target):
    assert ClassifySpec.model_validate(said).target == target


def test_a_preset_gives_the_budget_and_what_is_set_wins():
    assert TrainSpec().minutes == 5
    assert TrainSpec(preset="fast").minutes == 2
    assert TrainSpec(preset="best").minutes == 15
    assert TrainSpec(preset="best", budget_minutes=3).minutes == 3


def test_a_tolerance_is_nothing_that_is_learned():
    strict, lax = (
        Experiment.model_validate(changed("task.segment.classes", classes)).task
        for classes in (
            {"a": {"value": 1, "tolerance_mm": 1}},
            {"a": {"value": 1, "tolerance_mm": 2}},
        )
    )

    assert strict.learned() == lax.learned()
    assert strict.learned()["segment"] == {"classes": {"a": {"value": 1}}}
    only_classes = TaskSpec.model_validate({"classify": {"columns": ["a", "b"]}})
    assert only_classes.learned()["segment"] is None


def test_a_prevalence_is_that_of_the_positive_class_of_two():
    experiment = Experiment.model_validate(changed("evaluate.prevalence", 0.02))
    assert experiment.evaluate.prevalence_of("malignant") == 0.02


def test_several_labels_have_a_prevalence_each():
    whole = changed("task.classify", {"columns": ["nodule", "fluid"]})
    whole["evaluate"] = {"prevalence": {"fluid": 0.1}}
    spec = Experiment.model_validate(whole).evaluate
    assert (spec.prevalence_of("fluid"), spec.prevalence_of("nodule")) == (0.1, None)

    whole["evaluate"] = {"prevalence": 0.1}
    with pytest.raises(ValidationError, match=r"0\.1 needs two classes; of .*'fluid'"):
        Experiment.model_validate(whole)


@pytest.mark.parametrize(
    ("section", "given"),
    [
        ("folds", {"calibration": {"fraction": 0.2}}),
        ("evaluate", {"refer": {"at_most": 0.2}}),
    ],
)
def test_masks_alone_have_no_decision_to_fit_or_refer(section, given):
    masks = {
        "name": "m",
        "data": {"scans": "s", "masks": "m"},
        "task": {"segment": {"classes": {"liver": {"value": 1}}}},
        section: given,
    }
    with pytest.raises(
        ValidationError, match="is about decisions, and masks have none"
    ):
        Experiment.model_validate(masks)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"at_least": 0.9}, "sensitivity of at least 0.9"),
        (
            {"metric": "cost", "false_negative": 10, "false_positive": 1},
            "least cost, false negative : false positive = 10 : 1",
        ),
        (
            {
                "metric": "cost",
                "false_negative": 10,
                "false_positive": 1,
                "prevalence": 0.02,
            },
            "least cost, false negative : false positive = 10 : 1 at a prevalence of "
            "0.02",
        ),
        (
            {"metric": "net_benefit", "probability": 0.1},
            "net benefit of acting from probability 0.1 on",
        ),
    ],
)
def test_operating_point_is_said_in_words(given, said):
    assert OperatingPointSpec.model_validate(given).in_words == said
