import ast
import json
import os
import shutil
import sys
from dataclasses import replace
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import voxray
from tests.unit.mlflow_store.makers import a_model_folder, a_package, a_run
from voxray.core.errors import ConfigError, MachineError, ManifestError
from voxray.core.specs import Target
from voxray.mlflow_store import (
    Registration,
    describe_model,
    export_model,
    list_models,
    open_store,
    register_model,
    resolve_model,
    verify_registered,
)
from voxray.mlflow_store.package_files import file_problems
from voxray.mlflow_store.signature import score_columns, scoring_requirements
from voxray.score import ScoreColumns


def contents(folder):
    files = [p for p in folder.rglob("*") if p.is_file()]
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def test_what_was_registered_comes_back_byte_for_byte(store, run, fresh_name, tmp_path):
    model = a_model_folder(tmp_path / "model")

    version = register_model(store, run.run_id, model, Registration(fresh_name))

    found = resolve_model(store, f"models:/{fresh_name}/{version}", tmp_path / "cache")
    assert contents(found) == contents(model)
    assert not (tmp_path / "cache").exists()


def test_the_artifact_holds_no_pickle_and_no_compiled_code(
    store, registered, fresh_name, tmp_path
):
    registered()

    model = resolve_model(store, f"models:/{fresh_name}@candidate", tmp_path)
    pyfunc = model.parents[1] if model.parent.name == "artifacts" else model.parent
    names = [p.name for p in pyfunc.rglob("*")]
    assert "pyfunc_entry.py" in names
    assert "__pycache__" not in names
    assert not [n for n in names if n.endswith((".pkl", ".pt", ".pickle", ".pyc"))]


def test_the_entry_has_pins_and_a_signature(store, registered, fresh_name, tmp_path):
    registered()
    model = resolve_model(store, f"models:/{fresh_name}@candidate", tmp_path)

    pyfunc = next(p for p in model.parents if (p / "MLmodel").is_file())
    pins = (pyfunc / "requirements.txt").read_text().split()
    assert pins == scoring_requirements()
    assert not [pin for pin in pins if "+" in pin]
    assert '"name": "source"' in (pyfunc / "MLmodel").read_text()


def test_the_pins_cover_every_import_of_scoring():
    root = Path(voxray.__file__).parent
    parts = ("core", "executor", "ingest", "model", "preprocess", "scan_io", "score")
    files = [f for part in parts for f in (root / part).rglob("*.py")]
    entry = root / "mlflow_store" / "pyfunc_entry.py"
    pinned = {pin.split("==")[0] for pin in scoring_requirements()}
    known = packages_distributions()

    imported = set().union(*map(outside_imports, [*files, entry]))

    assert {m for m in imported if not pinned & set(map(str.lower, known[m]))} == set()


def outside_imports(file):
    nodes = list(ast.walk(ast.parse(file.read_text())))
    plain = [a.name for n in nodes if isinstance(n, ast.Import) for a in n.names]
    named = [n.module for n in nodes if isinstance(n, ast.ImportFrom) and n.module]
    tops = {name.split(".")[0] for name in plain + named}
    return tops - sys.stdlib_module_names - {"voxray"}


def test_output_columns_are_those_of_the_scores():
    columns = list(score_columns(a_package({})))

    assert columns[:4] == ["exam_id", "scan_id", "patient_id", "status"]
    assert columns[6:8] == ["decision", "refer"]
    assert columns[8:10] == ["p_benign", "p_malignant"]
    assert columns[-4:] == ["mask", "volume_ml_lesion", "model", "model_sha256"]


def test_labels_have_a_threshold_column_each_as_in_the_scores():
    package = a_package({})
    plan = package.plan.model_copy(update={"target": Target.LABELS})
    columns = list(score_columns(package.model_copy(update={"plan": plan})))

    assert columns == list(ScoreColumns.of(plan).names)
    assert columns[10:13] == ["threshold", "threshold_benign", "threshold_malignant"]


def test_a_new_version_takes_the_alias_candidate(store, registered, fresh_name):
    first, second = registered(b"one"), registered(b"two")

    row = next(m for m in list_models(store) if m.name == fresh_name)
    assert (first, second) == (1, 2)
    assert row.versions == (1, 2)
    assert row.aliases == {"candidate": 2}


def test_registering_the_same_folder_again_makes_no_version(
    store, run, fresh_name, tmp_path
):
    model = a_model_folder(tmp_path / "model")

    versions = [
        register_model(store, run.run_id, model, Registration(fresh_name))
        for _ in range(2)
    ]

    assert versions == [1, 1]


def test_a_version_whose_files_are_gone_or_damaged_is_registered_anew(
    store, run, fresh_name, tmp_path
):
    model = a_model_folder(tmp_path / "model")

    def register():
        version = register_model(store, run.run_id, model, Registration(fresh_name))
        return resolve_model(store, f"models:/{fresh_name}/{version}", tmp_path)

    shutil.rmtree(register().parents[1])
    (register() / "card.md").write_text("damaged")
    register()

    row = next(m for m in list_models(store) if m.name == fresh_name)
    assert row.versions == (1, 2, 3)
    assert row.aliases == {"candidate": 3}


def test_a_folder_that_does_not_match_its_hashes_is_not_registered(
    store, run, fresh_name, tmp_path
):
    model = a_model_folder(tmp_path / "model")
    (model / "card.md").write_text("other")
    (model / "extra.pkl").write_bytes(b"x")

    problems = r"extra\.pkl is not listed; card\.md was changed"
    with pytest.raises(ConfigError, match=problems):
        register_model(store, run.run_id, model, Registration(fresh_name))


def test_a_byte_changed_in_the_store_is_found(store, registered, fresh_name, tmp_path):
    version = registered()
    model = tmp_path / "model-weights-passed"
    there = resolve_model(store, f"models:/{fresh_name}/{version}", tmp_path)
    (there / "fold_0.safetensors").write_bytes(b"Weights")

    with pytest.raises(MachineError, match=r"fold_0\.safetensors was changed"):
        verify_registered(store, fresh_name, version, model)


def test_another_model_in_the_store_is_found(store, registered, fresh_name, tmp_path):
    registered(b"one")
    registered(b"two")

    with pytest.raises(MachineError, match=r"package\.json is another one"):
        verify_registered(store, fresh_name, 1, tmp_path / "model-two-passed")


def test_a_description_has_aliases_tags_and_metrics(store, registered, fresh_name):
    registered()

    found = describe_model(store, f"models:/{fresh_name}@candidate")

    assert (found.name, found.version) == (fresh_name, 1)
    assert found.aliases == ("candidate",)
    assert found.tags["audit"] == "passed"
    assert found.metrics["auc_low"] == 0.8
    assert found.description == "a test"


def test_a_folder_is_described_too(store, tmp_path):
    found = describe_model(store, str(a_model_folder(tmp_path / "model")))

    assert (found.name, found.version, found.run_id) == ("lesions", None, None)
    assert found.tags["licence"] == "CC0-1.0"


@pytest.mark.parametrize(
    ("ref", "said"),
    [
        ("models:/{name}@best", "has no alias 'best'; it has: candidate"),
        ("models:/{name}/7", "has no version 7; it has: 1"),
        ("models:/nobody@candidate", "no model 'nobody' in .*; registered: .*{name}"),
        ("models:/{name}", "write models:/NAME@ALIAS"),
        ("models:/{name}/latest", "write models:/NAME@ALIAS"),
        ("/nowhere/model", "there is no model folder '/nowhere/model'"),
    ],
)
def test_a_reference_to_nothing_names_what_there_is(
    store, registered, fresh_name, tmp_path, ref, said
):
    registered()

    with pytest.raises(ConfigError, match=said.format(name=fresh_name)):
        resolve_model(store, ref.format(name=fresh_name), tmp_path)


def test_a_folder_without_package_is_no_model(store, tmp_path):
    with pytest.raises(ConfigError, match=r"it has no package\.json"):
        resolve_model(store, str(tmp_path), tmp_path)


def test_a_package_of_another_schema_is_refused(store, tmp_path):
    model = a_model_folder(tmp_path / "model")
    (model / "package.json").write_text(json.dumps({"schema_version": 9}))

    with pytest.raises(ManifestError, match="not written by this version of voxray"):
        resolve_model(store, str(model), tmp_path)


def test_files_that_were_deleted_are_said(store, registered, fresh_name, tmp_path):
    registered()
    ref = f"models:/{fresh_name}@candidate"
    model = resolve_model(store, ref, tmp_path)
    shutil.rmtree(next(p for p in model.parents if (p / "MLmodel").is_file()))

    with pytest.raises(ConfigError, match=r"are gone from .* register it again"):
        resolve_model(store, ref, tmp_path)


def test_a_package_file_that_was_changed_is_not_what_was_registered(
    store, registered, fresh_name, tmp_path
):
    registered()
    ref = f"models:/{fresh_name}/1"
    path = resolve_model(store, ref, tmp_path) / "package.json"
    path.write_text(path.read_text().replace("Tests only", "Everything"))

    with pytest.raises(ManifestError, match=f"{fresh_name}/1 was changed since it was"):
        resolve_model(store, ref, tmp_path)


def test_an_entry_that_is_no_voxray_model_is_refused(store, run, fresh_name, tmp_path):
    with store.client() as client:
        client.create_registered_model(fresh_name)
        client.create_model_version(fresh_name, str(tmp_path), run.run_id)

    with pytest.raises(ConfigError, match=f"{fresh_name}/1 is no voxray model"):
        resolve_model(store, f"models:/{fresh_name}/1", tmp_path)


def test_an_export_is_the_model_folder(store, registered, fresh_name, tmp_path):
    registered()

    to = export_model(store, f"models:/{fresh_name}/1", tmp_path / "a" / "export")

    assert contents(to) == contents(tmp_path / "model-weights-passed")
    assert os.listdir(tmp_path / "a") == ["export"]  # noqa: PTH208 - hidden ones too


def test_an_export_overwrites_nothing(store, tmp_path):
    model = a_model_folder(tmp_path / "model")

    with pytest.raises(ConfigError, match="is in use; export to a new folder"):
        export_model(store, str(model), model)


def test_a_damaged_model_is_not_exported(store, tmp_path):
    model = a_model_folder(tmp_path / "model")
    (model / "card.md").unlink()

    with pytest.raises(ConfigError, match=r"damaged .* card\.md is missing"):
        export_model(store, str(model), tmp_path / "export")
    assert not (tmp_path / "export").exists()


def test_a_server_gives_the_model_back_through_a_cache(server, tmp_path):
    store = open_store(server, tmp_path)
    run = a_run(store, "remote models")
    model = a_model_folder(tmp_path / "model")
    cache = tmp_path / "cache"

    version = register_model(store, run.run_id, model, Registration("remote"))
    found = resolve_model(store, "models:/remote@candidate", cache)

    assert version == 1
    assert contents(found) == contents(model)
    for name in ("card.md", "package.json"):
        (found / name).write_text("damaged")
        assert file_problems(resolve_model(store, "models:/remote/1", cache)) == ()
    kept = resolve_model(store, "models:/remote/1", cache).stat().st_mtime_ns
    assert resolve_model(store, "models:/remote/1", cache).stat().st_mtime_ns == kept


def test_a_store_that_went_away_is_a_machine_error(store):
    gone = replace(store, uri="http://127.0.0.1:9", artifact_root=None)

    with pytest.raises(MachineError, match="does not answer"):
        list_models(gone)
