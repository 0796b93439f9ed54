"""A small cohort of two sequences: what does the second one add?

    python -m tests.benchmarks.two_channels [--patients 24] [--steps 100]

Generated DICOM studies of a T1 and a FLAIR series on different grids; the lesion is
hardly to be seen in T1 and plain in FLAIR. Trains on T1 alone and on both, classes and
masks with one network, and prints the out-of-fold AUC and Dice. Exit code 1 if the
second channel adds nothing.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[2]))  # for the makers of tests
from tests.benchmarks.runs import metrics_of
from tests.stages.two_sequences import a_two_channel_experiment, a_two_sequence_cohort
from tests.unit.stages.makers import KEY

from voxray.stages.run import Session, Span, run_experiment

T1 = {"t1": {"description": "t1"}}
BOTH = {**T1, "flair": {"description": "flair"}}


def judged(
    folder: Path, name: str, channels: dict[str, Any], steps: int
) -> dict[str, float]:
    """Cross-validate in two folds; AUC and Dice, printed too."""
    experiment = a_two_channel_experiment(
        folder,
        name=name,
        data={"channels": channels},
        train={"steps": steps, "batch_size": 4, "device": "cpu"},
    )
    session = Session(folder / "workspace", KEY)
    run_experiment(experiment, session, Span(last="evaluate"))
    found = {}
    for row in metrics_of(session.workspace / name):
        if (
            row["metric"] in {"auc", "dice"}
            and row.get("model", "network") == "network"
        ):
            ends = [row["low"], row["high"]]
            shown = ", ".join("-" if end is None else f"{end:.3f}" for end in ends)
            print(
                f"{name:8} {row['metric']:4} {row['value']:.3f} [{shown}]", flush=True
            )
            found[row["metric"]] = row["value"]
    return found


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=24)
    parser.add_argument("--steps", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        a_two_sequence_cohort(folder, options.patients)
        alone = judged(folder, "t1", T1, options.steps)
        both = judged(folder, "both", BOTH, options.steps)
    return 0 if both["dice"] > alone["dice"] and both["auc"] >= alone["auc"] else 1


if __name__ == "__main__":
    sys.exit(main())
