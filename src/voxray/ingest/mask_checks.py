"""Whether a mask fits its scan."""

from pathlib import Path

import numpy as np

from voxray.core.errors import ScanError
from voxray.core.findings import FindingCode
from voxray.core.geometry import VoxelGrid
from voxray.core.records import Finding, ScanId, Volume
from voxray.scan_io import read_label_map

MASK_TOLERANCE_MM = 1e-2


def mask_findings(
    path: Path, scan_id: ScanId, grid: VoxelGrid, values: frozenset[int] | None
) -> tuple[Finding, ...]:
    """Read a mask; whatever is wrong with it is a finding.

    Args:
        path: Of the mask.
        scan_id: Of its scan.
        grid: Of its scan.
        values: What it may hold besides 0; None for anything.
    """
    try:
        mask = read_label_map(path, scan_id)
    except ScanError as error:
        return (Finding(FindingCode.MASK_UNREADABLE, error.problem),)
    checks = (_mask_geometry(mask.grid, grid), _mask_values(mask, values))
    return tuple(finding for finding in checks if finding is not None)


def _mask_geometry(mask: VoxelGrid, scan: VoxelGrid) -> Finding | None:
    if mask.matches(scan, MASK_TOLERANCE_MM):
        return None
    if mask.shape != scan.shape:
        sizes = [" x ".join(map(str, grid.shape)) for grid in (mask, scan)]
        detail = f"the mask has {sizes[0]} voxels, the scan {sizes[1]}"
        return Finding(FindingCode.MASK_GEOMETRY, detail)
    gap_mm = np.abs(mask.corners_ras_mm() - scan.corners_ras_mm()).max()
    detail = f"corners of mask and scan lie up to {gap_mm:.3g} mm apart"
    return Finding(FindingCode.MASK_GEOMETRY, detail)


def _mask_values(mask: Volume, allowed: frozenset[int] | None) -> Finding | None:
    present = {int(value) for value in np.unique(mask.voxels)} - {0}
    unknown = sorted(present - allowed) if allowed is not None else []
    if unknown:
        shown = ", ".join(map(str, unknown[:5]))
        detail = f"{len(unknown)} values that no class has: {shown}"
        return Finding(FindingCode.MASK_UNKNOWN_VALUE, detail)
    if not present:
        return Finding(FindingCode.MASK_EMPTY, "every voxel of the mask is 0")
    return None
