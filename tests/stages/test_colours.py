"""Pictures of two sizes whose class is a colour, not a brightness."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.unit.stages.makers import KEY
from voxray.core.files import read_json
from voxray.core.specs import Experiment, Plan
from voxray.stages.run import ScoreRequest, Session, run_experiment
from voxray.stages.score import score_command

HUES = ((160, 60, 60), (60, 96, 137))
"""Of equal luminance, 90, to a tenth of a grey value."""


def write_picture(path: Path, seed: int, hue: int, scale: int) -> None:
    """A patch of a hue on noisy grey, each pixel `scale` times as large."""
    rng = np.random.default_rng(seed)
    pixels = np.repeat(rng.integers(60, 120, (24, 18, 1)), 3, axis=2)
    i, j = rng.integers(2, 10), rng.integers(2, 6)
    pixels[i : i + 10, j : j + 8] += np.array(HUES[hue]) - 90
    path.parent.mkdir(exist_ok=True)
    large = np.kron(pixels, np.ones((scale, scale, 1))).astype(np.uint8)
    Image.fromarray(large).save(path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    root = tmp_path_factory.mktemp("colours")
    lines = ["scan,y"]
    for n in range(24):
        write_picture(root / "scans" / f"c{n}.png", n, n % 2, 1 + n // 2 % 2)
        lines.append(f"c{n},{n % 2}")
    (root / "labels.csv").write_text("\n".join(lines) + "\n")
    experiment = Experiment.model_validate(
        {
            "name": "colours",
            "data": {
                "scans": root / "scans",
                "patient": "each_file",
                "labels": {"table": root / "labels.csv"},
                "ids": "path",
            },
            "task": {"classify": {"column": "y", "classes": {"red": 0, "blue": 1}}},
            "folds": {"n": 2},
            "train": {"steps": 60, "device": "cpu", "learning_rate": 1e-2},
            "evaluate": {"resamples": 200, "blanked_share": 0},
        }
    )
    said: list[str] = []
    session = Session(root / "workspace", KEY, say=said.append)
    assert run_experiment(experiment, session) == 0
    return root, session, said


def test_colour_is_learned_where_luminance_says_nothing(finished):
    root, _, said = finished
    folder = root / "workspace" / "colours"
    plan = Plan.model_validate(read_json(folder / "preprocess" / "plan.json"))
    rows = read_json(folder / "evaluate" / "evaluation.json")["metrics"]
    auc = {r["model"]: r["value"] for r in rows if r["metric"] == "auc"}

    assert plan.inputs == ("red", "green", "blue")
    assert any("red, green, blue" in line for line in said)
    assert auc["network"] > 0.95
    assert auc["baseline:intensity"] < 0.8


def test_pictures_of_two_sizes_are_one_input(finished):
    root, _, _ = finished
    plan = read_json(root / "workspace" / "colours" / "preprocess" / "plan.json")
    assert "24 of 24 pictures state no pixel size" in plan["reasons"]["spacing_mm"]
    arrays = (root / "workspace" / "colours" / "preprocess" / "arrays").glob("*.npy")
    assert len({np.load(path).shape for path in arrays}) == 1


def test_new_pictures_are_scored_in_colour_whatever_their_size(finished, tmp_path):
    root, session, _ = finished
    for hue, name in enumerate(("red", "blue")):
        write_picture(tmp_path / "new" / f"{name}.png", 100 + hue, hue, 5)
    model = root / "workspace" / "colours" / "model"
    score_command(ScoreRequest(tmp_path / "new", str(model), tmp_path / "out"), session)
    with (tmp_path / "out" / "scores.csv").open() as table:
        rows = list(csv.DictReader(table))
    assert [row["status"] for row in rows] == ["scored", "scored"]
    blue, red = sorted(float(row["p_blue"]) for row in rows)[::-1]
    assert blue > 0.7
    assert red < 0.3
