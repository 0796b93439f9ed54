"""A DICOM series of single-frame slices as one volume."""

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import FileDataset
from pydicom.pixels.processing import apply_modality_lut
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian
from pydicom.uid import ImplicitVRLittleEndian as ImplicitVR

from voxray.core.errors import GeometryError, UnreadableScanError
from voxray.core.records import IntensityUnit, ScanSource, Volume
from voxray.scan_io.dicom import values
from voxray.scan_io.dicom.opened import dicom_stream
from voxray.scan_io.dicom.placement import SlicePlace, stack_grid
from voxray.scan_io.dicom.quiet import (
    READ_ERRORS,
    kind_of,
    panic_as_error,
    quiet_pydicom,
)


def read_series(source: ScanSource) -> Volume:
    """Read single-frame slices that are already in order.

    The grid comes from ImageOrientationPatient, PixelSpacing and the first and last
    ImagePositionPatient, never from slice thickness, except for one slice alone.

    Args:
        source: One file per slice, in slice order.

    Returns:
        float32 (column, row, slice) after the modality rescale of each slice, first
        axis fastest in memory; RAS+ affine. Hounsfield units for CT. Inverted grey
        (MONOCHROME1) is left as it is.

    Raises:
        UnreadableScanError: If a slice cannot be read or decoded, or is no grey image
            of one frame.
        GeometryError: If the slices do not form one grid.
    """
    if not source.files:
        raise UnreadableScanError(source.scan_id, "it has no files")
    planes, places, units = [], [], []
    with quiet_pydicom():
        for number, path in enumerate(source.files, start=1):
            at = _Slice(source.scan_id, number, len(source.files))
            dataset = at.read(path)
            places.append(SlicePlace.from_dataset(dataset, source.scan_id, str(at)))
            planes.append(at.rescaled(dataset))
            units.append(_unit(dataset))
    voxels = _stack(planes, source.scan_id)
    grid = stack_grid(source.scan_id, planes[0].shape, places)
    return Volume(voxels, grid, units[0])


class _Slice:
    """Which slice an error is about: its number, since its path may name a patient."""

    def __init__(self, scan_id: str, number: int, total: int) -> None:
        self._scan_id = scan_id
        self._text = f"slice {number} of {total}"

    def __str__(self) -> str:
        return self._text

    def read(self, path: Path) -> FileDataset:
        """The whole file, still encoded."""
        try:
            with dicom_stream(path) as stream:
                dataset = pydicom.dcmread(stream, force=True)
            _name_transfer_syntax(dataset)
        except READ_ERRORS as error:
            problem = f"cannot be read: {kind_of(error)}"
            raise self._unreadable(problem) from error
        return dataset

    def rescaled(self, dataset: FileDataset) -> NDArray[np.float32]:
        """Grey values (column, row) in the unit of the modality."""
        try:
            with panic_as_error():
                raw = dataset.pixel_array
            if raw.ndim == 2 and _is_grey(dataset):  # noqa: PLR2004
                return np.asarray(_rescale(raw, dataset).T, dtype=np.float32)
        except READ_ERRORS as error:
            syntax = UID(values.text(dataset.file_meta, "TransferSyntaxUID") or "").name
            problem = f"has pixels that cannot be decoded ({syntax}): {kind_of(error)}"
            raise self._unreadable(problem) from error
        problem = f"is no grey image of one frame: its pixels have shape {raw.shape}"
        raise self._unreadable(problem)

    def _unreadable(self, problem: str) -> UnreadableScanError:
        return UnreadableScanError(self._scan_id, f"{self._text} {problem}")


def _name_transfer_syntax(dataset: FileDataset) -> None:
    """Fill in how a file without meta information turned out to be encoded."""
    if "TransferSyntaxUID" in dataset.file_meta:
        return
    implicit, little = dataset.original_encoding
    explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
    dataset.file_meta.TransferSyntaxUID = ImplicitVR if implicit else explicit


def _is_grey(dataset: FileDataset) -> bool:
    kind = values.text(dataset, "PhotometricInterpretation") or ""
    return kind in {"MONOCHROME1", "MONOCHROME2"}


def _rescale(raw: NDArray[Any], dataset: FileDataset) -> NDArray[Any]:
    """Stored values to values of the modality (PS3.3 C.11.1), in double precision.

    Raises:
        ValueError: If slope or intercept is no number.
    """
    if dataset.get("ModalityLUTSequence"):
        return np.asarray(apply_modality_lut(raw, dataset))
    slope = _number(dataset, "RescaleSlope", absent=1.0)
    intercept = _number(dataset, "RescaleIntercept", absent=0.0)
    return raw.astype(np.float64) * slope + intercept


def _number(dataset: FileDataset, keyword: str, absent: float) -> float:
    if values.text(dataset, keyword) is None:
        return absent
    number = values.real(dataset, keyword)
    if number is None:
        msg = f"{keyword} is no number"
        raise ValueError(msg)
    return number


def _unit(dataset: FileDataset) -> IntensityUnit:
    is_ct = values.text(dataset, "Modality") == "CT"
    return IntensityUnit.HOUNSFIELD if is_ct else IntensityUnit.ARBITRARY


def _stack(planes: list[NDArray[np.float32]], scan_id: str) -> NDArray[np.float32]:
    shapes = {plane.shape for plane in planes}
    if len(shapes) > 1:
        sizes = ", ".join(f"{columns} x {rows}" for columns, rows in sorted(shapes))
        raise GeometryError(scan_id, f"its slices differ in size: {sizes} voxels")
    voxels = np.empty((*planes[0].shape, len(planes)), np.float32, order="F")
    for k, plane in enumerate(planes):
        voxels[:, :, k] = plane
    return voxels
