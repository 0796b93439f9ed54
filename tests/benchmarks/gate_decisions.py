"""Four candidates before the gate: worse, equal, better, better but miscalibrated.

All are real model folders in a real MLflow store, and the champion and each of them
scores a locked set of labelled scans through `voxray models promote`. After a candidate
that was passed the champion is rolled back, so that all four face the same one.

    python -m tests.benchmarks.gate_decisions [--patients 200] [--keep FOLDER]

Prints each decision with its reasons, the tags of the registry, and the look that was
counted. Takes a minute of a processor.
"""

import argparse
import tempfile
from pathlib import Path

from tests.stages.contest import School, register, write_model_of, write_patients
from tests.stages.makers import a_session

from voxray.mlflow_store import describe_model, list_models, open_store, rollback
from voxray.model import VoxrayNetwork
from voxray.stages.environment import artifact_root
from voxray.stages.promote import Decided, PromoteRequest, promote

NAME = "spots"
POLICY = """
models:
  spots:
    locked: {name: spots_locked, scans: locked/scans, labels: locked/labels.csv}
    compare: {goal: non-inferior, margin: 0.05, looks: 5}
    minimum_low: {auc: 0.6}
    calibration: {slope: [0.33, 3.0], intercept: [-1.0, 1.0]}
    subgroups: [{column: sex, metric: auc, minimum_low: 0.5, least_patients: 30}]
"""


def candidates(school: School) -> dict[str, VoxrayNetwork]:
    """The champion first; it learned from 40 scans, a fifth of them mislabelled."""
    return {
        "champion": school.pupil(n_scans=40, wrong=0.2, sureness=2.0),
        "worse": school.pupil(n_scans=12, wrong=0.4),
        "equal": school.pupil(n_scans=40, wrong=0.2, sureness=2.0, jitter=0.01),
        "better": school.pupil(n_scans=60),
        "better, miscalibrated": school.pupil(n_scans=60, sureness=8.0),
    }


def main() -> None:
    """Print the four decisions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=200)
    parser.add_argument("--keep", type=Path, help="folder for store, scans, models")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for name, decided, tags in decisions(folder, asked.patients):
            print(f"\n{name}: {'PASSED' if decided.passed else 'REFUSED'}")
            for rule, found in decided.facts:
                print(f"  {rule:32} {found}")
            print(f"  tags: gate_decision={tags['gate_decision']}", end=" ")
            print(f"gate_champion={tags['gate_champion']}")
            print(f"  reasons: {tags['gate_reasons']}")


def decisions(
    folder: Path, n_patients: int
) -> list[tuple[str, Decided, dict[str, str]]]:
    """Judge the champion alone, then each candidate against it."""
    session = a_session(folder, [])
    workspace = session.workspace
    uri = f"sqlite:///{workspace / 'tracking' / 'mlflow.db'}"
    store = open_store(uri, artifact_root(workspace))
    school = School.of(folder / "school", 240)
    write_patients(folder / "locked", n_patients, seed=2)
    policy = folder / "policy.yaml"
    policy.write_text(POLICY, encoding="utf-8")
    found = []
    for number, (name, network) in enumerate(candidates(school).items(), start=1):
        register(store, NAME, write_model_of(folder / "models" / str(number), network))
        ref = f"models:/{NAME}/{number}"
        decided = promote(PromoteRequest(ref, policy), session)
        if decided.passed and decided.against is not None:
            rollback(store, NAME)
        found.append((name, decided, dict(describe_model(store, ref).tags)))
    (model,) = list_models(store)
    looks = sum(tag.startswith("gate_look.") for tag in model.tags)
    print(f"champion after all: version {model.aliases['champion']}; {looks} looks")
    return found


if __name__ == "__main__":
    main()
