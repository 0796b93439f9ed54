"""Part of stage 5: figures of masks, and pictures of the worst ones."""

import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voxray.core.errors import ManifestError, ScanError
from voxray.core.files import atomic_path
from voxray.core.geometry import to_nearest_ras
from voxray.core.records import Metric, OutOfFoldPrediction, ScanSource
from voxray.evaluate import (
    Lesion,
    LesionStudy,
    WorstExam,
    froc_curve,
    volume_error_ml,
    worst_exams,
    write_worst,
)
from voxray.report import (
    LesionCurve,
    VolumePairs,
    draw_bland_altman,
    draw_dice,
    draw_froc,
    draw_overlay,
)
from voxray.scan_io import read_label_map, read_mask, read_volume
from voxray.stages.asked import Asked
from voxray.stages.frame import StageContext
from voxray.stages.held_out import mask_file
from voxray.stages.study import Study, mask_source, read_scan_sources

WORST_FILE = "worst_exams.csv"
WORST_PICTURES = "worst_exams"
AGREEMENT = {"drawn and predicted": 1, "only drawn": 2, "only predicted": 3}
_MOST_PICTURES = 8  # of each structure


def draw_masks(
    asked: Asked,
    predictions: Sequence[OutOfFoldPrediction],
    lesions: Sequence[Lesion],
    metrics: Sequence[Metric],
) -> dict[str, bytes]:
    """Figures by file name; none without masks."""
    segment = asked.task.segment
    if segment is None:
        return {}
    note, structures = asked.note, tuple(segment.classes)
    dice = {name: dice_of_exams(predictions, name) for name in structures}
    pairs = {name: _volumes(predictions, name) for name in structures}
    figures = {
        "dice.png": draw_dice(dice, metrics, note),
        "bland_altman.png": draw_bland_altman(pairs, metrics, note),
    }
    if curves := _curves(asked, predictions, lesions):
        figures["froc.png"] = draw_froc(curves, metrics, note)
    return figures


def _volumes(predictions: Sequence[OutOfFoldPrediction], name: str) -> VolumePairs:
    used = [row for row in predictions if volume_error_ml(row, name) is not None]
    drawn = _mean_over_repeats(used, lambda row: row.true_volume_ml[name])
    said = _mean_over_repeats(used, lambda row: row.volume_ml[name])
    return VolumePairs(np.array(drawn), np.array(said))


def dice_of_exams(predictions: Sequence[OutOfFoldPrediction], name: str) -> list[float]:
    """Dice of each exam that has one, repeats averaged: an exam is one point."""
    used = [row for row in predictions if row.dice.get(name) is not None]
    return _mean_over_repeats(used, lambda row: row.dice[name] or 0.0)


def _mean_over_repeats(
    rows: Sequence[OutOfFoldPrediction], value: Callable[[OutOfFoldPrediction], float]
) -> list[float]:
    of_exam: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        of_exam[row.exam_id].append(value(row))
    return [float(np.mean(values)) for values in of_exam.values()]


def _curves(
    asked: Asked,
    predictions: Sequence[OutOfFoldPrediction],
    lesions: Sequence[Lesion],
) -> Mapping[str, LesionCurve]:
    """Of the structures that have a drawn lesion, and predicted ones with a score."""
    curves = {}
    for name in asked.evaluate.lesions:
        study = LesionStudy.of(predictions, lesions, name)
        if study.n_drawn.any() and study.scored:
            curve = froc_curve(study)
            curves[name] = LesionCurve(curve.false_positives, curve.sensitivity)
    return curves


def list_worst(
    context: StageContext,
    study: Study,
    predictions: Sequence[OutOfFoldPrediction],
    folder: Path,
) -> None:
    """Write the list of the worst exams, and a picture of the first of each structure.

    Pictures need the scans; a scan that is gone has none.
    """
    rows = worst_exams(predictions, study.plan.structures)
    write_worst(rows, folder / WORST_FILE)
    shutil.rmtree(folder / WORST_PICTURES, ignore_errors=True)
    shown = [row for row in rows if row.rank <= _MOST_PICTURES]
    if not shown:
        return
    records = [study.record(row.exam_id) for row in shown]
    try:
        sources = read_scan_sources(context, records)
    except ManifestError:
        context.say("no pictures of the worst masks: scans are not as they were read")
        return
    for row, record in zip(shown, records, strict=True):
        try:
            png = _draw(context, study, row, sources[record.scan_id], folder)
        except (ScanError, KeyError):
            continue
        with atomic_path(worst_picture(folder, row)) as temporary:
            temporary.write_bytes(png)


def worst_picture(folder: Path, row: WorstExam) -> Path:
    """Where the picture of a listed exam is, below the folder of stage 5."""
    return folder / WORST_PICTURES / row.structure / f"{row.exam_id}.png"


def _draw(
    context: StageContext,
    study: Study,
    row: WorstExam,
    source: ScanSource,
    folder: Path,
) -> bytes:
    """The scan with what is in both masks, only drawn, and only predicted."""
    record, plan = study.record(row.exam_id), study.plan
    value = plan.mask_values[plan.structures.index(row.structure)]
    first = min(name.repeat for name in study.folds())
    path = mask_file(folder, first, row.exam_id)
    predicted = read_label_map(path, record.scan_id).voxels == value
    mask = mask_source(record, context.experiment)
    drawn = read_mask(mask).voxels == value if mask else np.zeros_like(predicted)
    volume = read_volume(source)
    voxels, grid = to_nearest_ras(volume.voxels, volume.grid)
    both, _ = to_nearest_ras(_both(predicted, drawn), record.grid)
    image = np.ascontiguousarray(voxels, dtype=np.float32)
    return draw_overlay(
        image, both, grid.spacing_mm, AGREEMENT, context.experiment.note
    )


def _both(predicted: NDArray[np.bool_], drawn: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """1 in both, 2 only drawn, 3 only predicted, as in `AGREEMENT`."""
    both = np.zeros(drawn.shape, dtype=np.uint8)
    both[predicted], both[drawn], both[predicted & drawn] = 3, 2, 1
    return both
