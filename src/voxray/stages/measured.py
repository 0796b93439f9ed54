"""A predicted mask beside the drawn one, as numbers in a row of predictions."""

from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from voxray.core.geometry import VoxelGrid
from voxray.core.records import OutOfFoldPrediction
from voxray.core.specs import Plan, SegmentSpec
from voxray.evaluate import measure_masks
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
