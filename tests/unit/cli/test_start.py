"""The command starts fast: it loads no heavy library before it needs one."""

import subprocess
import sys

import pytest

HEAVY = {
    "torch",
    "monai",
    "mlflow",
    "pandas",
    "numpy",
    "pydicom",
    "sklearn",
}


def loaded_modules(*arguments: str) -> set[str]:
    command = [sys.executable, "-X", "importtime", "-m", "voxray", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = done.stderr.splitlines()
    return {line.rpartition("|")[2].strip().split(".")[0] for line in lines}


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["run", "--help"], ["models", "--help"]]
)
def test_help_loads_no_heavy_library(arguments):
    loaded = loaded_modules(*arguments)
    assert "voxray" in loaded
    assert not loaded & HEAVY
