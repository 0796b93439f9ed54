"""What voxray, MONAI, SimpleITK and dcm2niix make of irregular series.

    pip install itk-io                                 # for MONAI's ITKReader
    make bench TESTS=tests/benchmarks/test_fault_matrix.py

Writes docs/reference/fault_matrix.md. dcm2niix must be on the path.
"""

import shutil
from collections.abc import Mapping

import pytest
from tests.benchmarks.fault_matrix.matrix import (
    ROOT,
    Cell,
    Verdict,
    judge,
    noise_of,
    run_reader,
    table,
    write_inputs,
)
from tests.benchmarks.fault_matrix.readers import versions
from tests.benchmarks.fault_matrix.truth import CONTROL, FAULTS

from voxray.core.files import atomic_path

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1800)]
PAGE = ROOT / "docs" / "reference" / "fault_matrix.md"
INTRODUCTION = """\
<!-- Made by make bench TESTS=tests/benchmarks/test_fault_matrix.py. Do not edit. -->

# Fault matrix

What readers make of irregular series. Each row is a folder that the benchmark
generates, each column a reader that it runs on that folder. Every voxel holds the value
of a known field at its place, so values and geometry can be judged on any grid.

- **right**: all volumes that are in the folder, with the right values (within 0.6 of a
  stored step; 1.2 after resampling) at the right place (within 0.02 mm).
- **refused**: no volume, and a reason (for other readers: any error).
- **said**: a volume with wrong values or geometry, or one lacking or too many,
  and a word about it: a finding, or for other readers any warning or line on the screen
  that they do not give for a regular series.
- **SILENT WRONG**: the same, and nothing was said.
- **crash**: the process died.

Where no right volume can be made, as with a missing slice, only *refused* and *said*
are good. Codes are those of [intake](codes.md); `extent-unverified`, which nearly every
series has, is not shown.

Of other readers the usual call was used: MONAI `LoadImage` on the folder, SimpleITK
`ImageSeriesReader` on each series that GDCM lists, `dcm2niix -b n -z n`; for NIfTI
files MONAI's `NibabelReader` and SimpleITK `ReadImage`.

"""


@pytest.fixture(scope="module")
def named_versions():
    if shutil.which("dcm2niix") is None:
        pytest.skip("needs dcm2niix on the path")
    return versions()


@pytest.fixture(scope="module")
def cells(tmp_path_factory, named_versions):
    folder = tmp_path_factory.mktemp("faults")
    truths = write_inputs(folder / "in")
    found: dict[str, dict[str, Cell]] = {}
    for name in named_versions:
        readings = run_reader(name, folder / "in", folder / "out" / name)
        noise = noise_of(readings)
        found[name] = {
            f.name: judge(truths[f.name], readings[f.name], noise) for f in FAULTS
        }
    return found


def test_matrix_has_enough_kinds_and_is_written(cells, named_versions):
    shown = ", ".join(f"{name} {v}" for name, v in named_versions.items())
    absent = "" if "MONAI ITKReader" in named_versions else " MONAI's ITKReader was not"
    absent += " run: it needs itk." if absent else ""
    command = "`make bench TESTS=tests/benchmarks/test_fault_matrix.py`"
    n_faults = sum(f.group != CONTROL for f in FAULTS)
    text = (
        f"{INTRODUCTION}{n_faults} kinds of fault. Versions: {shown}.{absent} Command: "
        f"{command}, with dcm2niix on the path and `pip install itk-io` for MONAI's "
        "ITKReader.\n\n"
    )
    with atomic_path(PAGE) as path:
        path.write_text(text + table(cells, named_versions), encoding="utf-8")
    print(f"\n{shown}\n{len(FAULTS)} kinds\n{table(cells, named_versions)}")
    assert len(FAULTS) >= 30


def test_voxray_is_never_silently_wrong_and_never_dies(cells):
    bad = names_of(cells["voxray"], Verdict.SILENT, Verdict.CRASH)
    assert bad == []


def test_what_voxray_says_names_the_fault(cells):
    """Unless there is a right volume and nothing to say."""
    unnamed = [
        (item.name, cells["voxray"][item.name].codes)
        for item in FAULTS
        if item.says and not item.says & set(cells["voxray"][item.name].codes)
    ]
    assert unnamed == []


def test_volumes_that_voxray_repaired_are_right(cells):
    repaired = [n for n, cell in cells["voxray"].items() if cell.repaired]
    assert repaired
    assert {cells["voxray"][name].verdict for name in repaired} == {Verdict.RIGHT}


def test_regular_series_are_right_in_every_reader(cells):
    controls = [f.name for f in FAULTS if f.group == CONTROL]
    verdicts = {
        (name, c): own[c].verdict for name, own in cells.items() for c in controls
    }
    assert set(verdicts.values()) == {Verdict.RIGHT}, verdicts


def names_of(cells: Mapping[str, Cell], *verdicts: Verdict) -> list[str]:
    return [name for name, cell in cells.items() if cell.verdict in verdicts]
