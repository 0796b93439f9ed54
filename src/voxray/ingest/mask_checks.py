"""Whether a mask fits its scan."""

from collections.abc import Mapping
from pathlib import Path

from voxray.core.errors import GeometryError, ScanError
from voxray.core.findings import FindingCode
from voxray.core.geometry import VoxelGrid
from voxray.core.records import Finding, MaskSource, ScanId
from voxray.scan_io import read_drawing


def mask_findings(
    path: Path, scan_id: ScanId, grid: VoxelGrid, values: Mapping[str, int]
) -> tuple[Finding, ...]:
    """Read a mask; whatever is wrong with it is a finding.

    Args:
        path: Of the mask.
        scan_id: Of its scan.
        grid: Of its scan.
        values: Voxel value by class; empty without classes. Then structures may share
            voxels, since nobody said which of them are wanted.
    """
    try:
        found = read_drawing(MaskSource(scan_id, path, grid, values)).findings
        return tuple(f for f in found if values or f.code != FindingCode.MASK_OVERLAP)
    except GeometryError as error:
        return (Finding(FindingCode.MASK_GEOMETRY, error.problem),)
    except ScanError as error:
        return (Finding(FindingCode.MASK_UNREADABLE, error.problem),)
