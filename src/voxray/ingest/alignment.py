"""Whether the scans of one exam show the same place."""

from collections.abc import Sequence

import numpy as np

from voxray.core.findings import FindingCode
from voxray.core.geometry import VoxelGrid
from voxray.core.records import Finding, ScanId, ScanRecord, exams_of
from voxray.core.specs import IntakeRules
from voxray.core.wording import crossed

LEAST_OVERLAP = 0.5
"""Part of the first channel's field of view that every other channel must cover."""

_PLACES_AN_AXIS = 16
_HALF_VOXEL = 0.5


def check_aligned(
    records: Sequence[ScanRecord], rules: IntakeRules
) -> dict[ScanId, Finding]:
    """Refuse every scan of an exam of which one channel covers too little of the first.

    Args:
        records: Scans of all exams; frames of reference were compared before.
        rules: The first of its channels gives the grid.
    """
    findings: dict[ScanId, Finding] = {}
    channels = list(rules.channels)
    for exam in exams_of(records).values():
        by_channel = {record.channel: record for record in exam}
        first = by_channel.get(channels[0])
        for name in channels[1:]:
            other = by_channel.get(name)
            if first is None or other is None:
                continue
            if problem := _too_little(first, other):
                findings |= {record.scan_id: problem for record in exam}
    return findings


def _too_little(first: ScanRecord, other: ScanRecord) -> Finding | None:
    unmeasured = first.grid.is_unmeasured and other.grid.is_unmeasured
    if unmeasured and first.grid.shape != other.grid.shape:
        detail = (
            f"{other.channel} has {_pixels(other)} pixels of unknown size, "
            f"{first.channel} {_pixels(first)}: nobody knows which lie on which"
        )
        return Finding(FindingCode.CHANNELS_UNALIGNED, detail)
    share = overlap(first.grid, other.grid)
    if share >= LEAST_OVERLAP:
        return None
    detail = (
        f"{other.channel} covers {share:.0%} of the field of view of {first.channel}, "
        f"at least {LEAST_OVERLAP:.0%} is needed"
    )
    return Finding(FindingCode.CHANNELS_UNALIGNED, detail)


def _pixels(record: ScanRecord) -> str:
    return crossed(record.grid.shape[:2])


def overlap(grid: VoxelGrid, other: VoxelGrid) -> float:
    """Part of the box of `grid` that lies in the box of `other`, from 0 to 1.

    Counted at 16 places along each axis. Boxes reach to the outer edges of voxels; a
    single slice is as thick as its spacing.
    """
    steps = (np.arange(_PLACES_AN_AXIS) + 0.5) / _PLACES_AN_AXIS
    axes = np.meshgrid(steps, steps, steps, indexing="ij")
    places = np.stack([axis.ravel() for axis in axes])
    index = places * np.array(grid.shape)[:, None] - 0.5
    matrix = np.linalg.inv(other.affine) @ grid.affine
    found = matrix[:3, :3] @ index + matrix[:3, 3:]
    size = np.array(other.shape)[:, None]
    inside = ((found >= -_HALF_VOXEL) & (found <= size - _HALF_VOXEL)).all(axis=0)
    return float(inside.mean())
