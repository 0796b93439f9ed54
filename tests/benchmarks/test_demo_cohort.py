"""The embedded cohort, end to end: is all planted dirt found, and what is learned?

    pytest -m bench -s tests/benchmarks/test_demo_cohort.py

`VOXRAY_SEEDS` (default "20260101 1 2") names the seeds; some 6 minutes each, 2 cores.
With `VOXRAY_PERMUTE=SEED` labels are permuted between patients: the AUC must be chance.
"""

import csv
import json
import os
from pathlib import Path

import pytest

from voxray.manifest import read_manifest
from voxray.stages.demo import COHORT_FOLDER, run_demo
from voxray.stages.run import Session

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3600)]

SEEDS = [int(seed) for seed in os.environ.get("VOXRAY_SEEDS", "20260101 1 2").split()]
PERMUTE = os.environ.get("VOXRAY_PERMUTE")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def found_codes(experiment: Path) -> dict[str, dict[str, set[str]]]:
    """Codes per path: quarantine, findings of used scans, refusals when scoring."""
    found: dict[str, dict[str, set[str]]] = {"scans": {}, "inbox": {}}
    private = experiment / "score" / "private"
    for where, folder in (("scans", experiment / "ingest"), ("inbox", private)):
        for row in rows(folder / "quarantine.csv"):
            found[where].setdefault(row["path"], set()).add(row["code"])
    for record in read_manifest(experiment / "ingest" / "manifest.csv"):
        codes = {str(f.code) for f in record.findings} - {"mask-empty"}
        found["scans"].setdefault(record.path.as_posix(), set()).update(codes)
    path_of = {row["scan_id"]: row["path"] for row in rows(private / "linkage.csv")}
    for row in rows(experiment / "score" / "scores.csv"):
        path = path_of[row["scan_id"]]
        found["inbox"].setdefault(path, set()).update({row["reason_code"]} - {""})
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_all_that_was_planted_is_found_and_no_clean_scan_is_refused(tmp_path, seed):
    sets = [f"seed={seed}"] + ([f"data.permute_labels={PERMUTE}"] if PERMUTE else [])
    code = run_demo(Session(tmp_path, key=b"k" * 32, workers=2), sets)
    assert code == 0

    planted = json.loads((tmp_path / COHORT_FOLDER / "planted.json").read_text())
    found = found_codes(tmp_path / "demo")
    print(f"\nseed {seed}" + (f", labels permuted by {PERMUTE}" if PERMUTE else ""))
    missed = []
    for item in planted["planted"]:
        got = found[item["where"]].pop(item["path"], set())
        if item["where"] == "inbox" and item["code"] == "duplicate-slice":
            got = got or {"duplicate-slice"} & set(dispositions(tmp_path))
        wanted = {item["code"]} - {None}
        missed += [] if wanted <= got else [item]
        said = item["code"] or "nothing"
        print(f"  {item['where']:5}  {said:24} {sorted(got)}  {item['what']}")
    dirty = {Path(item["path"]) for item in planted["planted"]}
    refused = {
        (where, path): codes
        for where, paths in found.items()
        for path, codes in paths.items()
        if codes and not any(Path(path) in (p, *p.parents) for p in dirty)
    }
    show_metrics(tmp_path / "demo")
    assert missed == []
    assert refused == {}


def dispositions(workspace: Path) -> list[str]:
    summary = json.loads((workspace / "demo/score/summary.json").read_text())
    return ["duplicate-slice"] * summary["files"].get("duplicate", 0)


def show_metrics(experiment: Path) -> None:
    evaluation = json.loads((experiment / "evaluate" / "evaluation.json").read_text())
    for m in evaluation["metrics"]:
        if m["metric"] in {"auc", "sensitivity", "specificity", "dice"}:
            ends = [m["low"], m["high"]]
            shown = ["-" if e is None else f"{e:.3f}" for e in ends]
            value = "-" if m["value"] is None else f"{m['value']:.3f}"
            print(f"  {m['metric']:12} {m['class']:8} {value} [{', '.join(shown)}]")
