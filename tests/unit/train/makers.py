"""A toy that a network learns in a few steps: a bright block says ill."""

from pathlib import Path
from typing import Any

import numpy as np

from tests.unit.model.makers import a_plan
from tests.unit.preprocess.makers import a_grid
from voxray.core.records import ExamId, PatientId
from voxray.core.specs import FoldValues, TrainSpec
from voxray.preprocess import PreparedExam, write_exam
from voxray.train import FoldJob, FoldSeed, TrainingExam

SHAPE = (16, 20, 12)


def an_exam(
    folder: Path, number: int, shape: tuple[int, int, int] = SHAPE
) -> TrainingExam:
    """Even numbers are ill: a bright block of 6 x 6 x 4 voxels, drawn in the mask."""
    rng = np.random.default_rng(number)
    image = rng.normal(0, 0.3, (1, *shape)).astype(np.float32)
    mask = np.zeros(shape, np.uint8)
    if number % 2 == 0:
        mask[4:10, 6:12, 4:8] = 1
        image[0][mask == 1] += 3
    exam_id = ExamId(f"e{number}")
    cached = write_exam(folder, exam_id, PreparedExam(image, mask, a_grid(shape)))
    target = (0.0, 1.0) if number % 2 == 0 else (1.0, 0.0)
    return TrainingExam(exam_id, PatientId(f"p{number}"), cached, target)


def a_job(folder: Path, task: str = "both", **changes: Any) -> FoldJob:
    """Four exams to train on, two that watch; epochs of 20, 20 and 5 steps."""
    exams = [an_exam(folder / "cache", n) for n in range(6)]
    spec = {"steps": 45, "learning_rate": 1e-2} | changes.pop("spec", {})
    plain: dict[str, Any] = {
        "plan": a_plan(task),
        "spec": TrainSpec(**spec),
        "seed": FoldSeed(7, 0, 0),
        "training": exams[:4],
        "validation": exams[4:],
        "values": FoldValues(n_exams=4),
        "folder": folder / "fold_0",
        "inputs_sha256": "i" * 64,
    }
    return FoldJob(**(plain | changes))
