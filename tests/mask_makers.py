"""Makers of DICOM masks: SEG by highdicom, RTSTRUCT by pydicom."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
from highdicom.sr.coding import CodedConcept
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage

from tests.makers import Series, a_slice, a_uid, save_dicom

TISSUE = CodedConcept("85756007", "SCT", "Tissue")
Contour = Sequence[tuple[float, float, float]]
"""Points, LPS mm."""


def full_slices(series: Series) -> list[Dataset]:
    """Slices of a series with every element that highdicom asks for."""
    return [_full(a_slice(series, k)) for k in range(len(series.stored()))]


def read_axial(paths: Sequence[Path]) -> list[Dataset]:
    """Real axial slices in order, with every element that highdicom asks for."""
    slices = [_full(pydicom.dcmread(path)) for path in paths]
    return sorted(slices, key=lambda dataset: float(dataset.ImagePositionPatient[2]))


def _full(dataset: Dataset) -> Dataset:
    wanted = {
        "PatientBirthDate": "",
        "PatientSex": "O",
        "AccessionNumber": "",
        "StudyID": "1",
        "StudyDate": "20200101",
        "StudyTime": "120000",
        "ReferringPhysicianName": "",
        "PositionReferenceIndicator": "",
    }
    for keyword, value in wanted.items():
        if keyword not in dataset:
            setattr(dataset, keyword, value)
    return dataset


def a_seg(
    sources: Sequence[Dataset],
    voxels: NDArray[Any],
    labels: Sequence[str] = ("lesion",),
    kind: str = "BINARY",
    **options: Any,
) -> Dataset:
    """A segmentation of these images.

    Args:
        sources: Slices in order.
        voxels: (slice, row, column) segment numbers, or (slice, row, column, segment).
        labels: Of segments 1, 2, ...
        kind: BINARY, FRACTIONAL or LABELMAP.
        options: Further arguments of highdicom's `Segmentation`.
    """
    segments = [
        hd.seg.SegmentDescription(n, label, TISSUE, TISSUE, "MANUAL")
        for n, label in enumerate(labels, start=1)
    ]
    return hd.seg.Segmentation(
        sources,
        voxels.copy(),  # highdicom may scale it in place
        kind,
        segments,
        series_instance_uid=a_uid("seg series"),
        series_number=100,
        sop_instance_uid=a_uid("seg"),
        instance_number=1,
        manufacturer="tests",
        manufacturer_model_name="tests",
        software_versions="1",
        device_serial_number="1",
        **options,
    )


def a_structure_set(
    source: Dataset,
    structures: Mapping[str, Sequence[Contour]],
    kind: str = "CLOSED_PLANAR",
    images: Sequence[Dataset] = (),
) -> Dataset:
    """A structure set on the series of an image.

    Args:
        source: Gives patient, study, series and frame of reference.
        structures: Contours by name.
        kind: ContourGeometricType.
        images: That the set lists.
    """
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = RTStructureSetStorage
    dataset.SOPInstanceUID = a_uid("rtstruct")
    dataset.Modality = "RTSTRUCT"
    dataset.SeriesInstanceUID = a_uid("rtstruct series")
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID"):
        setattr(dataset, keyword, source.get(keyword))
    dataset.ReferencedFrameOfReferenceSequence = [_frame(source, images)]
    dataset.StructureSetROISequence = DicomSequence()
    dataset.ROIContourSequence = DicomSequence()
    for number, (name, contours) in enumerate(structures.items(), start=1):
        dataset.StructureSetROISequence.append(_roi(number, name, source))
        dataset.ROIContourSequence.append(_contours(number, contours, kind))
    return dataset


def _item(**elements: Any) -> Dataset:
    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item


def _frame(source: Dataset, images: Sequence[Dataset]) -> Dataset:
    listed = [
        _item(
            ReferencedSOPClassUID=image.SOPClassUID,
            ReferencedSOPInstanceUID=image.SOPInstanceUID,
        )
        for image in images
    ]
    series = _item(
        SeriesInstanceUID=source.SeriesInstanceUID, ContourImageSequence=listed
    )
    study = _item(RTReferencedSeriesSequence=[series])
    return _item(
        FrameOfReferenceUID=source.FrameOfReferenceUID,
        RTReferencedStudySequence=[study],
    )


def _roi(number: int, name: str, source: Dataset) -> Dataset:
    return _item(
        ROINumber=number,
        ROIName=name,
        ReferencedFrameOfReferenceUID=source.FrameOfReferenceUID,
    )


def _contours(number: int, contours: Sequence[Contour], kind: str) -> Dataset:
    drawn = [
        _item(
            ContourGeometricType=kind,
            NumberOfContourPoints=len(points),
            ContourData=[f"{x:.6f}" for point in points for x in point],
        )
        for points in contours
    ]
    return _item(ReferencedROINumber=number, ContourSequence=drawn)


def square(
    low: tuple[float, float], high: tuple[float, float], k: float, affine: NDArray[Any]
) -> Contour:
    """A rectangle between two corners (i, j) in voxels on slice k.

    Args:
        affine: Voxel index to RAS+ mm.
    """
    (i0, j0), (i1, j1) = low, high
    return placed([(i0, j0), (i1, j0), (i1, j1), (i0, j1)], k, affine)


def placed(
    corners: Sequence[tuple[float, float]], k: float, affine: NDArray[Any]
) -> Contour:
    """Points (i, j) in voxels of slice k as a contour, LPS mm."""
    index = np.array([(i, j, k, 1.0) for i, j in corners])
    ras = index @ affine.T
    return [(-x, -y, z) for x, y, z, _ in ras.tolist()]


def save_mask(dataset: Dataset, path: Path) -> Path:
    """Write a DICOM mask."""
    return save_dicom(dataset, path)
