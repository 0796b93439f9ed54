"""The one door to masks."""

import numpy as np

from voxray.core.errors import GeometryError, UnreadableScanError
from voxray.core.findings import POLICY, Action, FindingCode
from voxray.core.geometry import VoxelGrid
from voxray.core.records import Finding, MaskSource, Volume
from voxray.scan_io.dicom import values
from voxray.scan_io.dicom.quiet import READ_ERRORS, kind_of, quiet_pydicom
from voxray.scan_io.masks.dataset import read_dataset
from voxray.scan_io.masks.drawing import Drawing, unknown_numbers
from voxray.scan_io.masks.rtstruct import draw_contours
from voxray.scan_io.masks.seg import draw_segments
from voxray.scan_io.nifti import read_label_map
from voxray.scan_io.sniff import FileKind, file_kind

NIFTI_TOLERANCE_MM = 1e-2
"""Between corners of mask and scan."""


def read_mask(source: MaskSource) -> Volume:
    """Read a mask that intake has checked.

    Args:
        source: Where it is, the grid it must lie on, and what was accepted of it.

    Returns:
        Integers (i, j, k) on `source.grid`: values of classes, 0 for background.

    Raises:
        UnreadableScanError: If the file is broken, or intake would refuse it.
        GeometryError: If it does not lie on the grid.
    """
    drawing = read_drawing(source)
    for finding in drawing.findings:
        refused = POLICY[finding.code].action is Action.REFUSE
        if refused and finding.code not in source.accepted:
            problem = f"{finding.code.value}: {finding.detail}"
            raise UnreadableScanError(source.scan_id, problem)
    return drawing.volume


def read_drawing(source: MaskSource) -> Drawing:
    """Read a mask, and say what is wrong with it.

    A NIfTI mask must have the voxels of the scan. Frames of a SEG are laid on the
    voxels they cover, contours of an RTSTRUCT are filled; nothing is resampled.

    Raises:
        UnreadableScanError: If the file is broken, or no mask.
        GeometryError: If it does not lie on the grid.
    """
    match file_kind(source.file, source.scan_id):
        case FileKind.NIFTI:
            return _of_nifti(source)
        case FileKind.DICOM:
            return _of_dicom(source)
        case _:
            problem = "the mask is neither NIfTI nor DICOM"
            raise UnreadableScanError(source.scan_id, problem)


def _of_nifti(source: MaskSource) -> Drawing:
    mask = read_label_map(source.file, source.scan_id)
    _check_grid(source.scan_id, mask.grid, source.grid)
    present = {int(value) for value in np.unique(mask.voxels)} - {0}
    wanted = set(source.values.values()) or present
    findings = unknown_numbers("values", present - wanted)
    if not present & wanted:
        empty = "no voxel of any class" if present else "every voxel of the mask is 0"
        findings.append(Finding(FindingCode.MASK_EMPTY, empty))
    return Drawing(Volume(mask.voxels, source.grid), tuple(findings))


def _check_grid(scan_id: str, mask: VoxelGrid, scan: VoxelGrid) -> None:
    if mask.matches(scan, NIFTI_TOLERANCE_MM):
        return
    if mask.shape != scan.shape:
        sizes = [" x ".join(map(str, grid.shape)) for grid in (mask, scan)]
        problem = f"the mask has {sizes[0]} voxels, the scan {sizes[1]}"
        raise GeometryError(scan_id, problem)
    gap_mm = np.abs(mask.corners_ras_mm() - scan.corners_ras_mm()).max()
    problem = f"corners of mask and scan lie up to {gap_mm:.3g} mm apart"
    raise GeometryError(scan_id, problem)


def _of_dicom(source: MaskSource) -> Drawing:
    dataset = read_dataset(source.file, source.scan_id, pixels=True)
    try:
        with quiet_pydicom():
            match values.text(dataset, "Modality"):
                case "SEG":
                    return draw_segments(dataset, source)
                case "RTSTRUCT":
                    return draw_contours(dataset, source)
                case _:
                    problem = "DICOM, but neither SEG nor RTSTRUCT"
                    raise UnreadableScanError(source.scan_id, problem)
    except READ_ERRORS as error:
        problem = f"the DICOM mask cannot be read: {kind_of(error)}"
        raise UnreadableScanError(source.scan_id, problem) from error
