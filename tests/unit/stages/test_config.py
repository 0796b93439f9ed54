from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from tests.unit.stages.makers import PLAIN_YAML, write_yaml
from voxray.core.errors import ConfigError
from voxray.core.specs import Experiment
from voxray.stages.config import (
    PATH_KEYS,
    gate_policy_file,
    load_experiment,
    load_intake,
)


def path_fields(spec: type[BaseModel], above: str = "") -> Iterator[str]:
    for name, field in spec.model_fields.items():
        for kind in (field.annotation, *get_args(field.annotation)):
            if kind is Path:
                yield f"{above}{name}"
            elif isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from path_fields(kind, f"{above}{name}.")


def test_every_setting_that_is_a_path_expands():
    assert set(path_fields(Experiment)) == set(PATH_KEYS)


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    loaded = load_experiment(write_yaml(tmp_path))
    assert loaded.data.scans == (tmp_path / "scans").resolve()
    assert loaded.data.labels is not None
    assert loaded.data.labels.table == (tmp_path / "labels.csv").resolve()


def test_variables_expand_in_paths(tmp_path: Path) -> None:
    file = write_yaml(tmp_path, PLAIN_YAML.replace("scans: scans", "scans: '${D}/s'"))
    assert load_experiment(file, variables={"D": "/data"}).data.scans == Path("/data/s")
    with pytest.raises(ConfigError, match=r"data\.scans: the variable \$\{D\}"):
        load_experiment(file, variables={})


def test_set_changes_a_setting_and_reads_yaml(tmp_path: Path) -> None:
    loaded = load_experiment(
        write_yaml(tmp_path), ["train.steps=3", "data.labels=null", "folds={n: 3}"]
    )
    assert loaded.train.steps == 3
    assert loaded.data.labels is None
    assert loaded.folds.n == 3


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("train.stps=3", r"train\.stps: unknown key; did you mean 'steps'\?"),
        ("budget_minutes=3", r"did you mean 'train\.budget_minutes'\?"),
        ("data.channels={a: {modalty: MR}}", r"did you mean 'modality'\?"),
        ("zzz=1", "unknown key; valid keys: name, seed"),
        ("train.steps=abc", r"train\.steps: .*integer.*got 'abc'"),
        ("train=3", "train: it has keys of its own, got 3"),
        ("folds.n=1", r"folds\.n: .*greater than or equal to 2, got 1"),
        ("train={steps: 1, epochs: 1}", "train: give 'steps' or 'epochs', not both"),
        ("data.policy={missing-slic: refuse}", "did you mean 'missing-slice'"),
        ("data.policy={zzz: refuse}", "'zzz' is not known; valid: not-an-image, "),
        ("data.policy={missing-slice: accept}", "accept is not possible, only refuse"),
        ("data.patient={colum: a}", r"is none of: .*\{column: …\}; \{pattern: …\}"),
        ("data.patient={pattern: abc}", r"data\.patient\.pattern: .* has no group"),
        ("folds.holdout={fraction: 3}", r"folds\.holdout\.fraction: .*less than 1"),
        ("task.classify.classes={0: a}", r"classes\.0: input should be a valid string"),
        ("name=", "name: input should be a valid string"),
        ("name.x=3", "'name' holds 'toy', it has no keys"),
        ("name", r"write it as key\.path=VALUE"),
        ("name=[1", "not valid YAML"),
        ("train.spacing_mm=[1, 2]", r"train\.spacing_mm\.2: missing"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        load_experiment(write_yaml(tmp_path), [text])


def test_every_mistake_has_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_experiment(write_yaml(tmp_path), ["foldz={}", "train.steps=x"])
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[1] for line in lines] == ["train.steps", "foldz"]


def test_a_rule_over_several_settings_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the experiment: task\.segment needs"):
        load_experiment(write_yaml(tmp_path), ["data.masks=null"])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name: [1\ndata: 2: 3", r"toy\.yaml, line 2, .*not valid YAML"),
        (PLAIN_YAML + "name: y\n", "line 5, column 1: .*the key 'name' is given twice"),
        ("- a", "a list of 'key: value' lines"),
        ("", "a list of 'key: value' lines"),
        ("a: \x07", "not valid YAML"),
    ],
)
def test_broken_yaml_is_refused_with_its_line(
    tmp_path: Path, text: str, problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        load_experiment(write_yaml(tmp_path, text))


def test_yaml_anchors_and_merges_work(tmp_path: Path) -> None:
    text = PLAIN_YAML + "folds: &f {n: 3}\ntrain: {<<: {steps: 4}, epochs: null}\n"
    assert load_experiment(write_yaml(tmp_path, text)).train.steps == 4


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "toy.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read as text"):
        load_experiment(tmp_path / "toy.yaml")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("toi.yaml", r"did you mean '.*toy\.yaml'\?"),
        ("zzzzzzzzzzzzz", r"there is .*toy\.yaml"),
        ("none/toy.yaml", "there is no folder"),
        (".", "it is a folder"),
    ],
)
def test_a_missing_file_names_what_is_near(
    tmp_path: Path, name: str, problem: str
) -> None:
    write_yaml(tmp_path)
    with pytest.raises(ConfigError, match=problem):
        load_experiment(tmp_path / name)


def test_data_alone_has_defaults(tmp_path: Path) -> None:
    data, _ = load_intake(None, {"scans": tmp_path, "labels": tmp_path / "t.csv"})
    assert data.scans == tmp_path.resolve()
    assert data.labels is not None
    assert data.patient == "dicom"


def test_rules_are_settings_of_data(tmp_path: Path) -> None:
    rules = write_yaml(tmp_path, "{patient: each_file, masks: m}", "rules.yaml")
    data, _ = load_intake(rules, {"scans": tmp_path})
    assert data.patient == "each_file"
    assert data.masks == (tmp_path / "m").resolve()


def test_an_experiment_file_serves_as_rules(tmp_path: Path) -> None:
    data, task = load_intake(write_yaml(tmp_path), {"scans": tmp_path / "first"})
    assert task == load_experiment(write_yaml(tmp_path)).task
    assert data.scans == (tmp_path / "first").resolve()
    assert data.labels is not None
    assert data.labels.table == (tmp_path / "labels.csv").resolve()


def test_data_of_an_experiment_without_a_task_serves_as_rules(tmp_path: Path) -> None:
    rules = write_yaml(tmp_path, "data: {patient: each_file}", "rules.yaml")
    data, task = load_intake(rules, {"scans": tmp_path})
    assert (data.patient, task) == ("each_file", None)


def test_set_comes_before_the_rules(tmp_path: Path) -> None:
    rules = write_yaml(tmp_path, "{patient: dicom, ids: path}", "rules.yaml")
    sets = ["data.patient=each_file"]
    data, _ = load_intake(rules, {"scans": tmp_path}, sets=sets)
    assert (data.patient, data.ids) == ("each_file", "path")


def test_only_keys_of_data_can_be_set_for_data_alone(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="here only keys of data count"):
        load_intake(None, {"scans": tmp_path}, sets=["train.steps=3"])


def test_rules_whose_data_has_no_keys_are_named(tmp_path: Path) -> None:
    rules = write_yaml(tmp_path, "data: 3", "rules.yaml")
    with pytest.raises(ConfigError, match="'data' holds 3, it has no keys"):
        load_intake(rules, {"scans": tmp_path})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{patient: {pattern: '(x'}}", r"'\(x' is no regular expression"),
        ("{patien: each_file}", r"data\.patien: unknown key; did you mean 'patient'"),
        ("{patient: nobody}", r"data\.patient: 'nobody' is none of"),
        ("{labels: 3}", "'labels' holds 3"),
    ],
)
def test_wrong_rules_are_named(tmp_path: Path, text: str, problem: str) -> None:
    rules = write_yaml(tmp_path, text, "rules.yaml")
    with pytest.raises(ConfigError, match=problem):
        load_intake(rules, {"scans": tmp_path, "labels": tmp_path})


def test_missing_rules_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"rules file .*none\.yaml' does not exist"):
        load_intake(tmp_path / "none.yaml", {"scans": tmp_path})


def test_the_shipped_gate_policy_is_there():
    assert gate_policy_file().is_file()
