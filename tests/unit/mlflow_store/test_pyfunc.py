import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import mlflow.pyfunc
import nibabel as nib
import numpy as np
import pandas as pd
import pytest

import voxray
from tests.unit.mlflow_store.makers import a_model_folder, a_package
from voxray.mlflow_store import save_pyfunc
from voxray.mlflow_store.pyfunc_entry import _read_scores
from voxray.model import VoxrayNetwork, save_network, write_package

# -S leaves out the editable install, as on a machine that never had voxray.
_LOAD = """
import json, os, sys
os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
sys.path.append(sys.argv[2])
import mlflow.pyfunc
model = mlflow.pyfunc.load_model(sys.argv[1])
import voxray
inputs = [column.name for column in model.metadata.get_input_schema()]
params = [param.name for param in model.metadata.get_params_schema()]
training = sorted({"torch", "voxray.train", "voxray.mlflow_store"} & set(sys.modules))
said = [voxray.__file__, inputs, params, training]
sys.stdout.write(json.dumps(said))
"""


@pytest.fixture(scope="module")
def pyfunc(tmp_path_factory):
    root = tmp_path_factory.mktemp("pyfunc")
    save_pyfunc(a_model_folder(root / "model"), root / "saved")
    return root / "saved"


@pytest.fixture
def scoring_model(tmp_path, monkeypatch):
    """A registered model that scores, with an untrained network."""
    monkeypatch.setenv("VOXRAY_KEY_FILE", str(tmp_path / "key"))
    folder = tmp_path / "model"
    package = a_package({})
    network = VoxrayNetwork(package.plan)
    folder.mkdir()
    save_network(folder / package.networks[0], network.state_dict())
    write_package(folder, package, "# lesions\n")
    save_pyfunc(folder, tmp_path / "pyfunc")
    return mlflow.pyfunc.load_model(str(tmp_path / "pyfunc"))


def a_scan(path):
    path.parent.mkdir(exist_ok=True)
    voxels = np.random.default_rng(len(path.name)).normal(100, 10, (8, 8, 8))
    nib.save(nib.Nifti1Image(voxels.astype(np.float32), np.eye(4)), path)


def test_it_loads_without_pickle_where_voxray_is_not_installed(pyfunc, tmp_path):
    packages = sysconfig.get_paths()["purelib"]
    options = ["-B", "-S", "-W", "ignore"]  # -B: what is saved stays as it is
    command = [sys.executable, *options, "-c", _LOAD, str(pyfunc), packages]

    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr[-2000:]
    where, inputs, params, training = json.loads(done.stdout)
    assert where == str(pyfunc / "code" / "voxray" / "__init__.py")
    assert inputs == ["source"]
    assert params == ["out", "workers", "readable_ids"]
    assert training == []


def test_the_copied_code_is_source_only(pyfunc):
    suffixes = {p.suffix for p in (pyfunc / "code").rglob("*") if p.is_file()}

    assert not suffixes & {".pyc", ".pkl", ".pickle", ".pt"}


def test_the_entry_does_not_say_where_it_was_made(pyfunc):
    said = (pyfunc / "MLmodel").read_text()

    assert str(pyfunc.parent) not in said
    assert str(Path(voxray.__file__).parent) not in said


def test_files_and_folders_are_scored_and_masks_kept(scoring_model, tmp_path):
    a_scan(tmp_path / "scans" / "a.nii.gz")
    a_scan(tmp_path / "scans" / "b.nii.gz")
    sources = [str(tmp_path / "scans"), str(tmp_path / "scans" / "b.nii.gz")]
    table = pd.DataFrame({"source": sources}, index=["folder", "file"])
    out = tmp_path / "out"

    found = scoring_model.predict(table, params={"out": str(out)})

    assert list(found.index) == ["folder", "folder", "file"]
    assert list(found["status"]) == ["scored"] * 3
    assert list(found["model"]) == ["lesions"] * 3
    assert found.loc["file", "p_malignant"] == found["p_malignant"].iloc[1]
    assert all((out / "0000" / mask).is_file() for mask in found.loc["folder", "mask"])


def test_score_rows_keep_ids_as_text_and_empty_cells_empty(tmp_path):
    table = pd.DataFrame(
        {"exam_id": ["007"], "reason": [None], "p_lesion": [0.25], "mask": [None]}
    )
    table.to_csv(tmp_path / "scores.csv", index=False)

    found = _read_scores(tmp_path / "scores.csv")

    assert found.to_dict("records") == [
        {"exam_id": "007", "reason": "", "p_lesion": 0.25, "mask": ""}
    ]
