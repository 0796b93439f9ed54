"""A registered model where nothing but its own requirements is installed.

    python -m tests.benchmarks.fresh_venv --workspace workspace \\
        --model models:/lidc_nodules@candidate --scans /data/some [--venv DIR]

Makes a venv from the `requirements.txt` of the model's MLflow artifact (minutes, some
GB; `--venv` keeps it for the next time), loads the artifact there with pickle
forbidden, and compares every number with that of `voxray score` in this environment.
Then the artifact is tampered with: one bit of a weight file, a pickle beside the
weights, a pickle in place of the code. Each must be refused. Exit code 1 if a number
is more than 1e-3 off, or something is not refused.
"""

import argparse
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import yaml
from tests.benchmarks.runs import voxray

from voxray.mlflow_store import open_store, resolve_model, save_pyfunc
from voxray.stages.environment import artifact_root, tracking_uri

MOST = 1e-3
PICKLES = {".pkl", ".pickle", ".pt", ".pth", ".joblib"}
PREDICT = """
import sys, mlflow, pandas
model = mlflow.pyfunc.load_model(sys.argv[1])
table = model.predict(pandas.DataFrame({"source": [sys.argv[2]]}))
table.to_csv(sys.argv[3], index=False)
import voxray
own = voxray.__file__.startswith(sys.argv[1])
print("voxray of", "the artifact" if own else voxray.__file__)
"""
PLANTED = "planted"


class _Planted:
    """Leaves a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return open, (str(self.path), "w")


def flip_a_bit(artifact: Path) -> None:
    """Of the last weight of the first network."""
    weights = min(artifact.glob("artifacts/model/*.safetensors"))
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)


def plant_beside_weights(artifact: Path) -> None:
    write_pickle(artifact / "artifacts" / "model" / "extra.pkl", artifact.parent)


def plant_for_code(artifact: Path) -> None:
    """As MLflow itself stores a model that is no source file."""
    write_pickle(artifact / "python_model.pkl", artifact.parent)
    path = artifact / "MLmodel"
    said = yaml.safe_load(path.read_text(encoding="utf-8"))
    flavor = said["flavors"]["python_function"]
    del flavor["model_code_path"]
    flavor["loader_module"] = "mlflow.pyfunc.model"
    flavor["python_model"] = "python_model.pkl"
    path.write_text(yaml.safe_dump(said), encoding="utf-8")


def write_pickle(path: Path, folder: Path) -> None:
    path.write_bytes(pickle.dumps(_Planted(folder / PLANTED)))


TAMPERED = {
    "one bit of a weight file": flip_a_bit,
    "a pickle beside the weights": plant_beside_weights,
    "a pickle in place of the code": plant_for_code,
}


def artifact_of(workspace: Path, ref: str, to: Path) -> Path:
    """Copy of the MLflow artifact of a registered model, or what a folder would get."""
    if Path(ref).is_dir():
        save_pyfunc(Path(ref), to / "artifact")
        return to / "artifact"
    store = open_store(tracking_uri(workspace, None), artifact_root(workspace))
    folder = resolve_model(store, ref, to / "cache")
    root = next(p for p in (folder, *folder.parents) if (p / "MLmodel").is_file())
    return Path(shutil.copytree(root, to / "artifact"))


def make_venv(folder: Path, artifact: Path) -> Path:
    """Python of a venv with the artifact's requirements and nothing else."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    line = [str(python), "-m", "pip", "install", "-q", "-r"]
    subprocess.run([*line, str(artifact / "requirements.txt")], check=True)
    return python


def predict(python: Path, artifact: Path, scans: Path, out: Path) -> str:
    """Predict there; returns what was said, the last line of an error if it failed."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment |= {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
    line = [str(python), "-c", PREDICT, str(artifact), str(scans), str(out)]
    done = subprocess.run(
        line,
        env=environment,
        cwd=out.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout if done.returncode == 0 else done.stderr
    return said.strip().splitlines()[-1]


def largest_difference(first: Path, second: Path) -> str:
    """Compare two tables of scores.

    Raises:
        ValueError: If they have other rows, or a number is more than `MOST` off.
    """
    tables = (pd.read_csv(path) for path in (first, second))
    one, other = (table.set_index("scan_id").sort_index() for table in tables)
    if not one["status"].equals(other["status"]):
        msg = "other scans, or other statuses"
        raise ValueError(msg)
    floats = map(str, other.select_dtypes("float").columns)
    numbers = [c for c in floats if other[c].notna().any()]
    gaps = (one[numbers] - other[numbers]).abs().max()
    n_scored = int((other["status"] == "scored").sum())
    line = f"{len(other)} scans, {n_scored} scored; largest difference {gaps.max():.1e}"
    if n_scored == 0 or not gaps.max() <= MOST:
        raise ValueError(line)
    return f"{line}, over {', '.join(numbers)}"


def tampered(python: Path, artifact: Path, scans: Path, name: str) -> str:
    """Try a model that was tampered with.

    Raises:
        ValueError: If it is not refused.
    """
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        copy = Path(shutil.copytree(artifact, root / "artifact"))
        TAMPERED[name](copy)
        said = predict(python, copy, scans, root / "scores.csv")
        if (root / "scores.csv").exists() or (root / PLANTED).exists():
            msg = f"{name}: NOT refused"
            raise ValueError(msg)
    return f"{name}: refused: {said}"


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--workspace", type=Path, default=Path("workspace"))
    add("--model", default="models:/demo@candidate", help="or a model folder")
    add("--scans", type=Path, required=True)
    add("--venv", type=Path, help="kept")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        to = Path(temporary)
        artifact = artifact_of(asked.workspace, asked.model, to)
        files = [p for p in artifact.rglob("*") if p.is_file()]
        n_pickles = sum(p.suffix in PICKLES for p in files)
        print(f"{len(files)} files in the artifact, {n_pickles} of them pickles")
        python = make_venv((asked.venv or to / "venv").resolve(), artifact)
        scans, there = asked.scans.resolve(), to / "there.csv"
        print(predict(python, artifact, scans, there), flush=True)
        here = to / "here"
        line = ["score", scans, "--model", asked.model, "--out", here]
        voxray(*line, "--workspace", asked.workspace, log=to / "log")
        try:
            print(largest_difference(there, here / "scores.csv"), flush=True)
            for name in TAMPERED:
                print(tampered(python, artifact, scans, name), flush=True)
        except ValueError as error:
            print(f"FAILED: {error}")
            return 1
    return int(n_pickles > 0)


if __name__ == "__main__":
    sys.exit(main())
