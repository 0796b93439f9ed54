"""Peak memory of training against the number of scans: it must stay flat.

    pytest -m bench -s tests/benchmarks/test_memory_growth.py
    python -m tests.benchmarks.test_memory_growth 100 1000 5000 [--workspace DIR]

Generated scans of 24 x 28 x 24 voxels; all prepared arrays of 5,000 of them are 400 MB.
Each number has two commands, watched apart: all stages before the training, then one
epoch of training for each of two folds, so that every scan is seen. Memory is that of
the process and all below it. Anonymous memory is judged; resident memory also counts
pages of mapped files, which the system takes back when it needs them. The workspace
must lie on a disk: a file in a tmpfs is memory itself.
"""

import argparse
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.benchmarks.memory import MIB, Memory, run_and_watch
from tests.benchmarks.runs import blocks, command, settings

pytestmark = [pytest.mark.bench, pytest.mark.timeout(7200)]

COUNTS = (100, 1000, 5000)
SHAPE = (24, 28, 24)
MOST_GROWTH_MIB = 100
"""Anonymous memory that 5,000 scans may take above 100: tables of names and hashes."""


def watched(folder: Path, n_scans: int) -> Memory:
    """Print what intake and training take; return that of training."""
    experiment = blocks(folder, n_scans, SHAPE)
    start = ["run", experiment, "--workspace", folder / "workspace"]
    start += settings(["train.epochs=1"])
    until = ["--until", "split_folds"]
    took_s, peak = run_and_watch(command(*start, *until), folder / "before.log")
    print(f"{n_scans:6} scans, stages 1 to 3: {peak}, {took_s:.0f} s", flush=True)
    only = ["--from", "train", "--until", "train"]
    took_s, peak = run_and_watch(command(*start, *only), folder / "train.log")
    print(f"{n_scans:6} scans, training     : {peak}, {took_s:.0f} s", flush=True)
    return peak


def measure(top: Path, counts: Sequence[int]) -> float:
    """Growth of anonymous memory from the fewest scans to the most, in MiB."""
    peaks = []
    for n_scans in counts:
        peaks.append(watched(top / str(n_scans), n_scans))
        shutil.rmtree(top / str(n_scans))
    growth = (peaks[-1].anonymous - peaks[0].anonymous) / MIB
    print(f"training, {counts[0]} to {counts[-1]} scans: {growth:+.0f} MiB anonymous")
    return growth


def test_memory_of_training_does_not_grow_with_the_number_of_scans(tmp_path):
    growth_mib = measure(tmp_path, COUNTS)

    assert growth_mib <= MOST_GROWTH_MIB


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("counts", nargs="*", type=int, default=list(COUNTS))
    parser.add_argument("--workspace", type=Path)
    chosen = parser.parse_args()
    place = chosen.workspace or Path(tempfile.mkdtemp(prefix="memory_growth_"))
    measure(place, chosen.counts)
