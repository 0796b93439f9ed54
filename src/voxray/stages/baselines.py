"""Part of stage 5: what the network must beat, on the same held-out exams."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from voxray.core.files import atomic_path
from voxray.core.records import ExamId, OutOfFoldPrediction
from voxray.evaluate import Rival, Suspect, require_out_of_fold
from voxray.model import Compute
from voxray.report import draw_overlay
from voxray.stages.baseline_columns import check_columns
from voxray.stages.class_baselines import class_rivals
from voxray.stages.frame import StageContext
from voxray.stages.mask_baselines import mask_rivals
from voxray.stages.rivals import Rivals
from voxray.stages.study import Study

PICTURES = "possibly_mislabelled"
_MOST_PICTURES = 12


def find_rivals(
    study: Study,
    context: StageContext,
    network: Sequence[OutOfFoldPrediction],
    folder: Path,
    compute: Compute,
) -> tuple[Rival, ...]:
    """Fit every baseline on each fold's training exams and ask it about the held-out.

    Args:
        study: Exams, arrays and folds.
        context: The experiment.
        network: What the network said out of fold.
        folder: Of stage 5.
        compute: Device and precision, for the network on blanked images.

    Raises:
        ConfigError: If a column of `evaluate.baseline_columns` is not there.
    """
    records = [study.record(exam) for exam in study.exams]
    check_columns(records, context.experiment)
    rivals = Rivals(context, study, network)
    found: list[Rival] = []
    if study.plan.classes:
        found += class_rivals(rivals, folder, compute)
    if study.plan.structures:
        found += mask_rivals(rivals)
    for rival in found:
        require_out_of_fold(rival.predictions, study.rows)
    return tuple(found)


def draw_suspects(
    study: Study, context: StageContext, suspects: Sequence[Suspect], folder: Path
) -> None:
    """A picture of each of the first twelve, with the mask that a person drew."""
    shutil.rmtree(folder / PICTURES, ignore_errors=True)
    for exam in list(dict.fromkeys(s.exam_id for s in suspects))[:_MOST_PICTURES]:
        with atomic_path(folder / PICTURES / f"{exam}.png") as temporary:
            temporary.write_bytes(_draw(study, context, exam))


def _draw(study: Study, context: StageContext, exam: ExamId) -> bytes:
    cached, plan = study.cached[exam], study.plan
    inputs = np.asarray(cached.read_image())
    image = np.nan_to_num(inputs.mean(axis=0) if plan.colour else inputs[0])
    mask = cached.read_mask() if plan.structures else None
    structures = {name: n for n, name in enumerate(plan.structures, start=1)}
    drawn = None if mask is None else np.asarray(mask)
    spacing = cached.grid.spacing_mm
    return draw_overlay(image, drawn, spacing, structures, context.experiment.note)
