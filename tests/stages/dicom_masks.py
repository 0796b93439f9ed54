"""DICOM masks with a word in every place that can name a person."""

from collections.abc import Mapping, Sequence
from typing import Any

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage

from tests.makers import a_uid


def a_segmentation(
    slices: Sequence[Dataset], block: NDArray[np.bool_], tokens: Mapping[str, str]
) -> Dataset:
    """A binary SEG of the class "lesion", which is where `block` (i, j, k) says."""
    segment = hd.seg.SegmentDescription(
        segment_number=1,
        segment_label="lesion",
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Lesion,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
        tracking_id=tokens["segment description"],
        tracking_uid=hd.UID(),
    )
    drawn: Dataset = hd.seg.Segmentation(
        source_images=list(slices),
        pixel_array=block.transpose(2, 1, 0).astype(np.uint8),
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[segment],
        series_instance_uid=a_uid("seg series"),
        series_number=9,
        sop_instance_uid=a_uid("seg"),
        instance_number=1,
        manufacturer="maker",
        manufacturer_model_name="model",
        software_versions="1",
        device_serial_number=tokens["device serial number"],
        content_creator_name=f"{tokens['segmentation creator']}^A",
        series_description=tokens["segmentation series"],
        omit_empty_frames=False,
    )
    return drawn


def a_structure_set(slices: Sequence[Dataset], tokens: Mapping[str, str]) -> Dataset:
    """A square "lesion" on the middle slice, and a region with a telling name."""
    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.SOPClassUID, file.SOPInstanceUID = RTStructureSetStorage, a_uid("rtstruct")
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID"):
        setattr(file, keyword, getattr(slices[0], keyword))
    file.SeriesInstanceUID, file.Modality = a_uid("rt series"), "RTSTRUCT"
    file.StructureSetLabel = tokens["structure set label"]
    file.OperatorsName = tokens["operator"]
    frame = slices[0].FrameOfReferenceUID
    names = ("lesion", tokens["region name"])
    file.StructureSetROISequence = Items(
        _item(ROINumber=n, ROIName=name, ReferencedFrameOfReferenceUID=frame)
        for n, name in enumerate(names, start=1)
    )
    file.ROIContourSequence = Items(
        _item(ReferencedROINumber=n, ContourSequence=[_square(slices[6])])
        for n in (1, 2)
    )
    file.RTROIObservationsSequence = Items(
        [
            _item(
                ObservationNumber=1,
                ReferencedROINumber=1,
                ROIInterpreter=tokens["region observer"],
            )
        ]
    )
    file.ReferencedFrameOfReferenceSequence = Items([_references(slices)])
    return file


def _square(piece: Dataset) -> Dataset:
    x, y, z = map(float, piece.ImagePositionPatient)
    corners = [(4.5, 5.5), (9.5, 5.5), (9.5, 11.5), (4.5, 11.5)]
    return _item(
        ContourGeometricType="CLOSED_PLANAR",
        NumberOfContourPoints=4,
        ContourData=[v for i, j in corners for v in (x + i, y + j, z)],
        ContourImageSequence=[_reference(piece)],
    )


def _references(slices: Sequence[Dataset]) -> Dataset:
    series = _item(
        SeriesInstanceUID=slices[0].SeriesInstanceUID,
        ContourImageSequence=[_reference(piece) for piece in slices],
    )
    study = _item(
        ReferencedSOPClassUID="1.2.840.10008.3.1.2.3.1",
        ReferencedSOPInstanceUID=slices[0].StudyInstanceUID,
        RTReferencedSeriesSequence=[series],
    )
    return _item(
        FrameOfReferenceUID=slices[0].FrameOfReferenceUID,
        RTReferencedStudySequence=[study],
    )


def _reference(piece: Dataset) -> Dataset:
    return _item(
        ReferencedSOPClassUID=piece.SOPClassUID,
        ReferencedSOPInstanceUID=piece.SOPInstanceUID,
    )


def _item(**elements: Any) -> Dataset:
    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, Items(value) if isinstance(value, list)
                and isinstance(value[0], Dataset) else value)  # fmt: skip
    return item
