"""A predicted mask beside the drawn one, as numbers and lesion by lesion."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from voxray.core.geometry import VoxelGrid
from voxray.core.records import OutOfFoldPrediction
from voxray.core.specs import EvaluateSpec, Plan, SegmentSpec
from voxray.evaluate import (
    Lesion,
    LesionSource,
    Slabs,
    find_lesions,
    measure_masks,
)
from voxray.preprocess import volumes_ml


def with_masks(
    row: OutOfFoldPrediction,
    masks: tuple[NDArray[Any], NDArray[Any]],
    grid: VoxelGrid,
    plan: Plan,
    segment: SegmentSpec,
) -> OutOfFoldPrediction:
    """The row with measures and volumes.

    Args:
        row: Of one exam.
        masks: Predicted and drawn, (i, j, k) mask values on `grid`.
        grid: Of the scan as it came.
        plan: Names and values of the structures.
        segment: Tolerances.
    """
    predicted, drawn = masks
    measures = measure_masks(predicted, drawn, grid, segment.classes)
    return replace(
        row,
        dice={name: m.dice for name, m in measures.items()},
        iou={name: m.iou for name, m in measures.items()},
        nsd={name: m.nsd for name, m in measures.items()},
        hd95_mm={name: m.hd95_mm for name, m in measures.items()},
        assd_mm={name: m.assd_mm for name, m in measures.items()},
        volume_ml=volumes_ml(predicted, grid, plan),
        true_volume_ml=volumes_ml(drawn, grid, plan),
    )


def lesions_of(
    row: OutOfFoldPrediction,
    masks: tuple[NDArray[Any], NDArray[Any]],
    grid: VoxelGrid,
    plan: Plan,
    evaluate: EvaluateSpec,
    shares: Callable[[int], Slabs] | None = None,
) -> tuple[Lesion, ...]:
    """Lesions of one exam, of the structures that are counted lesion by lesion.

    Args:
        row: Of the exam.
        masks: Predicted and drawn, (i, j, k) mask values on `grid`.
        grid: Of the scan as it came.
        plan: Names and values of the structures.
        evaluate: Which are counted, and what overlap is a match.
        shares: Probability of a structure by its place in the plan; None where only
            masks are known.
    """
    found: list[Lesion] = []
    for name in evaluate.lesions:
        place = plan.structures.index(name)
        value = plan.mask_values[place]
        predicted, drawn = (labels == value for labels in masks)
        slabs = None if shares is None else shares(place)
        source = LesionSource(row, name, grid)
        found += find_lesions(predicted, drawn, slabs, source, evaluate.lesion_iou)
    return tuple(found)
