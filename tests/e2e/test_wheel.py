import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import voxray

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The wheel, built from this checkout and unpacked as pip would."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "."]
    command[-1] = str(folder)
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    wheel = next(folder.glob("*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run_there(installed: Path, tmp_path: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(installed)}  # noqa: TID251
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=tmp_path,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def test_installed_wheel_knows_the_data_cards(installed, tmp_path):
    assert "hippocampus" in run_there(
        installed, tmp_path, "-m", "voxray", "data", "list"
    )


def test_installed_wheel_ships_experiments_and_gate_policy(installed, tmp_path):
    code = "import voxray, pathlib; print(pathlib.Path(voxray.__file__).parent)"
    package = Path(run_there(installed, tmp_path, "-c", code).strip())

    assert package != Path(voxray.__file__).parent
    assert (package / "_shipped" / "experiments" / "demo.yaml").is_file()
    assert (package / "_shipped" / "gate_policy.yaml").is_file()
