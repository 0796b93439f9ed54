"""The tables of the reference pages against the code."""

import json
import re
from dataclasses import fields
from typing import Any, get_args, get_origin

import pytest
import yaml
from pydantic_core import PydanticUndefined

from tests.unit.docs.makers import DOCS, PAGES, ROOT, blocks, section, table_rows
from voxray.core import errors
from voxray.core.records import Metric
from voxray.core.specs import DataSpec, Experiment, ModelPackage, Plan, Spec
from voxray.core.specs.gate import GatePolicy
from voxray.folds.audit import Audit
from voxray.folds.table import _COLUMNS as FOLD_COLUMNS
from voxray.ingest.output import FILES_SCHEMA, LINKAGE_COLUMNS, QUARANTINE_COLUMNS
from voxray.manifest.table import COLUMNS as MANIFEST_COLUMNS

EXPERIMENT_PAGE = DOCS / "reference" / "experiment.md"
FILES_PAGE = DOCS / "reference" / "files.md"
EXIT_PAGE = DOCS / "reference" / "exit_codes.md"


def specs_in(kind):
    if isinstance(kind, type) and issubclass(kind, Spec):
        return [kind]
    return [spec for part in get_args(kind) for spec in specs_in(part)]


def holds_dict(kind):
    return get_origin(kind) is dict or any(holds_dict(a) for a in get_args(kind))


def keys(spec, prefix=""):
    """Key, default and whether it has keys of its own, of every setting."""
    for name, field in spec.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        inner = specs_in(field.annotation)
        yield key, field.get_default(call_default_factory=True), bool(inner)
        for other in inner:
            below = "NAME." if holds_dict(field.annotation) else ""
            yield from keys(other, f"{key}.{below}")


def as_text(default: Any) -> str:
    words = {PydanticUndefined: "required", None: "none", "": "empty", (): "[]"}
    for value, word in words.items():
        if default is value or default == value:
            return word
    if isinstance(default, tuple):
        return f"[{', '.join(map(str, default))}]"
    return str(default).lower() if isinstance(default, bool) else str(default)


GATE_PAGE = DOCS / "reference" / "gate_policy.md"
_SHOWN_BELOW = {"models.NAME.calibration", "models.NAME.subgroups.column"}


@pytest.mark.parametrize(("key", "default", "_has_keys"), list(keys(GatePolicy)))
def test_every_key_of_the_gate_policy_is_documented(key, default, _has_keys):
    rows = {row[0]: row[1] for row in table_rows(GATE_PAGE.read_text())}
    if key.startswith("models.NAME.subgroups.column."):
        return  # as `evaluate.subgroups`
    assert f"`{key}`" in rows or key in rows
    shown = rows.get(f"`{key}`", rows.get(key, "")).strip("`")
    if key == "models.NAME.card":
        assert shown == ", ".join(default)
    elif key not in _SHOWN_BELOW:
        assert shown == ("empty" if default == {} else as_text(default))


SETTINGS = list(keys(Experiment))
DOCUMENTED = {row[0]: row[1] for row in table_rows(EXPERIMENT_PAGE.read_text())}


def test_every_setting_is_documented():
    assert {key for key, _, has_keys in SETTINGS if not has_keys} - set(DOCUMENTED) == (
        set()
    )


def test_every_documented_setting_exists():
    assert set(DOCUMENTED) - {key for key, _, _ in SETTINGS} == set()


@pytest.mark.parametrize(
    ("key", "default"),
    [
        pytest.param(key, default, id=key)
        for key, default, has_keys in SETTINGS
        if not has_keys
    ],
)
def test_the_documented_default_is_the_real_one(key, default):
    assert DOCUMENTED[key] == as_text(default)


def columns(heading):
    return [row[0] for row in table_rows(section(FILES_PAGE, heading))]


def names(record):
    return [field.name for field in fields(record)]


def test_columns_of_the_ingest_tables():
    assert columns("files.parquet") == list(FILES_SCHEMA.names)
    assert columns("manifest.csv") == list(MANIFEST_COLUMNS)
    assert columns("quarantine.csv") == list(QUARANTINE_COLUMNS)
    assert columns("linkage.csv") == list(LINKAGE_COLUMNS)


def test_columns_of_the_fold_table_and_keys_of_the_audit():
    assert columns("folds.csv") == list(FOLD_COLUMNS)
    assert columns("audit.json") == names(Audit)


def test_keys_of_plan_and_package():
    assert columns("plan.json") == list(Plan.model_fields)
    assert columns("package.json") == list(ModelPackage.model_fields)


def test_keys_of_evaluation():
    assert columns("evaluation.json") == [n.rstrip("_") for n in names(Metric)]


def test_columns_of_statistics_and_schedule():
    from voxray.preprocess import ScanStatistics
    from voxray.train import Schedule

    assert columns("statistics.parquet") == names(ScanStatistics)
    assert columns("schedule.json") == names(Schedule)


def test_columns_of_predictions():
    from voxray.evaluate.tables import _KEYS

    assert columns("oof_predictions.parquet") == list(_KEYS)


def test_columns_of_the_list_of_possibly_mislabelled_scans():
    from voxray.evaluate.mislabelled import COLUMNS

    assert columns("possibly_mislabelled.csv") == list(COLUMNS)


def test_columns_of_lesions_and_of_the_worst_exams():
    from voxray.evaluate import lesion_table, worst

    assert columns("lesions.parquet") == list(lesion_table._COLUMNS)
    assert columns("worst_exams.csv") == list(worst.COLUMNS)


def test_columns_of_scores():
    from voxray.score import ScoreColumns

    expected = ScoreColumns(("<class>",), ("<structure>",), ("<label>",)).names
    assert columns("scores.csv") == list(expected)


def test_keys_of_the_stage_record(tmp_path):
    from voxray.stages import load_stage
    from voxray.stages.frame import StageOutcome, StageRecord, write_record

    record = StageRecord({}, {}, "", {}, StageOutcome({}, ""))
    write_record(tmp_path, load_stage("report"), record, 0.0)
    written = json.loads((tmp_path / "stage.json").read_text())
    assert columns("stage.json") == list(written)


def test_every_exit_code_is_documented():
    from voxray.cli.guard import BUG, INTERRUPTED

    of_errors = {
        error.exit_code
        for error in vars(errors).values()
        if isinstance(error, type) and issubclass(error, errors.VoxrayError)
    }
    rows = re.findall(r"^\| (\d+) \|", EXIT_PAGE.read_text(), re.MULTILINE)
    assert {int(code) for code in rows} == {0, BUG, INTERRUPTED, *of_errors}


BASE = {
    "name": "base",
    "data": {"scans": "s", "masks": "m", "labels": {"table": "t.csv"}},
    "task": {
        "classify": {"column": "c", "classes": {"a": 0, "b": 1}},
        "segment": {"classes": {"x": {"value": 1}}},
    },
}


def merged(below, above):
    """A fragment of an experiment laid over a whole one."""
    return {
        **below,
        **{
            key: merged(below[key], value)
            if isinstance(below.get(key), dict) and isinstance(value, dict)
            else value
            for key, value in above.items()
        },
    }


YAML_BLOCKS = [
    pytest.param(yaml.safe_load(text), id=f"{page.relative_to(ROOT)} {number}")
    for page in PAGES
    for number, text in enumerate(blocks(page, "yaml"))
]


@pytest.mark.parametrize("content", YAML_BLOCKS)
def test_every_yaml_block_is_valid(content):
    if "models" in content:
        GatePolicy.model_validate(content)
    elif "name" in content:
        Experiment.model_validate(content)
    elif set(content) <= set(DataSpec.model_fields):
        DataSpec.model_validate({"scans": "s", **content})
    else:
        Experiment.model_validate(merged(BASE, content))
