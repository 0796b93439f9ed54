"""Run every reader on every fault, judge what it gave, and write the table."""

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from itertools import groupby
from pathlib import Path

import numpy as np
from tests.benchmarks.fault_matrix.readers import Reading
from tests.benchmarks.fault_matrix.truth import (
    CONTROL,
    FAULTS,
    Fault,
    Truth,
    is_right,
)

from voxray.core.findings import FindingCode

for _module in (
    "geometry",
    "mixtures",
    "contradictions",
    "multiframe",
    "values",
    "broken",
):
    import_module(f"tests.benchmarks.fault_matrix.{_module}")  # enters its faults

ROOT = Path(__file__).parents[3]
SECONDS_FOR_ALL = 900


class Verdict(StrEnum):
    """What became of one input in one reader."""

    RIGHT = "right"
    REFUSED = "refused"
    SAID = "said"
    SILENT = "SILENT WRONG"
    CRASH = "crash"
    NOT_FOR = "-"


@dataclass(frozen=True)
class Cell:
    """A verdict, and for voxray the codes it gave.

    Attributes:
        codes: Of findings and refusals.
        repaired: Whether a volume is called repaired.
    """

    verdict: Verdict
    codes: tuple[str, ...] = ()
    repaired: bool = False


def write_inputs(folder: Path) -> dict[str, Sequence[Truth]]:
    """Write every fault into a folder of its name; give the right volumes of each."""
    truths = {}
    for item in FAULTS:
        (folder / item.name).mkdir(parents=True)
        truths[item.name] = item.make(folder / item.name)
    cases = [{"name": item.name, "policy": item.policy} for item in FAULTS]
    (folder / "cases.json").write_text(json.dumps(cases))
    return truths


def run_reader(name: str, inputs: Path, out: Path) -> dict[str, Reading | None]:
    """Readings by fault; None where the process died."""
    out.mkdir(parents=True)
    command = [sys.executable, "-m", "tests.benchmarks.fault_matrix.readers"]
    while True:
        ran = subprocess.run(
            [*command, name, str(inputs), str(out)],
            cwd=ROOT,
            timeout=SECONDS_FOR_ALL,
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode == 0:
            return {item.name: _reading(out / item.name) for item in FAULTS}
        current = out / "current"
        if not current.exists():
            msg = f"{name} cannot start:\n{ran.stderr[-2000:]}"
            raise RuntimeError(msg)
        (out / f"{current.read_text()}.json").write_text("null")
        current.unlink()


def _reading(path: Path) -> Reading | None:
    told = json.loads(path.with_name(f"{path.name}.json").read_text())
    if told is None:
        return None
    with np.load(path.with_name(f"{path.name}.npz")) as arrays:
        n = len(arrays.files) // 2
        volumes = [
            (arrays[f"v{k}"].astype(np.float64), arrays[f"a{k}"]) for k in range(n)
        ]
    return Reading(volumes, told["said"], told["error"])


def judge(
    truths: Sequence[Truth], reading: Reading | None, noise: frozenset[str]
) -> Cell:
    """Compare what a reader gave with what is true.

    Args:
        truths: The right volumes.
        reading: None if the process died.
        noise: What the reader says of regular series too.
    """
    if reading is None:
        return Cell(Verdict.CRASH)
    if reading.error == "not applicable":
        return Cell(Verdict.NOT_FOR)
    codes = tuple(dict.fromkeys(x.split(": ")[1] for x in reading.said if _has_code(x)))
    repaired = any(line.startswith("repaired: ") for line in reading.said)
    said = bool({generic(line) for line in reading.said} - noise)
    return Cell(_verdict(truths, reading, said=said), codes, repaired)


def _has_code(line: str) -> bool:
    start, _, code = line.partition(": ")
    return start in {"accepted", "repaired", "refused"} and code in set(FindingCode)


def _verdict(truths: Sequence[Truth], reading: Reading, *, said: bool) -> Verdict:
    if not reading.volumes:
        return Verdict.REFUSED if said or reading.error else Verdict.SILENT
    fits = [
        [is_right(*volume, truth) for truth in truths] for volume in reading.volumes
    ]
    if truths and np.any(fits, axis=1).all() and np.any(fits, axis=0).all():
        return Verdict.RIGHT
    return Verdict.SAID if said else Verdict.SILENT


def generic(line: str) -> str:
    """A line without its numbers and paths."""
    return re.sub(r"/\S+|[\d.]+", "#", line).strip()


def noise_of(readings: Mapping[str, Reading | None]) -> frozenset[str]:
    """What is said of the regular series, which have no fault."""
    controls = [readings[f.name] for f in FAULTS if f.group == CONTROL]
    return frozenset(generic(line) for r in controls if r for line in r.said)


def table(cells: Mapping[str, Mapping[str, Cell]], versions: Mapping[str, str]) -> str:
    """The tables of the page, one per group, and how often each verdict occurs."""
    names = list(versions)
    parts = [_counts(cells, names)]
    for group, items in groupby(FAULTS, key=lambda f: f.group):
        head = (
            f"\n## {group}\n\n| | {' | '.join(names)} |\n|---|{'---|' * len(names)}\n"
        )
        rows = [
            _row(item, [cells[name][item.name] for name in names]) for item in items
        ]
        parts.append(head + "\n".join(rows) + "\n")
    return "\n".join(parts)


def _row(item: Fault, cells: Sequence[Cell]) -> str:
    return f"| {item.title} | {' | '.join(_shown(cell) for cell in cells)} |"


def _shown(cell: Cell) -> str:
    text = f"**{cell.verdict}**" if _is_bad(cell) else cell.verdict.value
    shown = [f"`{code}`" for code in cell.codes if code != "extent-unverified"]
    return (
        f"{text}{', repaired' if cell.repaired else ''}: {', '.join(shown)}"
        if (shown)
        else text
    )


def _is_bad(cell: Cell) -> bool:
    return cell.verdict in {Verdict.SILENT, Verdict.CRASH}


def _counts(cells: Mapping[str, Mapping[str, Cell]], names: Sequence[str]) -> str:
    counts = {n: Counter(c.verdict for c in cells[n].values()) for n in names}
    head = f"| | {' | '.join(names)} |\n|---|{'---|' * len(names)}\n"
    rows = [
        f"| {verdict} | {' | '.join(str(counts[name][verdict]) for name in names)} |"
        for verdict in Verdict
    ]
    return head + "\n".join(rows) + "\n"
