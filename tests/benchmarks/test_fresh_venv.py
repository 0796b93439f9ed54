"""Does a registered model predict where nothing but its own requirements is installed?

    VOXRAY_WORKSPACE=workspace VOXRAY_MODEL=models:/hippocampus@candidate \\
        pytest -m bench -s tests/benchmarks/test_fresh_venv.py

Makes a new venv (some minutes, some GB), loads the MLflow artifact there with pickle
forbidden, and compares with `voxray score` of this environment.
"""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pandas as pd
import pytest

from voxray.mlflow_store import open_store, resolve_model
from voxray.stages.environment import artifact_root, tracking_uri

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3600)]

PREDICT = """
import sys, mlflow, pandas
model = mlflow.pyfunc.load_model(sys.argv[1])
table = model.predict(pandas.DataFrame({"source": [sys.argv[2]]}))
table.to_csv(sys.argv[3], index=False)
import voxray
print("voxray from", voxray.__file__)
"""


def test_model_predicts_from_its_own_requirements_alone(tmp_path):
    workspace = Path(os.environ.get("VOXRAY_WORKSPACE", "workspace"))
    ref = os.environ.get("VOXRAY_MODEL", "models:/hippocampus@candidate")
    scans = Path(os.environ["VOXRAY_SHARED_DATA"]) / "dicom" / "brain_study"
    store = open_store(tracking_uri(workspace, None), artifact_root(workspace))
    artifact = mlflow_root(resolve_model(store, ref, tmp_path / "cache"))
    forbidden = [
        p for p in artifact.rglob("*") if p.suffix in {".pkl", ".pt", ".pickle"}
    ]
    print(f"\n{len(list(artifact.rglob('*')))} files, {len(forbidden)} of them pickles")
    assert forbidden == []

    fresh = tmp_path / "venv"
    venv.create(fresh, with_pip=True)
    python = str(fresh / "bin" / "python")
    wanted = str(artifact / "requirements.txt")
    subprocess.run([python, "-m", "pip", "install", "-q", "-r", wanted], check=True)
    there = tmp_path / "there.csv"
    environment = {**os.environ, "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
    arguments = [python, "-c", PREDICT, str(artifact), str(scans), str(there)]
    subprocess.run(arguments, check=True, env=environment, cwd=tmp_path)

    here = tmp_path / "here"
    command = [sys.executable, "-m", "voxray", "score", str(scans), "--model", ref]
    command += ["--out", str(here), "--workspace", str(workspace)]
    subprocess.run(command, check=True)
    both = [pd.read_csv(path) for path in (there, here / "scores.csv")]
    first, second = (table.set_index("scan_id").sort_index() for table in both)
    assert list(first.index) == list(second.index)
    assert (first["status"] == second["status"]).all()
    numbers = [
        c for c in second if second[c].dtype == float and second[c].notna().any()
    ]
    gaps = (first[numbers] - second[numbers]).abs().max()
    print(f"largest difference over {numbers}: {gaps.max():.3g}")
    assert gaps.max() < 1e-3


def mlflow_root(folder: Path) -> Path:
    """The folder with the `MLmodel` file above a model folder."""
    return next(p for p in (folder, *folder.parents) if (p / "MLmodel").is_file())
